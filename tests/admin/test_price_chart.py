"""The chart of the signals page: what its script draws, and what it says in words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from strategy_config.admin.price_chart import Chart, draw
from strategy_config.observed.recent_signals import ConfigOfSignal, RecentSignal
from strategy_core.configuration.price_points import PricePoint

NOON = datetime(2024, 8, 8, 12, 0, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


def signal(seconds: float, price: float, action: str = "buy", *, is_simulated: bool = False) -> RecentSignal:
    return RecentSignal(
        id=f"at-{seconds}",
        strategy_id="orderbook_skew",
        symbol="BTCUSDT",
        action=action,
        confidence=0.8,
        price=price,
        at=NOON + timedelta(seconds=seconds),
        told_at=NOON + timedelta(seconds=seconds),
        config=ConfigOfSignal(1, 1, 0),
        is_simulated=is_simulated,
        payload=b"",
    )


def points(*pairs: tuple[float, float]) -> list[PricePoint]:
    return [PricePoint(NOON_MS + int(seconds * 1000), price) for seconds, price in pairs]


def drawn(*arguments: Any, is_simulated: bool = False) -> Chart:
    chart = draw("BTCUSDT", *arguments, is_simulated=is_simulated)
    assert chart is not None
    return chart


def test_chart__prices_and_signals__are_points_and_marks_in_the_order_of_time() -> None:
    chart = drawn(points((0, 100.0), (50, 110.0), (100, 105.0)), [signal(100, 105.0, "sell"), signal(50, 110.0)])
    assert chart.data["points"] == [(NOON_MS, 100.0), (NOON_MS + 50_000, 110.0), (NOON_MS + 100_000, 105.0)]
    assert [(mark["ms"], mark["price"], mark["action"], mark["id"]) for mark in chart.data["marks"]] == [
        (NOON_MS + 50_000, 110.0, "buy", "at-50"),
        (NOON_MS + 100_000, 105.0, "sell", "at-100"),
    ]
    assert chart.data["marks"][0]["words"] == "buy at 110, Order Book Skew, 12:00:50 UTC"
    assert (chart.is_measured, chart.left_out, chart.is_simulated) == (True, 0, False)
    assert chart.words == (
        "Price of BTCUSDT from 12:00:00 to 12:01:40 UTC: between 100 and 110, with 1 buy signal and 1 sell signal."
    )


def test_chart__over_days__names_them() -> None:
    chart = drawn([], [signal(200_000, 101.0), signal(0, 100.0)])
    assert chart.words.startswith("Price of BTCUSDT from 08 Aug 12:00 to 10 Aug 19:33 UTC: ")


def test_chart__signal_far_from_the_price__is_counted() -> None:
    signals = [signal(60, 500.0), signal(50, 111.5), signal(40, 1.0)]
    chart = drawn(points((0, 100.0), (50, 110.0), (100, 105.0)), signals)
    assert chart.beyond == 2
    assert "between 100 and 110" in chart.words


@pytest.mark.parametrize("marked", [[], [5]])
def test_chart__signals_before_the_prices_begin__are_counted_and_left_out(marked: list[int]) -> None:
    signals = [*(signal(seconds, 100.5) for seconds in marked), signal(-60, 90.0)]
    chart = drawn(points((0, 100.0), (10, 101.0)), signals)
    assert ([mark["id"] for mark in chart.data["marks"]], chart.left_out) == ([f"at-{n}" for n in marked], 1)


@pytest.mark.parametrize("prices", [[], points((0, 1.0)), points((600, 1.0), (660, 2.0))], ids=["none", "one", "later"])
def test_chart__no_price_at_the_time_of_the_signals__joins_their_own(prices: list[PricePoint]) -> None:
    chart = drawn(prices, [signal(60, 101.0), signal(0, 100.0)])
    assert (chart.is_measured, len(chart.data["marks"]), chart.left_out) == (False, 2, 0)
    assert chart.data["points"] == [(NOON_MS, 100.0), (NOON_MS + 60_000, 101.0)]


@pytest.mark.parametrize("signals", [[], [signal(0, 1.0)]])
def test_chart__too_little_for_a_line__is_none(signals: list[RecentSignal]) -> None:
    assert draw("BTCUSDT", [], signals, is_simulated=False) is None


def test_chart__time_that_went_back__begins_there() -> None:
    chart = drawn(points((500, 1.0), (600, 2.0), (0, 5.0), (10, 6.0)), [signal(10, 6.0)])
    assert [price for _, price in chart.data["points"]] == [5.0, 6.0]
    assert chart.words.startswith("Price of BTCUSDT from 12:00:00 to 12:00:10 UTC: between 5 and 6,")


@pytest.mark.parametrize(("market", "of_signal"), [(True, False), (False, True)])
def test_chart__of_a_simulated_market__says_so(market: bool, of_signal: bool) -> None:
    signals = [signal(5, 1.0, is_simulated=of_signal)]
    assert drawn(points((0, 1.0), (10, 2.0)), signals, is_simulated=market).is_simulated

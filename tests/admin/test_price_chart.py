"""The chart behind the signals page: where prices and signals lie, and what its labels say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_chart__prices_and_signals__lie_where_they_belong() -> None:
    chart = drawn(points((0, 100.0), (50, 110.0), (100, 105.0)), [signal(100, 105.0, "sell"), signal(50, 110.0)])
    assert chart.line == "0.0,880.0 500.0,120.0 1000.0,500.0"
    assert [(mark.x, mark.y, mark.action, mark.signal_id) for mark in chart.marks] == [
        ("50.00", "12.00", "buy", "at-50"),
        ("100.00", "50.00", "sell", "at-100"),
    ]
    assert [(tick.at, tick.label) for tick in chart.prices] == [
        (f"{at:.2f}", label)
        for at, label in zip(
            (88.0, 72.8, 57.6, 42.4, 27.2, 12.0), ("100", "102", "104", "106", "108", "110"), strict=True
        )
    ]
    assert [tick.label for tick in chart.times] == ["12:00:30", "12:01:00", "12:01:30"]
    assert (chart.is_measured, chart.left_out, chart.is_simulated) == (True, 0, False)
    assert chart.words == (
        "Price of BTCUSDT from 12:00:00 to 12:01:40 UTC, between 100 and 110, with 1 buy and 1 sell signals."
    )


def test_chart__signal_far_from_the_price__lies_at_the_edge_and_is_counted() -> None:
    chart = drawn(
        points((0, 100.0), (50, 110.0), (100, 105.0)), [signal(60, 500.0), signal(50, 110.0), signal(40, 1.0)]
    )
    assert [mark.y for mark in chart.marks] == ["97.00", "12.00", "3.00"]
    assert chart.beyond == 2
    assert "between 100 and 110" in chart.words


@pytest.mark.parametrize("marked", [[], [5]])
def test_chart__signals_before_the_prices_begin__are_counted_and_left_out(marked: list[int]) -> None:
    signals = [*(signal(seconds, 100.5) for seconds in marked), signal(-60, 90.0)]
    chart = drawn(points((0, 100.0), (10, 101.0)), signals)
    assert ([mark.signal_id for mark in chart.marks], chart.left_out) == ([f"at-{n}" for n in marked], 1)


@pytest.mark.parametrize("prices", [[], points((0, 1.0)), points((600, 1.0), (660, 2.0))], ids=["none", "one", "later"])
def test_chart__no_price_at_the_time_of_the_signals__joins_their_own(prices: list[PricePoint]) -> None:
    chart = drawn(prices, [signal(60, 101.0), signal(0, 100.0)])
    assert (chart.is_measured, len(chart.marks), chart.left_out) == (False, 2, 0)
    assert chart.line == "0.0,880.0 1000.0,120.0"


@pytest.mark.parametrize("signals", [[], [signal(0, 1.0)]])
def test_chart__too_little_for_a_line__is_none(signals: list[RecentSignal]) -> None:
    assert draw("BTCUSDT", [], signals, is_simulated=False) is None


def test_chart__time_that_went_back__begins_there() -> None:
    chart = drawn(points((500, 1.0), (600, 2.0), (0, 5.0), (10, 6.0)), [signal(10, 6.0)])
    assert chart.line.startswith("0.0,880.0 ")
    assert chart.words.startswith("Price of BTCUSDT from 12:00:00 to 12:00:10 UTC, between 5 and 6,")


@pytest.mark.parametrize(("market", "of_signal"), [(True, False), (False, True)])
def test_chart__of_a_simulated_market__says_so(market: bool, of_signal: bool) -> None:
    signals = [signal(5, 1.0, is_simulated=of_signal)]
    assert drawn(points((0, 1.0), (10, 2.0)), signals, is_simulated=market).is_simulated


PRICES = st.floats(min_value=1e-8, max_value=1e7)


# On a crowded machine drawing can be slow, which says nothing.
@settings(max_examples=50)
@given(
    prices=st.lists(PRICES, min_size=2, max_size=12),
    signals=st.lists(st.tuples(st.integers(-100, 100), PRICES), max_size=10),
)
def test_chart__whatever_the_prices__everything_lies_on_the_drawing(
    prices: list[float], signals: list[tuple[int, float]]
) -> None:
    series = points(*((number, price) for number, price in enumerate(prices)))
    found = [signal(seconds, price) for seconds, price in sorted(signals, reverse=True)]
    chart = drawn(series, found)
    places = [(float(mark.x), float(mark.y)) for mark in chart.marks]
    places += [(float(x) / 10, float(y) / 10) for x, y in (pair.split(",") for pair in chart.line.split())]
    places += [(0.0, float(tick.at)) for tick in chart.prices] + [(float(tick.at), 0.0) for tick in chart.times]
    assert all(-0.01 <= x <= 100.01 and -0.01 <= y <= 100.01 for x, y in places)
    assert len(chart.prices) <= 8
    assert len(chart.times) <= 6

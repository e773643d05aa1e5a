"""Ticker velocity against a plain implementation, its edges and bounds, and the effect of each parameter."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.market.messages import Ticker
from strategy_core.strategies.ticker_velocity import TickerVelocity, TickerVelocityParameters
from tests.strategies.parameter_effects import Case, Effect, declare_effects
from tests.strategies.plain_rules import BUY, NEUTRAL, SELL, confidence, edges
from tests.strategies.playback import Event, play, recorded


def ticker(time_ms: int, price: float, volume: float = 0.0) -> Event:
    return "ticker", Ticker(price=price, volume=volume, time_ms=time_ms)


def per_minute(before: Ticker, after: Ticker) -> float:
    return (after.price / before.price - 1) * 100 / ((after.time_ms - before.time_ms) / 60_000)


def traded(seen: Sequence[Ticker]) -> float:
    return sum(max(0.0, after.volume - before.volume) for before, after in zip(seen, seen[1:], strict=False))


def measure(window: Sequence[Ticker], p: TickerVelocityParameters) -> tuple[int, float]:
    """(state, score) on the tickers of the last ``time_window`` seconds, as the specification says."""
    oldest, newest = window[0], window[-1]
    covered_ms = newest.time_ms - oldest.time_ms
    if covered_ms < p.time_window * 1000 / 2:
        return NEUTRAL, 0.0
    middle = next(i for i, t in enumerate(window) if t.time_ms >= oldest.time_ms + covered_ms / 2)
    score = per_minute(oldest, newest)
    if window[middle].time_ms < newest.time_ms:
        acceleration = per_minute(window[middle], newest) - per_minute(oldest, window[middle])
        score += p.acceleration_weight * acceleration / 2
    earlier, later = traded(window[: middle + 1]), traded(window[middle:])
    if abs(newest.price / oldest.price - 1) * 100 < p.min_price_change:
        return NEUTRAL, score
    if p.volume_confirmation and later <= earlier * (1 + p.min_volume_change):
        return NEUTRAL, score
    return BUY if score > p.buy_threshold else SELL if score < p.sell_threshold else NEUTRAL, score


def plain(events: Sequence[Event], values: dict[str, Any]) -> list[tuple[int, str, Any]]:
    """(index, action, confidence) of each signal; event times must rise."""
    p = TickerVelocityParameters(**values)
    tickers = [payload for _, payload in events]
    measured = []
    first = 0
    for i, seen in enumerate(tickers):
        while tickers[first].time_ms < seen.time_ms - p.time_window * 1000:
            first += 1
        measured.append(measure(tickers[first : i + 1], p))
    found = []
    states = [(seen.time_ms, state) for seen, (state, _) in zip(tickers, measured, strict=True)]
    for i in edges(states, p.min_signal_interval_seconds):
        state, score = measured[i]
        threshold = p.buy_threshold if state == BUY else -p.sell_threshold
        strength = min(1.0, (abs(score) - threshold) / threshold)
        found.append((i, "buy" if state == BUY else "sell", pytest.approx(confidence(p.base_confidence, strength))))
    return found


def played(events: Sequence[Event], values: dict[str, Any]) -> list[tuple[int, str, float]]:
    return [(index, decision.action, decision.confidence) for index, decision in play(TickerVelocity, events, values)]


def from_trades(path: Path, symbol: str) -> list[Event]:
    """A ticker a second, as the exchange would send it, made from the recorded trades (there is no such recording)."""
    events: list[Event] = []
    volume, second = 50_000.0, 0
    for kind, seen in recorded(path, symbol):
        if kind != "trade":
            continue
        if second and seen.time_ms // 1000 != second:
            events.append(ticker(seen.time_ms // 1000 * 1000, seen.price, volume))
        second = seen.time_ms // 1000
        volume += seen.quantity
    return events


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
@pytest.mark.parametrize(
    "values",
    [
        {"buy_threshold": 0.1, "sell_threshold": -0.1, "min_signal_interval_seconds": 0.0},
        {"buy_threshold": 0.1, "sell_threshold": -0.1, "time_window": 30, "volume_confirmation": False},
        {"buy_threshold": 0.1, "sell_threshold": -0.1, "acceleration_weight": 1.0, "min_price_change": 0.05},
    ],
)
def test_ticker_velocity__tickers_of_recorded_trades__decides_as_the_plain_rule(
    market_data: Path, symbol: str, values: dict[str, Any]
) -> None:
    events = from_trades(market_data / "market/spot-20240808.jsonl.gz", symbol)

    found = played(events, values)

    assert len(found) >= 2
    assert found == plain(events, values)


steps = st.tuples(st.integers(250, 40_000), st.floats(0.97, 1.03), st.floats(-5, 50))


@given(
    seen=st.lists(steps, max_size=60),
    values=st.fixed_dictionaries(
        {
            "time_window": st.integers(30, 300),
            "acceleration_weight": st.floats(0, 1),
            "volume_confirmation": st.booleans(),
            "min_signal_interval_seconds": st.sampled_from([0.0, 60.0]),
        }
    ),
)
def test_ticker_velocity__any_rising_times__decides_as_the_plain_rule(
    seen: list[tuple[int, float, float]], values: dict[str, Any]
) -> None:
    time_ms, price, volume = 0, 100.0, 1000.0
    events = []
    for step_ms, factor, rise in seen:
        time_ms, price, volume = time_ms + step_ms, price * factor, max(0.0, volume + rise)
        events.append(ticker(time_ms, price, volume))

    assert played(events, values) == plain(events, values)


def series(
    price: Callable[[int], float], *, seconds: int = 61, volume: Callable[[int], float] = lambda i: i**1.5
) -> list[Event]:
    """A ticker a second."""
    return [ticker(i * 1000, price(i), 1000 + volume(i)) for i in range(seconds)]


def rise(i: int) -> float:
    """0.6 percent a minute."""
    return 100 + i * 0.01


def fall(i: int) -> float:
    return 100 - i * 0.01


SLOW = {"min_signal_interval_seconds": 0.0}


@pytest.mark.parametrize(
    ("events", "values", "signals"),
    [
        pytest.param(series(rise, seconds=30), {}, [], id="less than half of the window"),
        pytest.param(series(rise), SLOW, [(30, "buy")], id="half of the window, then no edge"),
        pytest.param(series(fall), {}, [(30, "sell")], id="falling"),
        pytest.param(series(rise, volume=lambda i: i), {}, [], id="volume does not rise"),
        pytest.param(series(rise, volume=lambda i: -i), {}, [], id="volume only leaves the 24 hours"),
        pytest.param(series(lambda i: 100), {}, [], id="no move"),
        pytest.param([ticker(0, 100, 1), ticker(40_000, 101, 2)], {}, [], id="two tickers: the halves tell nothing"),
        pytest.param(
            [ticker(0, 100, 1), ticker(40_000, 101, 2)],
            {"volume_confirmation": False},
            [(1, "buy")],
            id="two tickers without volume",
        ),
        pytest.param([*series(rise, seconds=30), ticker(20_000, 90, 0)], {}, [], id="a late ticker is left out"),
    ],
)
def test_ticker_velocity__sequence_of_tickers__signals_on_edges(
    events: list[Event], values: dict[str, Any], signals: list[tuple[int, str]]
) -> None:
    assert [(index, action) for index, action, _ in played(events, values)] == signals


def test_ticker_velocity__absurd_volume_once__is_forgotten() -> None:
    events = [ticker(0, 100, 1e300), *[ticker(1_000 + t.time_ms, t.price, t.volume) for _, t in series(rise)]]

    assert [(index, action) for index, action, _ in played(events, {})] == [(31, "buy")]


def test_ticker_velocity__clock_set_back__starts_its_window_anew() -> None:
    events = [ticker(10**12, 100, 1), *series(rise)]

    assert [index for index, _, _ in played(events, {})] == [31]


@pytest.mark.parametrize(("before", "after", "at"), [(300, 60, 50), (60, 120, 60)])
def test_ticker_velocity__window_changed__keeps_what_fits(before: int, after: int, at: int) -> None:
    silent = {"time_window": before, "buy_threshold": 2.0}

    found = play(TickerVelocity, series(rise), silent, changes={50: {"time_window": after}})

    assert [index for index, _ in found] == [at]


HALT = [*series(rise, seconds=35), *[ticker(i * 1000, 100.3, 1300) for i in range(35, 60)]]
AGAIN = [*HALT, *[ticker(i * 1000, 100.3 + (i - 60) * 0.05, 1300 + (i - 60) ** 2) for i in range(60, 80)]]
CASES = declare_effects(
    TickerVelocity,
    {
        "time_window": Effect(series(rise), changed={"time_window": 40}),
        "buy_threshold": Effect(series(rise), changed={"buy_threshold": 0.8}),
        "sell_threshold": Effect(series(fall), changed={"sell_threshold": -0.8}),
        "min_price_change": Effect(series(rise), changed={"min_price_change": 0.9}),
        "base_confidence": Effect(series(rise), changed={"base_confidence": 0.6}),
        "acceleration_weight": Effect(series(lambda i: 100 + i * i * 4e-4), changed={"acceleration_weight": 0.1}),
        "volume_confirmation": Effect(series(rise, volume=lambda i: i), changed={"volume_confirmation": False}),
        "min_volume_change": Effect(series(rise), changed={"min_volume_change": 1.5}),
        "min_signal_interval_seconds": Effect(AGAIN, changed={"min_signal_interval_seconds": 10.0}),
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ticker_velocity__one_parameter_changed__changes_the_outcome(case: Case) -> None:
    case.check()

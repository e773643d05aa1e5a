"""Spread liquidity against a plain implementation, its events and bounds, and the effect of each parameter."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.market.book import Book
from strategy_core.strategies.base import SymbolMarket
from strategy_core.strategies.spread_liquidity import SpreadLiquidity, SpreadLiquidityParameters
from tests.strategies.parameter_effects import Case, Effect, declare_effects
from tests.strategies.playback import Event, depth, play, recorded

Signal = tuple[int, str, str]


def book(time_ms: int, spread_bps: float, quantity: float = 1.0) -> Event:
    """Mid at 100, ``quantity`` at each of 6 levels a side."""
    half = spread_bps / 200
    bids = [(100 - half - i, quantity) for i in range(6)]
    asks = [(100 + half + i, quantity) for i in range(6)]
    return depth(bids, asks, time_ms)


def played(events: Sequence[Event], values: dict[str, Any] | None = None) -> list[Signal]:
    return [(index, d.action, d.signal_type) for index, d in play(SpreadLiquidity, events, values)]


def plain(books: Sequence[Book], values: dict[str, Any]) -> list[Signal]:
    """The signals as the specification says, every mean taken anew; event times must rise."""
    p = SpreadLiquidityParameters(**values)
    spreads = [b.spread / b.mid * 10_000 for b in books]
    depths = [sum(q for _, q in b.bids[:5]) + sum(q for _, q in b.asks[:5]) for b in books]
    found: list[Signal] = []
    event: tuple[int, float] | None = None
    last_ms = -(10**12)
    for i in range(p.lookback_ticks, len(books)):
        oldest, now_ms = i - p.lookback_ticks, books[i].time_ms
        mean = event[1] if event else sum(spreads[oldest:i]) / p.lookback_ticks
        ratio = spreads[i] / mean
        seconds = (now_ms - books[oldest].time_ms) / 1000
        velocity = (spreads[i] / spreads[oldest] - 1) / seconds if seconds else 0.0
        reduction = 1 - depths[i] / (sum(depths[oldest:i]) / p.lookback_ticks)
        pattern = ""
        if (
            velocity > p.velocity_threshold
            and ratio > 1.2 * p.spread_ratio_threshold
            and reduction > p.min_depth_reduction_pct
        ):
            pattern = "liquidity_withdrawal"
        if event and ratio < p.spread_ratio_threshold:
            if now_ms - event[0] > p.persistence_threshold_seconds * 1000:
                pattern = "liquidity_return"
            event = None
        elif not event and ratio > p.spread_ratio_threshold and spreads[i] > p.spread_threshold_bps:
            event = (now_ms, mean)
        if pattern and now_ms - last_ms >= p.min_signal_interval_seconds * 1000:
            last_ms = now_ms
            found.append((i, "buy" if pattern == "liquidity_return" else "sell", pattern))
    return found


@pytest.mark.parametrize("file", ["spot-20240808", "usdm-20240808"])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
@pytest.mark.parametrize(
    "values", [{}, {"lookback_ticks": 50, "velocity_threshold": 0.1, "min_signal_interval_seconds": 30.0}]
)
def test_spread_liquidity__recorded_books__decides_as_the_plain_rule(
    market_data: Path, file: str, symbol: str, values: dict[str, Any]
) -> None:
    events = [e for e in recorded(market_data / f"market/{file}.jsonl.gz", symbol) if e[0] == "depth"]

    found = played(events, values)

    assert found
    assert found == plain([payload for _, payload in events], values)


@given(
    stretches=st.lists(
        st.tuples(st.integers(1, 12), st.integers(1, 20_000), st.floats(0.5, 100), st.floats(0.1, 5)), max_size=20
    ),
    values=st.fixed_dictionaries(
        {
            "lookback_ticks": st.integers(5, 20),
            "persistence_threshold_seconds": st.sampled_from([10.0, 30.0]),
            "min_signal_interval_seconds": st.sampled_from([30.0, 60.0]),
            "spread_ratio_threshold": st.sampled_from([1.5, 2.5]),
            "velocity_threshold": st.sampled_from([0.1, 0.5]),
        }
    ),
)
def test_spread_liquidity__any_stretches_of_books__decides_as_the_plain_rule(
    stretches: list[tuple[int, int, float, float]], values: dict[str, Any]
) -> None:
    events, time_ms = [], 0
    for times, step_ms, spread_bps, quantity in stretches:
        for _ in range(times):
            time_ms += step_ms
            events.append(book(time_ms, spread_bps, quantity))

    assert played(events, values) == plain([payload for _, payload in events], values)


def calm(count: int = 20, *, start_ms: int = 0, step_ms: int = 100) -> list[Event]:
    return [book(start_ms + i * step_ms, 4.0) for i in range(count)]


def wide(seconds: int, *, start_ms: int = 2000, spread_bps: float = 20.0) -> list[Event]:
    return [book(start_ms + i * 1000, spread_bps) for i in range(seconds + 1)]


def lasting(seconds: int, *, spread_bps: float = 20.0) -> list[Event]:
    """A wide event of ``seconds``, its end one second later."""
    return [*calm(), *wide(seconds, spread_bps=spread_bps), book(2000 + (seconds + 1) * 1000, 5.0)]


def withdrawn(*, at_ms: int = 2000, spread_bps: float = 20.0, quantity: float = 0.3) -> Event:
    return book(at_ms, spread_bps, quantity)


@pytest.mark.parametrize(
    ("events", "signals"),
    [
        pytest.param([*calm(), withdrawn()], [(20, "sell", "liquidity_withdrawal")], id="withdrawal"),
        pytest.param([*calm(19), withdrawn()], [], id="lookback not full"),
        pytest.param([*calm(), withdrawn(quantity=0.6)], [], id="depth stayed"),
        pytest.param([*calm(), withdrawn(spread_bps=11.9)], [], id="ratio below 1.2 times the threshold"),
        pytest.param([*calm(), withdrawn(at_ms=20_000)], [], id="widened slowly"),
        pytest.param([*calm(step_ms=0), withdrawn(at_ms=0)], [], id="no time passed"),
        pytest.param(
            [*calm(), withdrawn(), withdrawn(at_ms=2100)], [(20, "sell", "liquidity_withdrawal")], id="interval"
        ),
        pytest.param(lasting(30), [(51, "buy", "liquidity_return")], id="return"),
        pytest.param(lasting(29), [], id="did not last"),
        pytest.param(lasting(40, spread_bps=9.9), [], id="not wide in basis points"),
        pytest.param(lasting(3600), [], id="the normal spread of a new market"),
        pytest.param(
            [*lasting(30), *calm(start_ms=40_000), *wide(60, start_ms=42_000), book(103_000, 4.0)],
            [(51, "buy", "liquidity_return"), (133, "buy", "liquidity_return")],
            id="two events",
        ),
    ],
)
def test_spread_liquidity__sequence_of_books__signals(events: list[Event], signals: list[Signal]) -> None:
    assert played(events) == signals


@pytest.mark.parametrize(
    ("events", "stop", "target"),
    [([*calm(), withdrawn()], 100.4, 99.2), (lasting(30), 99.9, 100.2)],
)
def test_spread_liquidity__a_signal__carries_stop_and_target_in_spreads(
    events: list[Event], stop: float, target: float
) -> None:
    ((_, decision),) = play(SpreadLiquidity, events)

    assert decision.price == pytest.approx(100)
    assert (decision.stop_loss, decision.take_profit) == (pytest.approx(stop), pytest.approx(target))


def test_spread_liquidity__spread_of_the_size_of_mid__gives_no_negative_prices() -> None:
    empty = depth([(1.0, 0.1)], [(199.0, 0.1)], 2000)

    ((_, decision),) = play(SpreadLiquidity, [*calm(), empty])

    assert (decision.action, decision.take_profit) == ("sell", None)


@pytest.mark.parametrize("quantity", [0.0, 1e300])
def test_spread_liquidity__absurd_quantities_once__are_forgotten(quantity: float) -> None:
    absurd = [book(i * 100, 4.0, quantity) for i in range(20)]

    found = played([*absurd, *calm(45, start_ms=2000), withdrawn(at_ms=6500)])

    assert found == [(65, "sell", "liquidity_withdrawal")]


def test_spread_liquidity__spread_too_small_for_a_float__is_left_out() -> None:
    tiny = depth([(5e-324, 1.0)], [(1e300, 1.0)], 0), depth([(1e-320, 1.0)], [(1.5e-320, 1.0)], 1)

    assert played([*tiny, *calm(), withdrawn()]) != []


@pytest.mark.parametrize(("before", "after", "at"), [(40, 10, 20), (10, 40, 45)])
def test_spread_liquidity__lookback_changed__keeps_what_fits(before: int, after: int, at: int) -> None:
    events = calm(60)
    events[at] = withdrawn(at_ms=at * 100)

    found = play(SpreadLiquidity, events, {"lookback_ticks": before}, changes={15: {"lookback_ticks": after}})

    assert [index for index, _ in found] == [at]


def test_spread_liquidity__many_books__state_is_bounded() -> None:
    strategy = SpreadLiquidity(SymbolMarket("BTCUSDT"))

    for _, payload in calm(5_000):
        strategy.on_depth(payload, SpreadLiquidityParameters(lookback_ticks=100))

    assert len(strategy._ticks) == 100


TWICE = [*calm(), withdrawn(), *calm(398, start_ms=2100), withdrawn(at_ms=42_000)]
CASES = declare_effects(
    SpreadLiquidity,
    {
        "spread_threshold_bps": Effect(lasting(30), changed={"spread_threshold_bps": 25.0}),
        "spread_ratio_threshold": Effect(lasting(30), changed={"spread_ratio_threshold": 6.0}),
        "velocity_threshold": Effect([*calm(), withdrawn(at_ms=5000)], changed={"velocity_threshold": 2.0}),
        "persistence_threshold_seconds": Effect(lasting(30), changed={"persistence_threshold_seconds": 60.0}),
        "min_depth_reduction_pct": Effect([*calm(), withdrawn()], changed={"min_depth_reduction_pct": 0.8}),
        "base_confidence": Effect([*calm(), withdrawn()], changed={"base_confidence": 0.8}),
        "lookback_ticks": Effect([*calm(), withdrawn()], changed={"lookback_ticks": 30}),
        "min_signal_interval_seconds": Effect(TWICE, changed={"min_signal_interval_seconds": 30.0}),
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_spread_liquidity__one_parameter_changed__changes_the_outcome(case: Case) -> None:
    case.check()

"""Order-book skew against a plain implementation, its edges, and the effect of each parameter."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.market.book import Book
from strategy_core.strategies.orderbook_skew import OrderbookSkew, OrderbookSkewParameters
from tests.strategies.parameter_effects import Case, Effect, declare_effects
from tests.strategies.plain_rules import BUY, NEUTRAL, SELL, confidence, edges
from tests.strategies.playback import Event, depth, play, recorded


def book(bid: float, ask: float, time_ms: int = 0, spread: float = 0.02) -> Event:
    """One level a side around 100: the quantities bid and asked."""
    return depth([(100.0 - spread / 2, bid)], [(100.0 + spread / 2, ask)], time_ms)


def measure(snapshot: Book, p: OrderbookSkewParameters) -> tuple[int, float]:
    """(state, confidence of a signal in that state) as the specification says."""
    bids = sum(quantity for _, quantity in snapshot.bids[: p.top_levels])
    asks = sum(quantity for _, quantity in snapshot.asks[: p.top_levels])
    best_bid, best_ask = snapshot.bids[0][0], snapshot.asks[0][0]
    spread_percent = (best_ask - best_bid) / ((best_ask + best_bid) / 2) * 100
    if asks == 0 or bids + asks < p.min_total_volume or spread_percent > p.min_spread_percent:
        return NEUTRAL, 0.0
    ratio = bids / asks
    state = BUY if ratio > p.buy_threshold else SELL if ratio < p.sell_threshold else NEUTRAL
    threshold = p.buy_threshold if state == BUY else p.sell_threshold
    imbalance = min(max(state * (ratio - threshold) / threshold, 0.0), 1.0)
    tightness = 1 - spread_percent / p.min_spread_percent
    weights = p.imbalance_weight + p.spread_weight
    mean = (p.imbalance_weight * imbalance + p.spread_weight * tightness) / weights if weights else 0.0
    return state, confidence(p.base_confidence, mean)


def plain(events: Sequence[Event], values: dict[str, Any]) -> list[tuple[int, str, Any]]:
    """(index, action, confidence) of each signal."""
    p = OrderbookSkewParameters(**values)
    books = [(index, snapshot) for index, (kind, snapshot) in enumerate(events) if kind == "depth"]
    measured = [measure(snapshot, p) for _, snapshot in books]
    states = [(snapshot.time_ms, state) for (_, snapshot), (state, _) in zip(books, measured, strict=True)]
    found = edges(states, p.min_signal_interval_seconds)
    return [(books[i][0], "buy" if measured[i][0] == BUY else "sell", pytest.approx(measured[i][1])) for i in found]


def played(events: Sequence[Event], values: dict[str, Any]) -> list[tuple[int, str, float]]:
    return [(index, decision.action, decision.confidence) for index, decision in play(OrderbookSkew, events, values)]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"min_signal_interval_seconds": 0.0},
        {"min_signal_interval_seconds": 0.0, "top_levels": 20, "buy_threshold": 3.0, "sell_threshold": 0.3},
        {"min_signal_interval_seconds": 5.0, "imbalance_weight": 0.0, "spread_weight": 0.0, "base_confidence": 1.0},
    ],
)
def test_orderbook_skew__recorded_books__decides_as_the_plain_rule(
    market_data: Path, symbol: str, values: dict[str, Any]
) -> None:
    events = [e for e in recorded(market_data / "market/spot-20240808.jsonl.gz", symbol) if e[0] == "depth"]

    found = played(events, values)

    assert len(found) >= 5
    assert found == plain(events, values)


quantities = st.floats(0, 20)
books = st.tuples(
    st.lists(quantities, min_size=1, max_size=6),
    st.lists(quantities, min_size=1, max_size=6),
    st.sampled_from([1, 8, 30]),
)


@given(
    sides=st.lists(books, max_size=20),
    step_ms=st.sampled_from([0, 100, 40_000]),
    top_levels=st.integers(1, 20),
    weights=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_orderbook_skew__any_books__decides_as_the_plain_rule(
    sides: list[tuple[list[float], list[float], int]], step_ms: int, top_levels: int, weights: tuple[float, float]
) -> None:
    events = [
        depth(
            [(100 - ticks * 0.01 - i, quantity) for i, quantity in enumerate(bids)],
            [(100 + i, quantity) for i, quantity in enumerate(asks)],
            n * step_ms,
        )
        for n, (bids, asks, ticks) in enumerate(sides)
    ]
    values = {"top_levels": top_levels, "imbalance_weight": weights[0], "spread_weight": weights[1]}

    assert played(events, values) == plain(events, values)


@pytest.mark.parametrize(
    ("events", "signals"),
    [
        pytest.param([book(2, 1), book(2, 1, 90_000)], [(0, "buy")], id="staying is no edge"),
        pytest.param([book(2, 1), book(1, 2, 60_000)], [(0, "buy"), (1, "sell")], id="turning over after the interval"),
        pytest.param([book(2, 1), book(1, 2, 59_999)], [(0, "buy")], id="turning over within the interval is dropped"),
        pytest.param(
            [book(2, 1), book(1, 2, 30_000), book(1, 2, 60_000)], [(0, "buy")], id="what was dropped is not made up for"
        ),
        pytest.param(
            [book(2, 1), book(1, 1, 50_000), book(2, 1, 60_000)], [(0, "buy"), (2, "buy")], id="leaving and coming back"
        ),
        pytest.param(
            [book(2, 1), book(2, 1, 50_000, spread=0.2), book(2, 1, 60_000)],
            [(0, "buy"), (2, "buy")],
            id="a failed spread gate is neutral",
        ),
        pytest.param(
            [book(2, 1), book(2e-5, 1e-5, 50_000), book(2, 1, 60_000)],
            [(0, "buy"), (2, "buy")],
            id="a failed volume gate is neutral",
        ),
        pytest.param([book(1, 0), book(0, 0), book(0, 1)], [(2, "sell")], id="nothing asked has no ratio"),
        pytest.param([book(1.2, 1)], [], id="at the threshold is not above it"),
        pytest.param([book(2, 1, 5_000), book(1, 2, 4_000)], [(0, "buy")], id="a late book is within the interval"),
        pytest.param([book(2, 1, 10**9), book(1, 2, 0)], [(0, "buy"), (1, "sell")], id="the clock was set back"),
    ],
)
def test_orderbook_skew__sequence_of_books__signals_on_edges(
    events: list[Event], signals: list[tuple[int, str]]
) -> None:
    assert [(index, action) for index, action, _ in played(events, {})] == signals


BOTH_LEVELS = [depth([(99.99, 2), (99.9, 0.1)], [(100.01, 1), (100.1, 1.5)], 0)]
TURNING = [book(2, 1), book(1, 1, 20_000), book(2, 1, 30_000)]
CASES = declare_effects(
    OrderbookSkew,
    {
        "top_levels": Effect(BOTH_LEVELS, base={"top_levels": 2}, changed={"top_levels": 1}),
        "buy_threshold": Effect([book(1.5, 1)], changed={"buy_threshold": 1.6}),
        "sell_threshold": Effect([book(0.7, 1)], changed={"sell_threshold": 0.6}),
        "min_spread_percent": Effect([book(2, 1, spread=0.2)], changed={"min_spread_percent": 0.5}),
        "base_confidence": Effect([book(1.5, 1)], changed={"base_confidence": 0.6}),
        "imbalance_weight": Effect([book(1.5, 1)], changed={"imbalance_weight": 0.1}),
        "spread_weight": Effect([book(1.5, 1)], changed={"spread_weight": 0.9}),
        "min_total_volume": Effect([book(2, 1)], changed={"min_total_volume": 5.0}),
        "min_signal_interval_seconds": Effect(TURNING, changed={"min_signal_interval_seconds": 30.0}),
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_orderbook_skew__one_parameter_changed__changes_the_outcome(case: Case) -> None:
    case.check()

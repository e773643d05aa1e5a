"""Trade momentum against a plain implementation, its edges, its precision, and the effect of each parameter."""

import math
import random
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.market.messages import Trade
from strategy_core.strategies.trade_momentum import DecayedTrades, TradeMomentum, TradeMomentumParameters
from tests.strategies.parameter_effects import Case, Effect, declare_effects
from tests.strategies.plain_rules import BUY, NEUTRAL, SELL, confidence, edges
from tests.strategies.playback import Event, play, recorded, trade


def components(window: Sequence[Trade], decay_seconds: float) -> tuple[float, float, float]:
    """(price, quantity, maker) of a full window, as the specification says."""
    moves = [after.price - before.price for before, after in zip(window, window[1:], strict=False)]
    path = sum(abs(move) for move in moves)
    now_ms = max(t.time_ms for t in window)
    weights = [math.exp((t.time_ms - now_ms) / 1000 / decay_seconds) for t in window]
    signs = [-1 if t.is_buyer_maker else 1 for t in window]
    volume = sum(w * t.quantity for w, t in zip(weights, window, strict=True))
    signed = sum(w * s * t.quantity for w, s, t in zip(weights, signs, window, strict=True))
    count = sum(w * s for w, s in zip(weights, signs, strict=True)) / sum(weights)
    return (window[-1].price - window[0].price) / path if path else 0.0, signed / volume, count


def momentum(window: Sequence[Trade], p: TradeMomentumParameters) -> float:
    price, quantity, maker = components(window, p.time_decay_seconds)
    weights = p.price_weight + p.quantity_weight + p.maker_weight
    return (p.price_weight * price + p.quantity_weight * quantity + p.maker_weight * maker) / weights


def plain(events: Sequence[Event], values: dict[str, Any]) -> list[tuple[int, str, Any]]:
    """(index, action, confidence) of each signal."""
    p = TradeMomentumParameters(**values)
    counted: list[Trade] = []
    states: list[tuple[int, int]] = []
    values_at: list[float] = []
    for _, seen in events:
        value = 0.0
        if seen.quantity >= p.min_quantity:
            counted.append(seen)
            if len(counted) >= p.momentum_window:
                value = momentum(counted[-p.momentum_window :], p)
        state = BUY if value > p.buy_threshold else SELL if value < p.sell_threshold else NEUTRAL
        states.append((seen.time_ms, state))
        values_at.append(value)
    found = []
    for i in edges(states, p.min_signal_interval_seconds):
        threshold = p.buy_threshold if states[i][1] == BUY else -p.sell_threshold
        strength = (abs(values_at[i]) - threshold) / (1 - threshold)
        found.append(
            (i, "buy" if states[i][1] == BUY else "sell", pytest.approx(confidence(p.base_confidence, strength)))
        )
    return found


def played(events: Sequence[Event], values: dict[str, Any]) -> list[tuple[int, str, float]]:
    return [(index, decision.action, decision.confidence) for index, decision in play(TradeMomentum, events, values)]


@pytest.mark.parametrize(
    ("file", "symbol"),
    [("spot-20240808", "BTCUSDT"), ("spot-20240808", "ETHUSDT"), ("usdm-20230404", "BTCUSDT")],
)
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"min_signal_interval_seconds": 0.0, "momentum_window": 50, "time_decay_seconds": 60, "min_quantity": 0.0001},
        {"min_signal_interval_seconds": 1.0, "momentum_window": 5, "buy_threshold": 0.95, "sell_threshold": -0.31},
        {"price_weight": 0.0, "maker_weight": 0.0, "min_quantity": 0.1},
    ],
)
def test_trade_momentum__recorded_trades__decides_as_the_plain_rule(
    market_data: Path, file: str, symbol: str, values: dict[str, Any]
) -> None:
    events = [e for e in recorded(market_data / f"market/{file}.jsonl.gz", symbol) if e[0] == "trade"]

    found = played(events, values)

    assert len(found) >= 3
    assert found == plain(events, values)


trades = st.tuples(
    st.integers(-400_000, 400_000),
    st.floats(1, 1000),
    st.floats(1e-4, 1e9),
    st.booleans(),
)


@given(seen=st.lists(trades, max_size=40), length=st.integers(5, 12), decay=st.integers(60, 600))
def test_decayed_trades__any_times_and_sizes__equal_the_plain_sums(
    seen: list[tuple[int, float, float, bool]], length: int, decay: int
) -> None:
    window = DecayedTrades(length, decay, [])
    clock_ms, plain_window = 0, []
    for step_ms, price, quantity, is_sold in seen:
        clock_ms = max(0, clock_ms + step_ms)
        plain_window.append(Trade(price=price, quantity=quantity, is_buyer_maker=is_sold, time_ms=clock_ms))
        found = window.add(clock_ms, price, quantity, is_sold)

        if len(plain_window) < length:
            assert found is None
        else:
            assert found == pytest.approx(components(plain_window[-length:], decay), abs=1e-9)


@pytest.mark.slow
def test_decayed_trades__a_million_updates__do_not_drift() -> None:
    chance = random.Random(7)  # noqa: S311 - a reproducible stream, nothing secret
    window = DecayedTrades(50, 60, [])
    price, time_ms = 60_000.0, 1_700_000_000_000
    latest: deque[Trade] = deque(maxlen=50)
    for count in range(1, 1_000_001):
        price += chance.choice((-0.01, 0.0, 0.01))
        time_ms += chance.randrange(200)
        quantity = 10.0 ** chance.randrange(-4, 6)
        is_sold = chance.random() < 0.5
        found = window.add(time_ms, price, quantity, is_sold)
        latest.append(Trade(price=price, quantity=quantity, is_buyer_maker=is_sold, time_ms=time_ms))
        if count % 20_000 == 0:
            assert found == pytest.approx(components(list(latest), 60), rel=1e-9, abs=1e-12)
    assert len(window.trades()) == 50


@pytest.mark.parametrize("count", [10, 13])
@pytest.mark.parametrize("jump_ms", [-(10**12), -1, 0, 10**12])
def test_trade_momentum__clock_that_jumps__never_raises_and_recovers(count: int, jump_ms: int) -> None:
    start = 2 * 10**12
    before = [trade(start + i * 100, 100 + i) for i in range(count)]
    after = [trade(start + jump_ms + i * 100, 90 - i, bought=False) for i in range(30)]

    found = played([*before, *after], {"min_signal_interval_seconds": 0.0})

    assert [action for _, action, _ in found] == ["buy", "sell"]


def rising(count: int = 10, step_ms: int = 1_000, start_ms: int = 0) -> list[Event]:
    """Rising prices, all bought but one larger sale: momentum 0.79 where the trades are equally young."""
    return [
        trade(start_ms + i * step_ms, 100 + i, 3.0 if i % 10 == 4 else 1.0, bought=i % 10 != 4) for i in range(count)
    ]


def falling() -> list[Event]:
    return [trade(i * 1_000, 100 - i, 3.0 if i == 4 else 1.0, bought=i == 4) for i in range(10)]


DUST = trade(30_000, 100, 0.0005)


@pytest.mark.parametrize(
    ("events", "values", "signals"),
    [
        pytest.param(rising(9), {}, [], id="the window is not full"),
        pytest.param(rising(), {}, [(9, "buy")], id="full"),
        pytest.param(falling(), {}, [(9, "sell")], id="falling"),
        pytest.param(rising(20), {"min_signal_interval_seconds": 0.0}, [(9, "buy")], id="staying is no edge"),
        pytest.param([*rising(9), DUST], {}, [], id="a small trade does not fill the window"),
        pytest.param(
            [*rising(), DUST, *rising(10, start_ms=40_000)][:12],
            {"min_signal_interval_seconds": 0.0, "buy_threshold": 0.3, "maker_weight": 1.0, "price_weight": 0.0},
            [(9, "buy"), (11, "buy")],
            id="a failed quantity gate is neutral",
        ),
        pytest.param(
            [trade(i, 100 + i) for i in range(10)], {"buy_threshold": 1.0}, [], id="nothing is above full momentum"
        ),
        pytest.param(
            [trade(0, price) for price in (0.04, 0.37, 4.96, 27.69, 41.879999999999995)],
            {"buy_threshold": 1.0, "momentum_window": 5},
            [],
            id="nothing is above full momentum, however it is rounded",
        ),
        pytest.param([trade(i, 100) for i in range(10)], {}, [], id="no move, no price component"),
        pytest.param([trade(0, 100 + i) for i in range(10)], {}, [(9, "buy")], id="all at one instant"),
    ],
)
def test_trade_momentum__sequence_of_trades__signals_on_edges(
    events: list[Event], values: dict[str, Any], signals: list[tuple[int, str]]
) -> None:
    assert [(index, action) for index, action, _ in played(events, values)] == signals


@pytest.mark.parametrize(
    ("before", "after", "at"),
    [
        pytest.param(20, 10, 12, id="shorter: the latest trades still fill it"),
        pytest.param(10, 14, 15, id="longer: it fills up from what is there"),
    ],
)
def test_trade_momentum__window_length_changed__keeps_the_trades_that_fit(before: int, after: int, at: int) -> None:
    silent = {"momentum_window": before, "buy_threshold": 1.0}
    events = [trade(i, 100 if i < 3 else 100 + i, bought=i >= 3) for i in range(18)]

    found = play(TradeMomentum, events, silent, changes={12: {"momentum_window": after}})

    window = [payload for _, payload in events[at + 1 - after : at + 1]]
    assert found[0][0] == at
    assert found[0][1].details["momentum"] == pytest.approx(
        momentum(window, TradeMomentumParameters(momentum_window=after))
    )


COMING_BACK = [
    *rising(),
    *[trade(12_000 + i, 109 - i % 2, bought=False) for i in range(10)],
    *rising(10, start_ms=20_000),
]
CASES = declare_effects(
    TradeMomentum,
    {
        "price_weight": Effect(rising(), changed={"price_weight": 1.0}),
        "quantity_weight": Effect(rising(), changed={"quantity_weight": 0.1}),
        "maker_weight": Effect(rising(), changed={"maker_weight": 1.0}),
        "buy_threshold": Effect(rising(), changed={"buy_threshold": 0.85}),
        "sell_threshold": Effect(falling(), changed={"sell_threshold": -0.85}),
        "min_quantity": Effect([trade(i, 100 + i, 0.5) for i in range(10)], changed={"min_quantity": 0.6}),
        "base_confidence": Effect(rising(), changed={"base_confidence": 0.5}),
        "time_decay_seconds": Effect(rising(step_ms=30_000), changed={"time_decay_seconds": 60}),
        "momentum_window": Effect(rising(20), changed={"momentum_window": 15}),
        "min_signal_interval_seconds": Effect(COMING_BACK, changed={"min_signal_interval_seconds": 5.0}),
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_trade_momentum__one_parameter_changed__changes_the_outcome(case: Case) -> None:
    case.check()

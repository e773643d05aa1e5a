"""Iceberg detector: its patterns step by step, on recorded data, its bounds, and the effect of each parameter."""

from pathlib import Path
from typing import Any

import pytest

from strategy_core.market.levels import LEVELS_WATCHED
from strategy_core.market.messages import Trade
from strategy_core.strategies.base import SymbolMarket
from strategy_core.strategies.iceberg_detector import IcebergDetector, IcebergDetectorParameters
from tests.strategies.parameter_effects import Case, Effect, declare_effects
from tests.strategies.playback import Event, depth, play, recorded

LEVEL = 99.9
Signal = tuple[int, str, str]


def book(time_ms: int, quantity: float, *, price: float = LEVEL) -> Event:
    """Mid at 100. A bid of ``quantity`` at ``price``, behind the best one."""
    return depth([(99.99, 1.0), *([(price, quantity)] if quantity else []), (90.0, 1.0)], [(100.01, 1.0)], time_ms)


def sold(time_ms: int, quantity: float, price: float = LEVEL) -> Event:
    return "trade", Trade(price=price, quantity=quantity, is_buyer_maker=True, time_ms=time_ms)


def refills(
    *at_ms: int, after_ms: int = 100, size: float = 10.0, back: float = 10.0, price: float = LEVEL, trades: bool = True
) -> list[Event]:
    """At each instant: ``size`` on display, sold, gone, and ``after_ms`` later ``back`` on display."""
    events = []
    for i, start_ms in enumerate(at_ms):
        events += [
            book(start_ms, back if i else size, price=price),
            *([sold(start_ms, size, price)] if trades else []),
            book(start_ms + 100, 0.0, price=price),
            book(start_ms + 100 + after_ms, back, price=price),
        ]
    return events


def mirrored(events: list[Event]) -> list[Event]:
    """The same on the other side of mid 100."""
    turned: list[Event] = []
    for kind, seen in events:
        if kind == "trade":
            price = 200 - seen.price
            turned.append(
                (kind, Trade(price=price, quantity=seen.quantity, is_buyer_maker=False, time_ms=seen.time_ms))
            )
        else:
            asks, bids = (
                [(200 - price, quantity) for price, quantity in seen.bids],
                [(200 - p, q) for p, q in seen.asks],
            )
            turned.append(depth(bids, asks, seen.time_ms))
    return turned


def at_top(*visits: tuple[int, int]) -> list[Event]:
    """The level is the best bid from .. to; between the visits a better one hides it."""
    events = []
    for start_ms, end_ms in visits:
        events += [
            depth([(LEVEL, 10.0), (90.0, 1.0)], [(100.1, 1.0)], start_ms),
            depth([(99.99, 1.0), (LEVEL, 10.0), (90.0, 1.0)], [(100.01, 1.0)], end_ms),
        ]
    return events


def played(events: list[Event], values: dict[str, Any] | None = None) -> list[Signal]:
    return [(index, d.action, d.details["pattern"]) for index, d in play(IcebergDetector, events, values)]


THREE = refills(1_000, 2_000, 3_000)
RESIZED = [book(50_000, 14.0), book(51_000, 10.0)]
STAYS = [*refills(1_000), book(60_000, 9.0), book(121_100, 9.0)]


@pytest.mark.parametrize(
    ("events", "signals"),
    [
        pytest.param(THREE, [(11, "buy", "refill")], id="three refills of a bid"),
        pytest.param(mirrored(THREE), [(11, "sell", "refill")], id="three refills of an ask"),
        pytest.param(refills(1_000, 2_000), [], id="two refills"),
        pytest.param([sold(1, 1.0, 50.0), *refills(1_000, 2_000, 3_000, trades=False)], [], id="withdrawn, not traded"),
        pytest.param(refills(1_000, 2_000, 3_000, trades=False), [(8, "buy", "refill")], id="no trades known"),
        pytest.param(refills(1_000, 9_000, 18_000, after_ms=5_001), [], id="back too late"),
        pytest.param(refills(1_000, 2_000, 3_000, price=98.0), [], id="too far from mid"),
        pytest.param([*THREE, *refills(4_000, 5_000)], [(11, "buy", "refill")], id="one signal an interval"),
        pytest.param([*THREE, book(125_000, 10.0)], [(11, "buy", "refill"), (12, "buy", "refill")], id="and again"),
        pytest.param(STAYS, [(5, "buy", "consistent_size")], id="one refill, then the same size"),
        pytest.param([*refills(1_000), *RESIZED, book(121_300, 9.5)], [], id="one refill, then other sizes"),
        pytest.param(
            [*at_top((0, 70_000)), *refills(71_000), *RESIZED, *at_top((100_000, 160_000))],
            [(9, "buy", "anchor")],
            id="one refill, at the top, left and come back",
        ),
        pytest.param(
            [*at_top((0, 70_000)), *RESIZED, *at_top((100_000, 160_000))], [], id="at the top without a refill"
        ),
        pytest.param(
            [*at_top((0, 70_000)), *refills(71_000), *RESIZED, *at_top((100_000, 110_000))],
            [],
            id="at the top too briefly",
        ),
        pytest.param([*THREE[:8], *[(k, e) for k, e in refills(9_000_000)]], [], id="forgotten over a gap"),
    ],
)
def test_iceberg_detector__sequence_of_books_and_trades__signals(events: list[Event], signals: list[Signal]) -> None:
    assert played(events) == signals


def both(time_ms: int, bid: float, ask: float) -> Event:
    """A bid level at 99.8 and an ask level at 100.2, both behind the best price."""
    bids = [(99.99, 1.0), *([(99.8, bid)] if bid else []), (90.0, 1.0)]
    return depth(bids, [(100.01, 1.0), *([(100.2, ask)] if ask else []), (110.0, 1.0)], time_ms)


def test_iceberg_detector__two_patterns_at_once__the_strongest_wins() -> None:
    events = [both(0, 10, 10), sold(1, 10.0, 99.8), both(100, 0, 10), both(200, 10, 10)]
    for start_ms in (1_000, 2_000, 3_000):
        bought = Trade(price=100.2, quantity=10.0, is_buyer_maker=False, time_ms=start_ms)
        events += [("trade", bought), both(start_ms + 100, 10, 0), both(start_ms + 200, 10, 10)]
    events.append(both(122_000, 10, 10))
    last = len(events) - 1

    found = play(IcebergDetector, events, {"level_proximity_pct": 0.1}, changes={last: {}})

    assert [(index, d.action, d.details["pattern"]) for index, d in found] == [(last, "sell", "refill")]


@pytest.mark.parametrize(
    ("count", "base", "confidence"),
    [(3, 0.7, 0.7), (4, 0.7, 0.75), (6, 0.7, 0.85), (9, 0.7, 0.85), (4, 0.84, 0.85), (9, 0.9, 0.9)],
)
def test_iceberg_detector__more_refills__raise_the_confidence_to_a_limit(
    count: int, base: float, confidence: float
) -> None:
    first = refills(*range(0, 120_000, 40_000))
    more = refills(*range(121_000, 121_000 + 300 * (count - 3), 300))
    values = {"base_confidence": base}

    found = play(IcebergDetector, [*first, *more, book(201_000, 10.0)], values)

    assert [d.confidence for _, d in found][-1] == pytest.approx(confidence)
    assert found[-1][1].details["refill_count"] == count


@pytest.mark.parametrize(
    ("price", "stop", "target"),
    [(99.9, 99.9 - 0.5, 100 + 1.25), (99.2, 99.2 - 0.8, 100 + 2.0)],
    ids=["least", "distance"],
)
def test_iceberg_detector__a_signal__carries_stop_and_target(price: float, stop: float, target: float) -> None:
    ((_, bought),) = play(IcebergDetector, refills(1_000, 2_000, 3_000, price=price))
    ((_, sold_),) = play(IcebergDetector, mirrored(refills(1_000, 2_000, 3_000, price=price)))

    assert (bought.price, bought.stop_loss, bought.take_profit) == (
        pytest.approx(100),
        pytest.approx(stop),
        pytest.approx(target),
    )
    assert (sold_.stop_loss, sold_.take_profit) == (pytest.approx(200 - stop), pytest.approx(200 - target))


@pytest.mark.parametrize("trades", [True, False])
def test_iceberg_detector__a_signal__says_whether_trades_confirm_it(trades: bool) -> None:
    ((_, decision),) = play(IcebergDetector, refills(1_000, 2_000, 3_000, trades=trades))

    assert decision.details == {
        "pattern": "refill",
        "level_price": LEVEL,
        "displayed_quantity": 10.0,
        "refill_count": 3,
        "trade_confirmed": trades,
    }


def test_iceberg_detector__recorded_market__few_icebergs_and_those_confirmed_by_trades(market_data: Path) -> None:
    events = recorded(market_data / "market/spot-20240808.jsonl.gz", "BTCUSDT")
    books = [event for event in events if event[0] == "depth"]

    with_trades, without = play(IcebergDetector, events), play(IcebergDetector, books)

    assert 1 <= len(with_trades) <= 6
    assert all(decision.details["trade_confirmed"] for _, decision in with_trades)
    assert {decision.details["pattern"] for _, decision in without} == {"refill"}
    assert not any(decision.details["trade_confirmed"] for _, decision in without)


def shifted(event: Event, by_ms: int) -> Event:
    kind, seen = event
    if kind == "depth":
        return depth(seen.bids, seen.asks, seen.time_ms + by_ms)
    return "trade", Trade(seen.price, seen.quantity, seen.is_buyer_maker, time_ms=seen.time_ms + by_ms)


def pieces(strategy: IcebergDetector) -> int:
    """How many things the strategy remembers."""
    sides = (strategy._bids, strategy._asks)
    levels = [level for side in sides for level in side.watched.values()]
    sizes = sum(len(level.sizes) for level in levels if level.sizes)
    return len(levels) + sizes + sum(len(side._tops) + len(side._awaiting) + len(side._prices) for side in sides)


@pytest.mark.parametrize("kinds", [{"depth", "trade"}, {"depth"}], ids=["with trades", "book alone"])
def test_iceberg_detector__the_same_market_again_and_again__state_stays_bounded(
    market_data: Path, kinds: set[str]
) -> None:
    """Recorded data again and again, later each time."""
    events = [e for e in recorded(market_data / "market/spot-20240808.jsonl.gz", "BTCUSDT") if e[0] in kinds][:3_000]
    round_ms = events[-1][1].time_ms - events[0][1].time_ms + 100
    strategy = IcebergDetector(SymbolMarket("BTCUSDT"))
    parameters = IcebergDetectorParameters(history_window_seconds=900)

    kept = []
    for repeat in range(6):
        for event in events:
            kind, seen = shifted(event, repeat * round_ms)
            getattr(strategy, f"on_{kind}")(seen, parameters)
        kept.append(pieces(strategy))

    assert max(kept) <= 1.1 * max(kept[:2])
    assert all(len(side.watched) <= LEVELS_WATCHED for side in (strategy._bids, strategy._asks))


CASES = declare_effects(
    IcebergDetector,
    {
        "min_refill_count": Effect(THREE, changed={"min_refill_count": 4}),
        "refill_speed_threshold_seconds": Effect(
            refills(1_000, 5_000, 9_000, after_ms=2_000), changed={"refill_speed_threshold_seconds": 1.0}
        ),
        "consistency_threshold": Effect(refills(0, 500, 1_000, back=9.2), changed={"consistency_threshold": 0.05}),
        "persistence_threshold_seconds": Effect(STAYS, changed={"persistence_threshold_seconds": 300.0}),
        "level_proximity_pct": Effect(refills(0, 500, 1_000, price=99.5), changed={"level_proximity_pct": 0.2}),
        "base_confidence": Effect(THREE, changed={"base_confidence": 0.6}),
        "history_window_seconds": Effect(refills(0, 40_000, 80_000), changed={"history_window_seconds": 60}),
        "max_symbols": Effect(THREE, changed={"max_symbols": 20}),
        "min_signal_interval_seconds": Effect(
            [*THREE, book(70_000, 10.0)], changed={"min_signal_interval_seconds": 60.0}
        ),
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_iceberg_detector__one_parameter_changed__changes_the_outcome(case: Case) -> None:
    case.check()

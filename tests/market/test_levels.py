"""Depletions, withdrawals, refills and sizes of price levels, against a plain implementation and step by step."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.market.book import Book
from strategy_core.market.levels import LEVELS_WATCHED, BookSide, LevelRules
from strategy_core.market.messages import Level, Trade
from tests.strategies.playback import Event, recorded

RULES = LevelRules(refill_ms=5_000, consistency=0.1, history_ms=900_000, trades_known=True)
BOOK_ALONE = RULES._replace(trades_known=False)
Happening = tuple[int, int, float]
"""(index of the snapshot, sign of the side, price)."""


@dataclass
class PlainLevel:
    """Remembered while the book shows it, and from then on if anything has ever happened to it."""

    shown: float
    quantity: float
    traded: float = 0.0
    depleted_ms: int | None = None
    is_refilled: bool = False


def plain(events: Iterable[Event], rules: LevelRules) -> tuple[set[Happening], set[Happening], int]:
    """(depletions, refills, number of withdrawals) as the specification says, level by level."""
    known: dict[int, dict[float, PlainLevel]] = {1: {}, -1: {}}
    depletions, refills, withdrawals = set(), set(), 0
    for index, (kind, seen) in enumerate(events):
        if kind == "trade":
            hit = known[1 if seen.is_buyer_maker else -1].get(seen.price)
            if hit:
                hit.traded += seen.quantity
            continue
        for sign, side in ((1, seen.bids), (-1, seen.asks)):
            shown = dict(side)
            for price in shown.keys() | known[sign].keys():
                quantity = shown.get(price, 0.0)
                level = known[sign].setdefault(price, PlainLevel(quantity, quantity))
                if level.depleted_ms is not None and seen.time_ms - level.depleted_ms > rules.refill_ms:
                    level.depleted_ms, level.shown = None, level.quantity
                is_in_reach = price in shown or (price - side[-1][0]) * sign > 0
                if quantity == level.quantity or not is_in_reach:
                    continue
                level.quantity = quantity
                if level.depleted_ms is not None:
                    level.traded = 0.0
                    is_refill = abs(quantity - level.shown) <= rules.consistency * level.shown
                    if is_refill:
                        refills.add((index, sign, price))
                        level.is_refilled = True
                    if is_refill or quantity > level.shown:
                        level.shown, level.depleted_ms = quantity, None
                elif quantity > level.shown or (rules.trades_known and level.traded < (level.shown - quantity) / 2):
                    withdrawals += quantity < level.shown / 2
                    level.shown, level.traded = quantity, 0.0
                elif quantity < level.shown / 2:
                    depletions.add((index, sign, price))
                    level.depleted_ms, level.traded = seen.time_ms, 0.0
            for price in known[sign].keys() - shown.keys():
                level = known[sign][price]
                if not level.traded and level.depleted_ms is None and not level.is_refilled:
                    del known[sign][price]
    return depletions, refills, withdrawals


def watched(events: Iterable[Event], rules: LevelRules) -> tuple[set[Happening], set[Happening]]:
    """(depletions, refills) as they show in the levels that are watched."""
    sides = {1: BookSide(1), -1: BookSide(-1)}
    depletions, refills = set(), set()
    for index, (kind, seen) in enumerate(events):
        if kind == "trade":
            sides[1 if seen.is_buyer_maker else -1].trade(seen.price, seen.quantity, seen.time_ms)
            continue
        for sign, levels in ((1, seen.bids), (-1, seen.asks)):
            sides[sign].update(levels, seen.time_ms, rules)
            for price, level in sides[sign].watched.items():
                if level.depleted_ms == level.changed_ms == seen.time_ms:
                    depletions.add((index, sign, price))
                if level.refills and level.refills[-1][0] == level.changed_ms == seen.time_ms and not level.depleted_ms:
                    refills.add((index, sign, price))
    return depletions, refills


@pytest.mark.parametrize(("symbol", "messages"), [("BTCUSDT", 6_000), ("ETHUSDT", 6_000)])
def test_book_side__recorded_market__classifies_as_the_plain_implementation(
    market_data: Path, symbol: str, messages: int
) -> None:
    events = recorded(market_data / "market/spot-20240808.jsonl.gz", symbol)[:messages]

    depletions, refills, withdrawals = plain(events, RULES)

    assert watched(events, RULES) == (depletions, refills)
    assert len(depletions) > 100
    assert len(refills) > 5
    assert withdrawals > 5 * len(depletions)  # Most of what looks like a depletion is a withdrawn order.


quantities = st.sampled_from([1.0, 2.0, 4.5, 5.0, 9.0, 9.5, 10.0, 10.5, 20.0])
sides = st.dictionaries(st.integers(1, 6), quantities, min_size=1)
happenings = st.tuples(
    st.integers(1, 4_000), sides, sides, st.lists(st.tuples(st.booleans(), st.integers(1, 6), quantities))
)


@given(steps=st.lists(happenings, max_size=15))
def test_book_side__any_market__classifies_as_the_plain_implementation(
    steps: list[tuple[int, dict[int, float], dict[int, float], list[tuple[bool, int, float]]]],
) -> None:
    events: list[Event] = []
    time_ms = 1
    for step_ms, bids, asks, trades in steps:
        time_ms += step_ms
        for is_bid, distance, quantity in trades:
            price = 100.0 - distance if is_bid else 100.0 + distance
            events.append(("trade", Trade(price=price, quantity=quantity, is_buyer_maker=is_bid, time_ms=time_ms)))
        bid_levels = [(100.0 - distance, quantity) for distance, quantity in sorted(bids.items())]
        ask_levels = [(100.0 + distance, quantity) for distance, quantity in sorted(asks.items())]
        events.append(("depth", Book(bid_levels, ask_levels, time_ms)))

    depletions, refills, _ = plain(events, RULES)

    assert watched(events, RULES) == (depletions, refills)


def levels(quantity: float, *, price: float = 99.0) -> list[Level]:
    """A level of interest between two that stay."""
    return [(100.0, 1.0), *([(price, quantity)] if quantity else []), (98.0, 1.0)]


Step = tuple[int, float, float]
"""(time in ms, quantity traded at 99 before, quantity displayed at 99)."""


@pytest.mark.parametrize(
    ("steps", "refills"),
    [
        pytest.param([(0, 0, 10), (100, 10, 0), (200, 0, 10)], 1, id="consumed and back"),
        pytest.param([(0, 0, 10), (100, 10, 0), (200, 0, 10.9)], 1, id="back, a little more"),
        pytest.param([(0, 0, 10), (100, 10, 0), (200, 0, 11.2)], 0, id="back at another size"),
        pytest.param([(0, 0, 10), (100, 10, 0), (200, 0, 5), (300, 0, 9.5)], 1, id="back in two steps"),
        pytest.param([(0, 0, 10), (100, 10, 0), (5100, 0, 10)], 1, id="just in time"),
        pytest.param([(0, 0, 10), (100, 10, 0), (5101, 0, 10)], 0, id="too late"),
        pytest.param([(0, 0, 10), (100, 0, 0), (200, 0, 10)], 0, id="withdrawn"),
        pytest.param([(0, 0, 10), (100, 4.9, 0), (200, 0, 10)], 0, id="less than half explained"),
        pytest.param([(0, 0, 10), (100, 5, 0), (200, 0, 10)], 1, id="half explained"),
        pytest.param([(0, 0, 10), (100, 5, 5), (200, 0, 10)], 0, id="not under half"),
        pytest.param([(0, 0, 10), (100, 3, 7), (200, 3, 4), (300, 0, 10)], 1, id="consumed in two steps"),
        pytest.param([(0, 0, 10), (100, 0, 6), (200, 4, 2), (300, 0, 6)], 1, id="half withdrawn: the rest is the size"),
        pytest.param([(0, 0, 10), (100, 0, 20), (200, 20, 0), (300, 0, 10)], 0, id="grown: the new size counts"),
        pytest.param([(0, 0, 10), (1, 9, 1), (2, 0, 10), (3, 10, 0), (4, 0, 10)], 2, id="twice"),
    ],
)
def test_book_side__level_changes__refills(steps: list[Step], refills: int) -> None:
    side = BookSide(1)

    for time_ms, traded, quantity in steps:
        if traded:
            side.trade(99.0, traded, time_ms)
        side.update(levels(quantity), time_ms, RULES)

    level = side.watched.get(99.0)
    assert len(level.refills or ()) == refills if level else refills == 0


def test_book_side__trades_unknown__the_book_alone_decides() -> None:
    side = BookSide(1)

    for time_ms, quantity in enumerate((10, 0, 10)):
        side.update(levels(quantity), time_ms, BOOK_ALONE)

    assert list(side.watched[99.0].refills or ()) == [(2, False)]


def test_book_side__price_out_of_reach__is_not_gone() -> None:
    side = BookSide(1)
    side.update(levels(10), 0, RULES)
    side.trade(99.0, 4, 1)

    side.update([(101.0, 1.0), (100.0, 1.0)], 2, RULES)

    assert (side.watched[99.0].quantity, side.watched[99.0].depleted_ms) == (10, None)


def test_book_side__visits_to_the_top__add_up_within_the_history() -> None:
    side = BookSide(1)
    bests = [(0, 100.0), (1_000, 101.0), (3_000, 100.0), (4_000, 101.0), (4_000 + RULES.history_ms + 1, 100.0)]

    seen = []
    for time_ms, best in bests:
        side.update([(best, 1.0), (90.0, 1.0)], time_ms, RULES)
        top = side.time_at_top(100.0, time_ms + 500)
        seen.append((top.total_ms, top.visits))

    assert seen == [(500, 1), (1_000, 1), (1_500, 2), (2_000, 2), (500, 1)]


@pytest.mark.parametrize("rules", [RULES, BOOK_ALONE], ids=["trades", "book alone"])
def test_book_side__prices_that_never_come_back__state_is_bounded(rules: LevelRules) -> None:
    side = BookSide(1)

    most = 0
    for i in range(5 * LEVELS_WATCHED):
        side.update([(1e6 + i + 0.5 - depth, 10.0 + i) for depth in range(20)], i * 100, rules)
        side.trade(1e6 + i + 0.5, 1.0, i * 100)
        if side.is_crowded:
            side.sweep(i * 100 - rules.history_ms, i * 100)
        most = max(most, len(side.watched) + len(side._tops) + len(side._awaiting))

    assert most < 8 * LEVELS_WATCHED
    assert len(side.watched) <= LEVELS_WATCHED


def test_book_side__sweep__forgets_the_untouched_and_keeps_what_is_on_display() -> None:
    side = BookSide(1)
    side.update([(100.0, 10.0), (99.0, 10.0), (98.0, 10.0)], 0, RULES)
    for price in (100.0, 99.0, 98.0):
        side.trade(price, 1.0, 0)
    side.update([(101.0, 10.0), (100.0, 10.0)], 1_000, RULES)

    side.sweep(500, 500)

    assert set(side.watched) == {100.0}


def test_book_side__price_named_twice__does_not_raise() -> None:
    side = BookSide(1)

    for time_ms, book in enumerate(
        ([(100.0, 1.0), (100.0, 9.0), (99.0, 1.0)], [(100.0, 9.0), (99.0, 1.0)], [(99.0, 1.0)])
    ):
        side.update(book, time_ms, BOOK_ALONE)

    assert side.time_at_top(99.0, 5) == (3, 1, 5)

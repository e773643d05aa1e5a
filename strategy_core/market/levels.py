"""Resting orders per price level: displayed sizes, depletions that trades explain, refills, time at the top."""

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict, deque
from math import inf
from typing import NamedTuple

from strategy_core.market.displayed_sizes import DisplayedSizes
from strategy_core.market.messages import Level

LEVELS_WATCHED = 1_000
"""Watched levels a side; beyond it half of them go: those not on display and without refills first, then the
longest untouched ones."""
FEW_PRICES = 4
"""So many prices are found sooner by bisection than a dictionary of 20 levels is made: 0.1 us each against 0.7."""
REFILLS_KEPT = 20


class LevelRules(NamedTuple):
    """What makes a depletion and a refill.

    ``consistency`` is the relative difference that a refill may have from the displayed size. With
    ``trades_known`` a fall is consumption only where trades explain at least half of it; without, the book
    alone decides.
    """

    refill_ms: float
    consistency: float
    history_ms: int
    trades_known: bool


class WatchedLevel:
    """A level that is partly consumed, depleted, or has been refilled within the history window.

    ``shown`` is the last displayed size, ``quantity`` what the book shows now; ``traded`` what was traded since
    ``shown`` was displayed. ``depleted_ms`` is set while a refill is awaited. ``refills`` holds the instants of
    the latest ones, each with whether trades explained its depletion; ``sizes`` begins with the first of them.
    """

    __slots__ = (
        "changed_ms",
        "depleted_ms",
        "is_trade_confirmed",
        "quantity",
        "refills",
        "shown",
        "shown_ms",
        "sizes",
        "touched_ms",
        "traded",
    )

    def __init__(self, shown: float, now_ms: int) -> None:
        self.shown = self.quantity = shown
        self.shown_ms = self.changed_ms = self.touched_ms = now_ms
        self.traded = 0.0
        self.depleted_ms: int | None = None
        self.is_trade_confirmed = False
        self.refills: deque[tuple[int, bool]] | None = None
        self.sizes: DisplayedSizes | None = None

    @property
    def is_plain(self) -> bool:
        """Nothing is known of it but its displayed size, which the book shows."""
        return self.traded == 0.0 and self.depleted_ms is None and self.refills is None

    def change(self, quantity: float, now_ms: int, rules: LevelRules) -> bool:
        """The book shows ``quantity`` now. True where that is a refill."""
        self.quantity = quantity
        self.changed_ms = now_ms
        if self.depleted_ms is not None:
            self.traded = 0.0
            is_refill = abs(quantity - self.shown) <= rules.consistency * self.shown
            if is_refill:
                self._refill(now_ms)
            if is_refill or quantity > self.shown:
                self._display(quantity, now_ms)
            return is_refill
        fall = self.shown - quantity
        if fall < 0.0 or (rules.trades_known and self.traded < fall / 2):
            self._display(quantity, now_ms)  # More was put there, or the order was withdrawn.
            self.traded = 0.0
        elif quantity < self.shown / 2:
            self.depleted_ms = self.touched_ms = now_ms
            self.is_trade_confirmed = rules.trades_known
            self.traded = 0.0
        return False

    def give_up_refill(self) -> None:
        """No refill came in time: what is left is the displayed size."""
        self._display(self.quantity, self.changed_ms)

    def prune_refills(self, start_ms: int) -> int:
        """Forget refills before ``start_ms``; how many are left."""
        refills = self.refills
        while refills and refills[0][0] < start_ms:
            refills.popleft()
        if not refills:
            self.refills = self.sizes = None
            return 0
        return len(refills)

    def _refill(self, now_ms: int) -> None:
        if self.refills is None:
            self.refills = deque(maxlen=REFILLS_KEPT)
            self.sizes = DisplayedSizes(self.shown_ms, self.shown)
        self.refills.append((now_ms, self.is_trade_confirmed))
        self.touched_ms = now_ms

    def _display(self, size: float, since_ms: int) -> None:
        self.shown = size
        self.shown_ms = since_ms
        self.depleted_ms = None
        if self.sizes is not None:
            self.sizes.add(since_ms, size)


class TimeAtTop(NamedTuple):
    """For how long, in how many visits and until when a price was the best one.

    Visits further apart than the history window are not added up.
    """

    total_ms: int
    visits: int
    left_ms: int


_NEVER_AT_TOP = TimeAtTop(0, 0, 0)


class BookSide:
    """What is known of one side's levels.

    Where trades are known, most levels are plain: their displayed size is what the last snapshot shows, and
    nothing is kept of them. A level is watched from the first trade there until it is plain again. A watched one
    that leaves the snapshot has quantity 0 where the book still covers its price, and stays as it was where the book
    does not reach it any more. Without trades every level on display is watched.

    ``refilled`` are the levels on display in the last snapshot that have been refilled, ``is_crowded`` says that more
    is kept than should be: time for a sweep.
    """

    __slots__ = (
        "_awaited_since_ms",
        "_awaiting",
        "_best",
        "_best_before",
        "_best_since_ms",
        "_is_bid",
        "_levels",
        "_prices",
        "_tops",
        "is_crowded",
        "refilled",
        "watched",
    )

    def __init__(self, sign: int) -> None:
        """``sign`` is 1 for bids (best is highest), -1 for asks."""
        self._is_bid = sign > 0
        self._levels: list[Level] = []
        self._prices = [inf]
        """The watched prices, ascending, and an end that no book reaches."""
        self._awaiting: deque[tuple[int, float]] = deque(maxlen=4 * LEVELS_WATCHED)
        """The latest depletions, each with its time, in the order of time."""
        self._awaited_since_ms = inf
        self._tops: OrderedDict[float, TimeAtTop] = OrderedDict()
        """The prices that have been the best one, in the order in which they last ceased to be."""
        self._best = 0.0
        self._best_since_ms = 0
        self._best_before = _NEVER_AT_TOP
        self.is_crowded = False
        self.watched: dict[float, WatchedLevel] = {}
        self.refilled: list[tuple[float, WatchedLevel]] = []

    def trade(self, price: float, quantity: float, time_ms: int) -> None:
        """A trade against the orders resting at ``price``; nothing where no such level is known."""
        level = self.watched.get(price)
        if level is None:
            shown = self._shown_at(price)
            if shown is None:
                return
            level = self._watch(price, shown, time_ms)
        level.traded += quantity
        level.touched_ms = time_ms

    def update(self, levels: list[Level], now_ms: int, rules: LevelRules) -> None:
        """Take in a snapshot. Cheap where no watched price is near it."""
        if now_ms - self._awaited_since_ms > rules.refill_ms:
            self._give_up_refills(now_ms - rules.refill_ms)
        before = self._levels
        self._levels = levels
        best, worst, best_before = levels[0][0], levels[-1][0], self._best
        if best != best_before:
            self._move_best(best, now_ms, rules.history_ms)
        if not rules.trades_known:
            self._watch_all(levels, now_ms)
        # From the worst price to the best one of this snapshot and the last: only there a level can have changed.
        if self._is_bid:
            low, high = worst, best_before if best_before > best else best
        else:
            low, high = best_before if before and best_before < best else best, worst
        prices = self._prices
        first = bisect_left(prices, low)
        if prices[first] <= high:
            near = prices[first : bisect_right(prices, high, first)]
            if len(near) > len(levels):
                near = self._changeable(near, levels, before)
            self._take(near, self._shown(near), now_ms, rules)
        elif self.refilled:
            self.refilled = []

    def time_at_top(self, price: float, now_ms: int) -> TimeAtTop:
        """For how long, and in how many visits, ``price`` has been the best one."""
        if price != self._best:
            return self._tops.get(price, _NEVER_AT_TOP)
        return self._best_until(now_ms)

    def sweep(self, oldest_ms: int, oldest_size_ms: int) -> None:
        """Forget what was last touched before ``oldest_ms``, sizes before ``oldest_size_ms``, and what is too much."""
        visible = dict(self._levels)
        kept = [
            (price, level) for price, level in self.watched.items() if level.touched_ms >= oldest_ms or price in visible
        ]
        if len(kept) > LEVELS_WATCHED:
            kept.sort(key=lambda item: (item[0] in visible, item[1].refills is not None, item[1].touched_ms))
            del kept[: -LEVELS_WATCHED // 2]
        self.watched = watched = dict(kept)
        self._prices = [*sorted(watched), inf]
        for level in watched.values():
            if level.prune_refills(oldest_ms) and level.sizes is not None:
                level.sizes.forget_before(oldest_size_ms)
        tops = self._tops
        while tops and next(iter(tops.values())).left_ms < oldest_ms:
            tops.popitem(last=False)
        self.is_crowded = False

    def _shown_at(self, price: float) -> float | None:
        """The quantity that the last snapshot shows at ``price``. Trades hit the top: found at once."""
        is_bid = self._is_bid
        for level_price, quantity in self._levels:
            if level_price == price:
                return quantity
            if (level_price < price) is is_bid:
                return None
        return None

    def _shown(self, prices: list[float]) -> dict[float, float]:
        """The quantities that the last snapshot shows at ``prices``; of many prices, at all of its prices."""
        levels = self._levels
        if len(prices) > FEW_PRICES:
            return dict(levels)
        ascending = levels[::-1] if self._is_bid else levels
        shown = {}
        for price in prices:
            at = bisect_left(ascending, (price,))
            if at < len(ascending) and ascending[at][0] == price:
                shown[price] = ascending[at][1]
        return shown

    def _watch(self, price: float, shown: float, now_ms: int) -> WatchedLevel:
        self.watched[price] = level = WatchedLevel(shown, now_ms)
        insort(self._prices, price)
        self.is_crowded = self.is_crowded or len(self._prices) > LEVELS_WATCHED
        return level

    def _watch_all(self, levels: list[Level], now_ms: int) -> None:
        watched = self.watched
        for price, quantity in levels:
            if price not in watched:
                self._watch(price, quantity, now_ms)

    def _drop(self, price: float) -> None:
        del self.watched[price]
        del self._prices[bisect_left(self._prices, price)]

    def _changeable(self, near: list[float], levels: list[Level], before: list[Level]) -> list[float]:
        """Of many watched prices those that a snapshot can have changed: shown by it or the last, or newly in reach.

        Where trades are unknown, hundreds are watched that have been empty for long.
        """
        ends = sorted((levels[-1][0], before[-1][0] if before else levels[-1][0]))
        newly_in_reach = near[bisect_left(near, ends[0]) : bisect_right(near, ends[1])]
        changeable = {price for price, _ in (*levels, *before)} | set(newly_in_reach)
        return [price for price in near if price in changeable]

    def _take(self, near: list[float], shown: dict[float, float], now_ms: int, rules: LevelRules) -> None:
        """Take in what the snapshot says of the watched prices ``near``. What is not shown there is empty."""
        watched = self.watched
        self.refilled = refilled = []
        for price in near:
            level = watched[price]
            quantity = shown.get(price, 0.0)
            if level.quantity != quantity:
                self._change(price, level, quantity, now_ms, rules)
            if level.refills is not None and price in shown:
                refilled.append((price, level))

    def _change(self, price: float, level: WatchedLevel, quantity: float, now_ms: int, rules: LevelRules) -> None:
        was_awaiting = level.depleted_ms is not None
        if level.change(quantity, now_ms, rules):
            return
        if level.depleted_ms is not None:
            if not was_awaiting:
                self._awaiting.append((now_ms, price))
                self._awaited_since_ms = self._awaiting[0][0]
        elif rules.trades_known and level.is_plain:
            self._drop(price)

    def _give_up_refills(self, before_ms: float) -> None:
        awaiting = self._awaiting
        while awaiting and awaiting[0][0] < before_ms:
            depleted_ms, price = awaiting.popleft()
            level = self.watched.get(price)
            if level is not None and level.depleted_ms == depleted_ms:
                level.give_up_refill()
                if level.is_plain:
                    self._drop(price)
        self._awaited_since_ms = awaiting[0][0] if awaiting else inf

    def _move_best(self, price: float, now_ms: int, history_ms: int) -> None:
        tops = self._tops
        if self._best > 0.0:
            tops[self._best] = self._best_until(now_ms)
            if len(tops) > LEVELS_WATCHED:
                tops.popitem(last=False)
        before = tops.pop(price, _NEVER_AT_TOP)
        self._best_before = before if now_ms - before.left_ms <= history_ms else _NEVER_AT_TOP
        self._best = price
        self._best_since_ms = now_ms

    def _best_until(self, now_ms: int) -> TimeAtTop:
        before = self._best_before
        return TimeAtTop(before.total_ms + now_ms - self._best_since_ms, before.visits + 1, now_ms)

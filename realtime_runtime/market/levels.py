"""Resting orders per price level: displayed sizes, depletions that trades explain, refills, time at the top."""

from collections import deque
from math import sqrt
from typing import NamedTuple

from realtime_runtime.market.messages import Level

LEVELS_WATCHED = 1_000
"""Watched levels a side; beyond it half of them go: those not on display and without refills first, then the
longest untouched ones."""
REFILLS_KEPT = 20
SIZES_KEPT = 64
ROUNDING = 1e-6
"""Sums that have shrunk below this part of their peak are taken anew. Fresh ones are at least 1 / SIZES_KEPT of it."""


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


class DisplayedSizes:
    """The sizes that a level displayed of late, with their running variation. O(1) a size, amortised; bounded.

    The sums are kept of differences from one of the sizes. They are taken anew once a window, and whenever what is
    left of them is so much smaller than they have been that rounding could show.
    """

    __slots__ = ("_offset", "_peak", "_samples", "_squares", "_sum", "_until_exact")

    def __init__(self, since_ms: int, size: float) -> None:
        self._samples: deque[tuple[int, float]] = deque([(since_ms, size)])
        self._offset = size
        self._sum = self._squares = self._peak = 0.0
        self._until_exact = 1

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, since_ms: int, size: float) -> None:
        """``size`` has been on display since ``since_ms``."""
        self._samples.append((since_ms, size))
        difference = size - self._offset
        self._sum += difference
        self._squares += difference * difference
        self._peak = max(self._peak, self._squares)
        if len(self._samples) > SIZES_KEPT:
            self._drop_oldest()
        self._until_exact -= 1
        if self._until_exact <= 0:
            self._sum_anew()

    def forget_before(self, start_ms: int) -> None:
        """Forget the sizes that were no longer on display after ``start_ms``."""
        while len(self._samples) > 1 and self._samples[1][0] <= start_ms:
            self._drop_oldest()

    def variation_since(self, start_ms: int) -> float | None:
        """Coefficient of variation of the sizes on display after ``start_ms``.

        None where they are not known for the whole time since ``start_ms``; 0 where there was one only.
        """
        self.forget_before(start_ms)
        samples = self._samples
        if samples[0][0] > start_ms:
            return None
        if self._spread() < ROUNDING * self._peak:
            self._sum_anew()
        mean = self._offset + self._sum / len(samples)
        return sqrt(max(self._spread(), 0.0) / len(samples)) / mean if mean > 0.0 else None

    def _spread(self) -> float:
        """Sum of squared differences from the mean."""
        return self._squares - self._sum * self._sum / len(self._samples)

    def _drop_oldest(self) -> None:
        difference = self._samples.popleft()[1] - self._offset
        self._sum -= difference
        self._squares -= difference * difference

    def _sum_anew(self) -> None:
        self._offset = self._samples[-1][1]
        differences = [size - self._offset for _, size in self._samples]
        self._sum = sum(differences)
        self._squares = self._peak = sum(difference * difference for difference in differences)
        self._until_exact = len(self._samples)


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
        "_awaiting",
        "_levels",
        "_out_of_reach",
        "_reach",
        "_sign",
        "_tops",
        "_visible",
        "best",
        "best_since_ms",
        "is_crowded",
        "refilled",
        "watched",
    )

    def __init__(self, sign: int) -> None:
        """``sign`` is 1 for bids (best is highest), -1 for asks."""
        self._sign = sign
        self._levels: list[Level] = []
        self._visible: dict[float, float] = {}
        self._reach = 0.0
        self._out_of_reach: set[float] = set()
        self._awaiting: deque[tuple[int, float]] = deque(maxlen=4 * LEVELS_WATCHED)
        self._tops: dict[float, TimeAtTop] = {}
        self.best = 0.0
        self.best_since_ms = 0
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
            level = self.watched[price] = WatchedLevel(shown, time_ms)
            self._visible[price] = shown
            self.is_crowded = self.is_crowded or len(self.watched) > LEVELS_WATCHED
        level.traded += quantity
        level.touched_ms = time_ms

    def update(self, levels: list[Level], now_ms: int, rules: LevelRules) -> None:
        """Take in a snapshot. Cheap where it is the last one, and where none of its prices is watched."""
        if self._awaiting and now_ms - self._awaiting[0][0] > rules.refill_ms:
            self._give_up_refills(now_ms - rules.refill_ms)
        if levels == self._levels:
            return
        self._levels = levels
        if not rules.trades_known:
            self._watch_all(levels, now_ms)
        before = self._visible
        if self._covers_watched(levels):
            self._take_visible(levels, now_ms, rules)
        else:
            self._visible = {}
            self.refilled = []
        worst = levels[-1][0]
        is_deeper = (self._reach - worst) * self._sign > 0.0
        self._reach = worst
        if before or (is_deeper and self._out_of_reach):
            self._take_gone(before, is_deeper, now_ms, rules)
        if levels[0][0] != self.best:
            self._move_best(levels[0][0], now_ms, rules.history_ms)

    def time_at_top(self, price: float, now_ms: int) -> TimeAtTop:
        """For how long, and in how many visits, ``price`` has been the best one."""
        top = self._tops.get(price, _NEVER_AT_TOP)
        if price != self.best:
            return top
        return TimeAtTop(top.total_ms + now_ms - self.best_since_ms, top.visits + 1, now_ms)

    def sweep(self, oldest_ms: int, oldest_size_ms: int) -> None:
        """Forget what was last touched before ``oldest_ms``, sizes before ``oldest_size_ms``, and what is too much."""
        visible = self._visible
        kept = [
            (price, level) for price, level in self.watched.items() if level.touched_ms >= oldest_ms or price in visible
        ]
        if len(kept) > LEVELS_WATCHED:
            kept.sort(key=lambda item: (item[0] in visible, item[1].refills is not None, item[1].touched_ms))
            del kept[: -LEVELS_WATCHED // 2]
        self.watched = watched = dict(kept)
        self._out_of_reach &= watched.keys()
        for level in watched.values():
            if level.prune_refills(oldest_ms) and level.sizes is not None:
                level.sizes.forget_before(oldest_size_ms)
        tops = [(price, top) for price, top in self._tops.items() if top.left_ms >= oldest_ms]
        self._tops = dict(tops[-LEVELS_WATCHED:])
        self.is_crowded = False

    def _shown_at(self, price: float) -> float | None:
        """The quantity that the last snapshot shows at ``price``. Trades hit the top: found at once."""
        for level_price, quantity in self._levels:
            if level_price == price:
                return quantity
        return None

    def _watch_all(self, levels: list[Level], now_ms: int) -> None:
        watched = self.watched
        for price, quantity in levels:
            if price not in watched:
                watched[price] = WatchedLevel(quantity, now_ms)
        self.is_crowded = self.is_crowded or len(watched) > LEVELS_WATCHED

    def _covers_watched(self, levels: list[Level]) -> bool:
        """Whether a watched price may be among ``levels``. Where trades are known few are watched, and most far off."""
        watched = self.watched
        if len(watched) > len(levels):
            return True
        low, high = levels[-1][0], levels[0][0]
        if low > high:
            low, high = high, low
        for price in watched:  # noqa: SIM110  (a generator costs more than the loop)
            if low <= price <= high:
                return True
        return False

    def _take_visible(self, levels: list[Level], now_ms: int, rules: LevelRules) -> None:
        watched = self.watched
        self._visible = visible = {price: quantity for price, quantity in levels if price in watched}
        self.refilled = []
        for price, quantity in visible.items():
            level = watched[price]
            if level.quantity != quantity:
                self._change(price, level, quantity, now_ms, rules)
            if level.refills is not None:
                self.refilled.append((price, level))

    def _take_gone(self, before: dict[float, float], is_deeper: bool, now_ms: int, rules: LevelRules) -> None:
        """Watched levels that the snapshot does not show: empty where it reaches their price, else left as they are."""
        watched, visible, reach, sign = self.watched, self._visible, self._reach, self._sign
        gone = [price for price in before if price not in visible]
        if is_deeper:
            gone += [price for price in self._out_of_reach if price not in visible]
            self._out_of_reach.clear()
        for price in gone:
            level = watched.get(price)
            if level is None or level.quantity == 0.0:
                continue
            if (price - reach) * sign > 0.0:
                self._change(price, level, 0.0, now_ms, rules)
            else:
                self._out_of_reach.add(price)

    def _change(self, price: float, level: WatchedLevel, quantity: float, now_ms: int, rules: LevelRules) -> None:
        was_awaiting = level.depleted_ms is not None
        if level.change(quantity, now_ms, rules):
            return
        if level.depleted_ms is not None:
            if not was_awaiting:
                self._awaiting.append((now_ms, price))
        elif rules.trades_known and level.is_plain:
            del self.watched[price]

    def _give_up_refills(self, before_ms: float) -> None:
        awaiting = self._awaiting
        while awaiting and awaiting[0][0] < before_ms:
            depleted_ms, price = awaiting.popleft()
            level = self.watched.get(price)
            if level is not None and level.depleted_ms == depleted_ms:
                level.give_up_refill()
                if level.is_plain:
                    del self.watched[price]

    def _move_best(self, price: float, now_ms: int, history_ms: int) -> None:
        tops = self._tops
        if self.best > 0.0:
            left = tops.pop(self.best, _NEVER_AT_TOP)
            total_ms = left.total_ms + now_ms - self.best_since_ms
            tops[self.best] = TimeAtTop(total_ms, left.visits + 1, now_ms)
            self.is_crowded = self.is_crowded or len(tops) > 2 * LEVELS_WATCHED
        back = tops.get(price)
        if back is not None and now_ms - back.left_ms > history_ms:
            del tops[price]
        self.best = price
        self.best_since_ms = now_ms

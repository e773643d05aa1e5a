"""Resting orders per price level: displayed sizes, depletions that trades explain, refills, time at the top."""

from collections import deque
from math import sqrt
from typing import NamedTuple

from realtime_runtime.market.messages import Level

LEVELS_WATCHED = 1_000
"""Watched levels a side; beyond it half of them go: the longest untouched ones, those without refills first."""
REFILLS_KEPT = 20
SIZES_KEPT = 256


class LevelRules(NamedTuple):
    """What makes a depletion and a refill.

    ``consistency`` is the relative difference that a refill may have from the displayed size. With
    ``trades_known`` a fall is a depletion only where trades explain at least half of it.
    """

    refill_ms: float
    consistency: float
    history_ms: int
    trades_known: bool


class DisplayedSizes:
    """The sizes that a level displayed of late, with their running variation. O(1) a size, amortised; bounded.

    The sums are kept of differences from one of the sizes, and taken anew every so often: no cancellation.
    """

    __slots__ = ("_offset", "_samples", "_squares", "_sum", "_until_exact")

    def __init__(self, since_ms: int, size: float) -> None:
        self._samples: deque[tuple[int, float]] = deque([(since_ms, size)])
        self._sum_anew()

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, since_ms: int, size: float) -> None:
        """``size`` has been on display since ``since_ms``."""
        self._samples.append((since_ms, size))
        difference = size - self._offset
        self._sum += difference
        self._squares += difference * difference
        if len(self._samples) > SIZES_KEPT:
            self._drop_oldest()
        self._until_exact -= 1
        if self._until_exact <= 0:
            self._sum_anew()

    def variation_since(self, start_ms: int) -> float | None:
        """Coefficient of variation of the sizes on display at or after ``start_ms``.

        None where fewer than two sizes, or not the whole time since ``start_ms``, are known.
        """
        samples = self._samples
        while len(samples) > 1 and samples[1][0] <= start_ms:
            self._drop_oldest()
        count = len(samples)
        if count < 2 or samples[0][0] > start_ms:
            return None
        mean_difference = self._sum / count
        mean = self._offset + mean_difference
        if mean <= 0.0:
            return None
        variance = self._squares / count - mean_difference * mean_difference
        return 0.0 if variance < 0.0 else sqrt(variance) / mean

    def _drop_oldest(self) -> None:
        difference = self._samples.popleft()[1] - self._offset
        self._sum -= difference
        self._squares -= difference * difference

    def _sum_anew(self) -> None:
        self._offset = self._samples[-1][1]
        differences = [size - self._offset for _, size in self._samples]
        self._sum = sum(differences)
        self._squares = sum(difference * difference for difference in differences)
        self._until_exact = len(self._samples)


class WatchedLevel:
    """A level that has been traded at, depleted or the best price within the history window.

    ``shown`` is the last displayed size; ``quantity`` what the book shows now, less while the level is
    partly consumed or depleted; ``depleted_ms`` is set while a refill is awaited. ``refills`` holds the
    instants of the latest ones, each with whether trades explained its depletion.
    """

    __slots__ = (
        "best_left_ms",
        "best_total_ms",
        "best_visits",
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
        self.best_total_ms = self.best_visits = self.best_left_ms = 0

    def change(self, quantity: float, now_ms: int, rules: LevelRules) -> bool:
        """The book shows ``quantity`` now. True where that is a refill."""
        if self.depleted_ms is not None:
            if now_ms - self.depleted_ms <= rules.refill_ms:
                return self._change_while_depleted(quantity, now_ms, rules)
            self._display(self.quantity, self.changed_ms)  # Too late for a refill: what was left is the size.
        self.quantity = quantity
        self.changed_ms = now_ms
        is_fall = quantity < self.shown / 2
        if is_fall and (not rules.trades_known or self.traded >= (self.shown - quantity) / 2):
            self.depleted_ms = self.touched_ms = now_ms
            self.is_trade_confirmed = rules.trades_known
            self.traded = 0.0
            if self.sizes is None:
                self.sizes = DisplayedSizes(self.shown_ms, self.shown)
        elif is_fall or quantity > self.shown:
            self._display(quantity, now_ms)
            self.traded = 0.0
        return False

    def prune_refills(self, start_ms: int) -> int:
        """Forget refills before ``start_ms``; how many are left."""
        refills = self.refills
        if refills is None:
            return 0
        while refills and refills[0][0] < start_ms:
            refills.popleft()
        return len(refills)

    def _change_while_depleted(self, quantity: float, now_ms: int, rules: LevelRules) -> bool:
        self.quantity = quantity
        self.changed_ms = now_ms
        self.traded = 0.0
        is_refill = abs(quantity - self.shown) <= rules.consistency * self.shown
        if is_refill:
            if self.refills is None:
                self.refills = deque(maxlen=REFILLS_KEPT)
            self.refills.append((now_ms, self.is_trade_confirmed))
            self.touched_ms = now_ms
        if is_refill or quantity > self.shown:
            self._display(quantity, now_ms)
        return is_refill

    def _display(self, size: float, since_ms: int) -> None:
        self.shown = size
        self.shown_ms = since_ms
        self.depleted_ms = None
        if self.sizes is not None:
            self.sizes.add(since_ms, size)


class BookSide:
    """What is known of one side's levels. Most are plain: on display, with nothing known but their displayed size.

    A plain level that leaves the snapshot is forgotten. A watched one stays: with quantity 0 where the book still
    covers its price, as it was where the book does not reach it any more.
    """

    __slots__ = ("_levels", "_plain", "_present", "_sign", "best", "best_since_ms", "refilled", "watched")

    def __init__(self, sign: int) -> None:
        """``sign`` is 1 for bids (best is highest), -1 for asks."""
        self._sign = sign
        self._levels: list[Level] = []
        self._present: set[Level] = set()
        self._plain: dict[float, float] = {}
        self.best = 0.0
        self.best_since_ms = 0
        self.watched: dict[float, WatchedLevel] = {}
        self.refilled: dict[float, WatchedLevel] = {}

    def trade(self, price: float, quantity: float, time_ms: int) -> None:
        """A trade against the orders resting at ``price``; nothing where the snapshot has no such level."""
        level = self.watched.get(price)
        if level is None:
            if price not in self._plain:
                return
            level = self._watch(price, time_ms)
        level.traded += quantity
        level.touched_ms = time_ms

    def update(self, levels: list[Level], now_ms: int, rules: LevelRules) -> None:
        """Take in a snapshot. A level that is as it was in the one before costs a few set operations, no more."""
        if levels == self._levels:
            return
        before, present = self._present, set(levels)
        self._levels, self._present = levels, present
        changed = dict(present - before)
        self._take_changed(changed, now_ms, rules)
        gone = {price for price, _ in before - present if price not in changed}
        if gone:
            self._take_gone(gone, levels[-1][0], now_ms, rules)
        if levels[0][0] != self.best:
            self._move_best(levels[0][0], now_ms, rules.history_ms)

    def displayed_refilled(self) -> list[tuple[float, WatchedLevel]]:
        """The levels with refills that the last snapshot shows, without those that await one."""
        refilled = self.refilled
        found = [(price, refilled[price]) for price, _ in self._levels if price in refilled] if refilled else []
        return [(price, level) for price, level in found if level.depleted_ms is None]

    def best_ms(self, price: float, level: WatchedLevel, now_ms: int) -> int:
        """For how long in all the level has been the best price."""
        return level.best_total_ms + (now_ms - self.best_since_ms if price == self.best else 0)

    def sweep(self, oldest_ms: int) -> None:
        """Forget what has not been touched since ``oldest_ms``, and what is too much."""
        best = self.best
        kept = [
            (price, level) for price, level in self.watched.items() if level.touched_ms >= oldest_ms or price == best
        ]
        if len(kept) > LEVELS_WATCHED:
            kept.sort(key=lambda item: (item[0] == best, item[0] in self.refilled, item[1].touched_ms), reverse=True)
            del kept[LEVELS_WATCHED // 2 :]
        known, self.watched = self.watched, dict(kept)
        for price, _ in self._levels:
            if price in known and price not in self.watched:
                self._plain[price] = known[price].shown
        self.refilled = {price: level for price, level in self.refilled.items() if price in self.watched}

    def _take_changed(self, changed: dict[float, float], now_ms: int, rules: LevelRules) -> None:
        plain, watched, trades_known = self._plain, self.watched, rules.trades_known
        for price, quantity in changed.items():
            if price in watched:
                self._change(watched[price], price, quantity, now_ms, rules)
                continue
            size = plain.get(price, 0.0)
            if quantity >= size:
                plain[price] = quantity
            elif quantity < size / 2:
                if trades_known:
                    plain[price] = quantity  # Nobody traded there, else it were watched: withdrawn.
                else:
                    self._change(self._watch(price, now_ms), price, quantity, now_ms, rules)

    def _take_gone(self, gone: set[float], worst: float, now_ms: int, rules: LevelRules) -> None:
        plain, watched, sign = self._plain, self.watched, self._sign
        for price in gone:
            is_covered = (price - worst) * sign > 0.0
            if price in plain:
                if rules.trades_known or not is_covered:
                    del plain[price]
                    continue
                self._watch(price, now_ms)
            if is_covered and price in watched:
                self._change(watched[price], price, 0.0, now_ms, rules)

    def _watch(self, price: float, now_ms: int) -> WatchedLevel:
        """Make a plain level a watched one (there is none only where a faulty book named a price twice)."""
        level = self.watched[price] = WatchedLevel(self._plain.pop(price, 0.0), now_ms)
        return level

    def _change(self, level: WatchedLevel, price: float, quantity: float, now_ms: int, rules: LevelRules) -> None:
        if level.change(quantity, now_ms, rules):
            self.refilled[price] = level

    def _move_best(self, price: float, now_ms: int, history_ms: int) -> None:
        left = self.watched.get(self.best)
        if left is not None:
            left.best_total_ms += now_ms - self.best_since_ms
            left.best_left_ms = left.touched_ms = now_ms
        level = self.watched.get(price) or self._watch(price, now_ms)
        if now_ms - level.best_left_ms > history_ms:
            level.best_total_ms = level.best_visits = 0
        level.best_visits += 1
        level.touched_ms = now_ms
        self.best = price
        self.best_since_ms = now_ms

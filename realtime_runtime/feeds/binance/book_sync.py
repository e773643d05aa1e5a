"""An order book of Binance, built from a REST snapshot and the stream of differences. Pure.

By the exchange's own procedure, "How to manage a local order book correctly": differences are kept from the first one
on; those that the snapshot already contains are dropped; the first one applied must reach over the snapshot's number;
each later one must follow on the one before, else the book is built anew. A quantity is the level's new quantity, and
zero removes it.
"""

from bisect import bisect_left, insort
from collections import deque

import msgspec

MAX_PENDING = 2_000
MAX_CROSSED = 10
# Deeper levels are given up: the exchange's snapshot has 5,000 at most.
LEVELS_KEPT = 5_000

PriceText = str
LevelText = tuple[PriceText, str]
"""A level as on the wire: (price, quantity)."""


class DepthSnapshot(msgspec.Struct, frozen=True):
    """The answer of REST ``/depth``; best levels first."""

    last_update_id: int = msgspec.field(name="lastUpdateId")
    bids: list[LevelText]
    asks: list[LevelText]


class DepthDifference(msgspec.Struct, frozen=True):
    """A message of the stream ``<symbol>@depth``. Only futures carry ``previous``, the ``last`` of the one before."""

    first: int = msgspec.field(name="U")
    last: int = msgspec.field(name="u")
    bids: list[LevelText] = msgspec.field(name="b")
    asks: list[LevelText] = msgspec.field(name="a")
    previous: int | None = msgspec.field(name="pu", default=None)
    time_ms: int = msgspec.field(name="E", default=0)
    transaction_time_ms: int = msgspec.field(name="T", default=0)


decode_snapshot = msgspec.json.Decoder(DepthSnapshot).decode


class SequenceGapError(Exception):
    """A difference does not follow on what the book holds."""


def first_wanted(snapshot_number: int, *, is_futures: bool) -> int:
    """The number that the first difference after a snapshot must contain: spot's own, for futures the snapshot's."""
    return snapshot_number if is_futures else snapshot_number + 1


class _Side:
    """One side, best price first: ``sign`` -1 for bids, 1 for asks turns prices so that the best is the least.

    Not a SortedDict (sortedcontainers): with it 20 or 100 changes to a side of 1,000 levels, and reading the best 100,
    take 1.7 to 1.9 times as long (48 us become 84), at 5,000 levels 1.2 times.
    """

    __slots__ = ("_keys", "_levels", "_reach", "_sign")

    def __init__(self, levels: list[LevelText], sign: int) -> None:
        self._sign = sign
        self._levels = {sign * float(level[0]): level for level in levels if float(level[1]) > 0.0}
        self._keys = sorted(self._levels)
        self._reach = self._keys[-1] if self._keys else 0.0

    def apply(self, changes: list[LevelText]) -> None:
        levels, keys = self._levels, self._keys
        for level in changes:
            key = self._sign * float(level[0])
            if float(level[1]) == 0.0:
                if levels.pop(key, None) is not None:
                    del keys[bisect_left(keys, key)]
                continue
            if key not in levels:
                insort(keys, key)
            levels[key] = level
        for key in keys[LEVELS_KEPT:]:
            del levels[key]
        del keys[LEVELS_KEPT:]

    def top(self, count: int) -> list[LevelText]:
        levels = self._levels
        return [levels[key] for key in self._keys[:count]]

    def is_beyond_snapshot(self, count: int) -> bool:
        """Whether the first ``count`` levels reach where the snapshot knew nothing: one that rests there is missing."""
        keys = self._keys[:count]
        return len(keys) < count or keys[-1] > self._reach


class OrderBook:
    """A book that differences are applied to, from a snapshot on. ``last`` is the number of its state."""

    __slots__ = ("_asks", "_bids", "_is_futures", "_is_linked", "last")

    def __init__(self, snapshot: DepthSnapshot, *, is_futures: bool) -> None:
        self._bids = _Side(snapshot.bids, -1)
        self._asks = _Side(snapshot.asks, 1)
        self._is_futures = is_futures
        self._is_linked = False
        self.last = snapshot.last_update_id

    def apply(self, difference: DepthDifference) -> bool:
        """Apply a difference; false where the book already contains it. Raises SequenceGapError."""
        if not self._is_linked:
            wanted = first_wanted(self.last, is_futures=self._is_futures)
            if difference.last < wanted:
                return False
            if difference.first > wanted:
                raise SequenceGapError(f"{difference.first} does not reach back to the snapshot's {self.last}")
        elif difference.last <= self.last:
            return False
        elif (difference.previous if self._is_futures else difference.first - 1) != self.last:
            raise SequenceGapError(f"{difference.first} does not follow on {self.last}")
        self._is_linked = True
        self._bids.apply(difference.bids)
        self._asks.apply(difference.asks)
        self.last = difference.last
        return True

    def top(self, levels: int) -> tuple[list[LevelText], list[LevelText]]:
        """The best bids and asks, best first, as many as there are up to ``levels``."""
        return self._bids.top(levels), self._asks.top(levels)

    @property
    def is_crossed(self) -> bool:
        """Whether a bid is as high as an ask: something is wrong, if only for a moment."""
        bids, asks = self.top(1)
        return bool(bids and asks) and float(bids[0][0]) >= float(asks[0][0])

    def is_beyond_snapshot(self, levels: int) -> bool:
        """Whether a level may be missing among the best ``levels`` of a side, because no snapshot has covered it."""
        return self._bids.is_beyond_snapshot(levels) or self._asks.is_beyond_snapshot(levels)


class BookBuilder:
    """The book of one symbol over snapshots and gaps: None until it stands.

    ``needs_snapshot`` says that one should be fetched. Differences are kept from then on, at most 2,000, so that the
    snapshot connects; a book that is only renewed stays in use meanwhile.
    """

    def __init__(self, *, is_futures: bool) -> None:
        self.book: OrderBook | None = None
        self.gaps = 0
        self._crossed = 0
        self._is_futures = is_futures
        self._pending: deque[DepthDifference] | None = deque(maxlen=MAX_PENDING)

    @property
    def needs_snapshot(self) -> bool:
        """Whether differences are being kept for a snapshot to come, and the first one is there."""
        return bool(self._pending)

    def renew(self) -> None:
        """Ask for another snapshot while the book stays in use."""
        if self._pending is None:
            self._pending = deque(maxlen=MAX_PENDING)

    def take(self, difference: DepthDifference) -> bool:
        """Take the next difference; true where the book now shows it, and is not crossed.

        A book that stays crossed over MAX_CROSSED differences is rebuilt.
        """
        pending = self._pending
        if pending is not None:
            if pending and not self._follows(pending[-1], difference):
                self._start_over(difference)
                return False
            pending.append(difference)
        if self.book is None:
            return False
        try:
            is_shown = self.book.apply(difference)
        except SequenceGapError:
            self._start_over(difference)
            return False
        if not self.book.is_crossed:
            self._crossed = 0
            return is_shown
        self._crossed += 1
        if self._crossed >= MAX_CROSSED:
            self._start_over(difference)
        return False

    def take_snapshot(self, snapshot: DepthSnapshot) -> bool:
        """Build the book from a snapshot and what was kept; false where they do not connect: fetch another one."""
        pending = self._pending
        if not pending or pending[0].first > first_wanted(snapshot.last_update_id, is_futures=self._is_futures):
            return False
        book = OrderBook(snapshot, is_futures=self._is_futures)
        for difference in pending:
            book.apply(difference)
        self.book = book
        self._pending = None
        return True

    def _follows(self, before: DepthDifference, difference: DepthDifference) -> bool:
        number = difference.previous if self._is_futures else difference.first - 1
        return number == before.last

    def _start_over(self, difference: DepthDifference) -> None:
        """Something is missing before this difference, or the book is wrong: nothing that was kept is of use."""
        self.gaps += 1
        self._crossed = 0
        self.book = None
        self._pending = deque([difference], maxlen=MAX_PENDING)

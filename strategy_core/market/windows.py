"""Sliding windows over event time that strategies share."""

from bisect import bisect_left
from typing import Generic, TypeVar

S = TypeVar("S")
_COMPACT_FROM = 64


class TimeWindow(Generic[S]):
    """What was seen in the last so many milliseconds of event time, in time order.

    Of each slot of ``slot_ms`` only the latest sample is kept, so that a burst cannot grow the window: it holds
    at most length / slot + 2 samples. All of it is O(1) a sample, amortised, but ``middle`` (O(log n)).

    A sum over the window needs no walk over it: let each sample carry a running total and subtract.
    """

    __slots__ = ("_first", "_samples", "_slot_ms", "_times")

    def __init__(self, slot_ms: int) -> None:
        self._slot_ms = slot_ms
        self._times: list[int] = []
        self._samples: list[S] = []
        self._first = 0

    def __len__(self) -> int:
        return len(self._times) - self._first

    def move_to(self, time_ms: int, length_ms: int) -> bool:
        """Drop what is older than ``length_ms`` at ``time_ms``; false where that instant is late: nothing changes.

        Late is what lies before the newest sample, by up to a whole window. Further back the clock itself was set
        back (a replay started over): then the window starts anew.
        """
        times = self._times
        first = self._first
        count = len(times)
        if count > first and time_ms < times[-1]:
            if times[-1] - time_ms <= length_ms:
                return False
            self.clear()
            return True
        start = time_ms - length_ms
        while first < count and times[first] < start:
            first += 1
        if first == count or (first >= _COMPACT_FROM and first * 2 >= count):
            del times[:first], self._samples[:first]
            first = 0
        self._first = first
        return True

    def append(self, time_ms: int, sample: S) -> None:
        """Add the newest sample; in the slot of the one before, it takes its place. ``move_to`` comes first."""
        times = self._times
        slot_ms = self._slot_ms
        if len(times) > self._first and times[-1] // slot_ms == time_ms // slot_ms:
            times[-1] = time_ms
            self._samples[-1] = sample
        else:
            times.append(time_ms)
            self._samples.append(sample)

    def clear(self) -> None:
        """Forget everything."""
        self._times.clear()
        self._samples.clear()
        self._first = 0

    def oldest(self) -> S:
        """The oldest sample; IndexError where the window is empty."""
        return self._samples[self._first]

    def newest(self) -> S:
        """The newest sample; IndexError where the window is empty."""
        return self._samples[-1]

    def middle(self) -> S:
        """The first sample at or after the middle of the time covered; IndexError where the window is empty."""
        times = self._times
        half = (times[self._first] + times[-1] + 1) // 2
        return self._samples[bisect_left(times, half, self._first)]

    def samples(self) -> list[S]:
        """All of it, oldest first: a copy, for the rare walk (O(n))."""
        return self._samples[self._first :]

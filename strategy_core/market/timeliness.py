"""Whether live messages are of now, and what it means where they are not: a late feed, or a wrong clock. Pure.

A message that carries its time is *stale* where it is older than the time to live. It is *untimely* where the clocks of
the host and of the sender must disagree: it comes from further in the future than that, or it is too old by the same
age (within ``SAME_AGE_MS``) for ``SAME_AGE_FOR_MS`` and longer, with no timely one in between: a backlog grows or
shrinks, and a clock stands still beside the other.

A message without a time takes the host's, so it is as good as that clock. While the latest messages that carry a time
are stale or untimely, those without are untimely, too: they come from the same feed, by the same clock.
"""

SAME_AGE_MS = 2_000
SAME_AGE_FOR_MS = 10_000
TIMELY_FOR_MS = 1_000
"""One late stream among timely ones says nothing of the clock: doubt begins where none was timely for so long."""
NEVER = -(1 << 62)


class Timeliness:
    """Judges the ages of live messages; all times are Unix milliseconds. ``ttl_ms``: the time to live."""

    __slots__ = ("_doubted_ms", "_first_ms", "_oldest_ms", "_ttl_ms", "_youngest_ms", "is_calm", "timely_ms")

    def __init__(self, ttl_ms: int) -> None:
        self._ttl_ms = ttl_ms
        self.timely_ms = NEVER
        """When the last timely message with a time of its own was received."""
        self.is_calm = True
        """Nothing is in doubt; while it is not so, ``is_timely`` has to be asked of every message."""
        self._doubted_ms = NEVER
        self._first_ms = NEVER
        self._oldest_ms = self._youngest_ms = 0

    def is_timely(self, received_ms: int, *, is_dated: bool) -> bool:
        """Whether to trust a message within the time to live; one that is dated ends all doubt."""
        if is_dated:
            self.timely_ms = received_ms
            self._doubted_ms = self._first_ms = NEVER
            self.is_calm = True
        return abs(received_ms - self._doubted_ms) > self._ttl_ms

    def is_clock_wrong(self, time_ms: int, received_ms: int) -> bool:
        """Take in a message that is not timely; whether a wrong clock is the cause, and not a late feed."""
        self.is_calm = False
        if abs(received_ms - self.timely_ms) > TIMELY_FOR_MS:
            self._doubted_ms = received_ms
        age_ms = received_ms - time_ms
        if age_ms < 0:
            return True
        if self._first_ms == NEVER or received_ms < self._first_ms:
            self._first_ms, self._oldest_ms, self._youngest_ms = received_ms, age_ms, age_ms
        oldest_ms, youngest_ms = max(self._oldest_ms, age_ms), min(self._youngest_ms, age_ms)
        if oldest_ms - youngest_ms > SAME_AGE_MS:
            self._first_ms, self._oldest_ms, self._youngest_ms = received_ms, age_ms, age_ms
            return False
        self._oldest_ms, self._youngest_ms = oldest_ms, youngest_ms
        return received_ms - self._first_ms >= SAME_AGE_FOR_MS

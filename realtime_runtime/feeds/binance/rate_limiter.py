"""A rate limiter: lets its callers pass at a fixed distance, for what an exchange allows only so often.

Not aiolimiter's: that one cannot be held for as long as the other side asks for.
"""

import asyncio
import time


class RateLimiter:
    """Lets callers pass at least ``interval_seconds`` apart, in the order of asking."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._next_at = 0.0
        self._in_order = asyncio.Lock()

    def hold(self, seconds: float) -> None:
        """Let nobody pass for so long: the other side has asked all who share the limiter to wait."""
        self._next_at = max(self._next_at, time.monotonic() + seconds)

    async def acquire(self) -> None:
        """Return when the caller may go on."""
        async with self._in_order:
            while (wait := self._next_at - time.monotonic()) > 0:  # noqa: ASYNC110 - `hold` may extend the wait
                await asyncio.sleep(wait)
            self._next_at = time.monotonic() + self._interval_seconds

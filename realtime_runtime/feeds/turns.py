"""Turns at a fixed distance, for what others allow only so often."""

import asyncio
import time


class Turns:
    """Deals out turns at least ``interval_seconds`` apart, in the order of asking."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._next_at = 0.0

    async def take(self) -> None:
        """Return when it is the caller's turn."""
        now = time.monotonic()
        wait = self._next_at - now
        self._next_at = max(now, self._next_at) + self._interval_seconds
        if wait > 0:
            await asyncio.sleep(wait)

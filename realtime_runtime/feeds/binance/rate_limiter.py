"""Turns at a fixed distance, for what others allow only so often."""

import asyncio
import time


class Turns:
    """Deals out turns at least ``interval_seconds`` apart, in the order of asking."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._next_at = 0.0
        self._in_order = asyncio.Lock()

    def hold(self, seconds: float) -> None:
        """Give nobody a turn for so long: the other side has asked for it, of all who share them."""
        self._next_at = max(self._next_at, time.monotonic() + seconds)

    async def take(self) -> None:
        """Return when it is the caller's turn."""
        async with self._in_order:
            while (wait := self._next_at - time.monotonic()) > 0:  # noqa: ASYNC110 - `hold` puts it off meanwhile
                await asyncio.sleep(wait)
            self._next_at = time.monotonic() + self._interval_seconds

"""Notices that this process stood still: SIGSTOP, a host that was suspended, an event loop that was held up.

What it knew before may have been overtaken: another runtime may have its share, and what it is about to send may have
been stopped. `PauseGate` has both confirmed before the next signal leaves.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

BEAT_SECONDS = 0.2
PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)


def seconds() -> float:
    """A clock that never goes back, and that goes on while the host is suspended."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Pauses:
    """Looks at the clock every ``BEAT_SECONDS``; a gap of more than ``PAUSE_SECONDS`` is a pause."""

    def __init__(self, clock: Callable[[], float] = seconds) -> None:
        self.clock = clock
        self._beat_at = clock()
        self._ended_at = float("-inf")

    def last_ended_at(self) -> float:
        """When the latest pause was noticed, as ``clock`` says it; minus infinity where there was none."""
        now = self.clock()
        gap, self._beat_at = now - self._beat_at, now
        if gap > PAUSE_SECONDS:
            self._ended_at = now
            log.warning("runtime.paused", seconds=round(gap, 3))
        return self._ended_at

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self.last_ended_at()
            await asyncio.sleep(BEAT_SECONDS)


class Share(Protocol):
    """This runtime's share, as `realtime_runtime.standby.share.ShareKeeper` keeps it."""

    @property
    def is_closed(self) -> bool: ...

    def is_held_since(self, instant: float) -> bool: ...

    async def may_publish(self, *, since: float) -> bool: ...


class PauseGate:
    """Lets signals out while this runtime holds its share; after a pause, once everything is confirmed again.

    ``confirm_stops`` returns when what stopped anything before the call is in force, or when nobody can be asked for
    it: then signals go on, as in any outage.
    """

    def __init__(self, share: Share, pauses: Pauses, confirm_stops: Callable[[], Awaitable[None]]) -> None:
        self._share = share
        self._pauses = pauses
        self._confirm_stops = confirm_stops
        self._stops_confirmed_at = float("-inf")

    @property
    def is_confirmed(self) -> bool:
        """Whether signals may leave, as far as is known without asking."""
        woke_at = self._pauses.last_ended_at()
        return self._share.is_held_since(woke_at) and self._stops_confirmed_at >= woke_at

    @property
    def is_closed(self) -> bool:
        """Whether another runtime sends the signals of this share."""
        return self._share.is_closed

    async def may_publish(self) -> bool:
        """Whether a signal may leave now; asks for what is not confirmed."""
        woke_at, asked_at = self._pauses.last_ended_at(), self._pauses.clock()
        if await self._share.may_publish(since=woke_at) and self._stops_confirmed_at < woke_at:
            await self._confirm_stops()
            self._stops_confirmed_at = asked_at
        return self.is_confirmed

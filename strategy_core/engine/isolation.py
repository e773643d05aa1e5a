"""Keeps a failing strategy from hurting the others: what failed, and who is paused until when. Pure."""

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

FAILURES_TO_PAUSE = 5
FAILURE_WINDOW_MS = 60_000
PAUSE_MS = 60_000
KEPT_FAILURES = 20
NEVER = 1 << 62


class Failure(NamedTuple):
    """One exception out of a strategy."""

    strategy_id: str
    symbol: str
    exception: Exception


class Isolation:
    """Counts failures by strategy in event time: five within a minute pause it for a minute.

    ``resume_at_ms`` is the event time at which the next pause ends, ``NEVER`` where nobody is paused.
    """

    __slots__ = ("_failures", "_kept", "_paused_until_ms", "resume_at_ms")

    def __init__(self) -> None:
        self._failures: dict[str, deque[int]] = {}
        self._kept: deque[Failure] = deque(maxlen=KEPT_FAILURES)
        self._paused_until_ms: dict[str, int] = {}
        self.resume_at_ms = NEVER

    @property
    def paused(self) -> Mapping[str, int]:
        """The paused strategies, each with the event time at which it resumes."""
        return MappingProxyType(self._paused_until_ms)

    def record(self, failure: Failure, time_ms: int) -> bool:
        """Note a failure; true where it pauses the strategy."""
        self._kept.append(failure)
        times = self._failures.setdefault(failure.strategy_id, deque(maxlen=FAILURES_TO_PAUSE))
        times.append(time_ms)
        if len(times) < FAILURES_TO_PAUSE or times[-1] - times[0] > FAILURE_WINDOW_MS:
            return False
        times.clear()
        self._paused_until_ms[failure.strategy_id] = time_ms + PAUSE_MS
        self.resume_at_ms = min(self._paused_until_ms.values())
        return True

    def resume(self, time_ms: int) -> None:
        """End the pauses that are over at ``time_ms``."""
        self._paused_until_ms = {key: until for key, until in self._paused_until_ms.items() if until > time_ms}
        self.resume_at_ms = min(self._paused_until_ms.values(), default=NEVER)

    def end_pauses(self) -> None:
        """End all pauses: event time has restarted."""
        self._failures.clear()
        self._paused_until_ms = {}
        self.resume_at_ms = NEVER

    def take_failures(self) -> list[Failure]:
        """The latest failures since the last call, at most ``KEPT_FAILURES``."""
        taken = list(self._kept)
        self._kept.clear()
        return taken

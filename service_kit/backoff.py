"""Waits between attempts that double up to a limit, shortened by random jitter so that many clients do not retry at the
same time."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """How long to wait after each failure in a row: ``first_seconds``, doubled each time, ``last_seconds`` at most.

    Each wait is shortened at random by up to ``jitter_share`` of itself: 0 never, 1 down to no wait at all.
    """

    first_seconds: float
    last_seconds: float
    jitter_share: float = 0.5
    draw: Callable[[], float] = random.random
    failures: int = 0

    def next_wait(self) -> float:
        """Seconds to wait after one more failure."""
        longest = min(self.last_seconds, self.first_seconds * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return longest * (1.0 - self.jitter_share * self.draw())

    def reset(self) -> None:
        """Reset after a success."""
        self.failures = 0

"""Histograms of durations. Pure, and for one thread: the loop's."""

from bisect import bisect_left
from dataclasses import dataclass, field

_MICRO = 1e-6
STEP_BOUNDS = tuple(number * _MICRO for number in (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000))
"""Seconds, for steps within one message."""
CALL_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, for a call to a database or to another server."""
WAIT_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Seconds, for waits on a queue, another process or a server."""


class Histogram:
    """Counts observations (seconds) by the first bound that they do not exceed. About 0.3 us per observation."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    @property
    def count(self) -> int:
        """The number of observations."""
        return sum(self._counts)

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        """(upper bound, observations up to it), as Prometheus has them; the last bound is ``+Inf``."""
        names = [*(f"{bound:.9g}" for bound in self._bounds), "+Inf"]
        return [(name, float(sum(self._counts[: at + 1]))) for at, name in enumerate(names)]


@dataclass(frozen=True, slots=True)
class Timings:
    """Of sampled market messages: from receipt to the engine, decoding, and the decisions of all strategies."""

    wait: Histogram = field(default_factory=lambda: Histogram(WAIT_BOUNDS))
    decode: Histogram = field(default_factory=lambda: Histogram(STEP_BOUNDS))
    decision: Histogram = field(default_factory=lambda: Histogram(STEP_BOUNDS))

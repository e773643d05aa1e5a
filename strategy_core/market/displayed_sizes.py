"""How much the sizes that a level displays vary, kept up to date with each of them."""

from collections import deque
from math import sqrt

SIZES_KEPT = 64
ROUNDING = 1e-6
"""Sums that have shrunk below this part of their peak are taken anew. Fresh ones are at least 1 / SIZES_KEPT of it."""


class DisplayedSizes:
    """The sizes that a level displayed of late, with their running variation. O(1) a size, amortised; bounded.

    The sums are kept of differences from one of the sizes. They are taken anew once a window, and whenever what is
    left of them is so much smaller than they have been that rounding could show.
    """

    __slots__ = ("_offset", "_peak", "_samples", "_squares", "_sum", "_until_exact")

    def __init__(self, since_ms: int, size: float) -> None:
        self._samples: deque[tuple[int, float]] = deque([(since_ms, size)])
        self._offset = size
        self._sum = self._squares = self._peak = 0.0
        self._until_exact = 1

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, since_ms: int, size: float) -> None:
        """``size`` has been on display since ``since_ms``."""
        self._samples.append((since_ms, size))
        difference = size - self._offset
        self._sum += difference
        self._squares += difference * difference
        self._peak = max(self._peak, self._squares)
        if len(self._samples) > SIZES_KEPT:
            self._drop_oldest()
        self._until_exact -= 1
        if self._until_exact <= 0:
            self._sum_anew()

    def forget_before(self, start_ms: int) -> None:
        """Forget the sizes that were no longer on display after ``start_ms``."""
        while len(self._samples) > 1 and self._samples[1][0] <= start_ms:
            self._drop_oldest()

    def variation_since(self, start_ms: int) -> float | None:
        """Coefficient of variation of the sizes on display after ``start_ms``.

        None where they are not known for the whole time since ``start_ms``; 0 where there was one only.
        """
        self.forget_before(start_ms)
        samples = self._samples
        if samples[0][0] > start_ms:
            return None
        if self._spread() < ROUNDING * self._peak:
            self._sum_anew()
        mean = self._offset + self._sum / len(samples)
        return sqrt(max(self._spread(), 0.0) / len(samples)) / mean if mean > 0.0 else None

    def _spread(self) -> float:
        """Sum of squared differences from the mean."""
        return self._squares - self._sum * self._sum / len(self._samples)

    def _drop_oldest(self) -> None:
        difference = self._samples.popleft()[1] - self._offset
        self._sum -= difference
        self._squares -= difference * difference

    def _sum_anew(self) -> None:
        self._offset = self._samples[-1][1]
        differences = [size - self._offset for _, size in self._samples]
        self._sum = sum(differences)
        self._squares = self._peak = sum(difference * difference for difference in differences)
        self._until_exact = len(self._samples)

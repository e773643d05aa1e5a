"""What a feed tells the person who started it: a bar on a terminal, plain lines in a log."""

import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

LOG_INTERVAL_SECONDS = 5.0


def say(text: str) -> None:
    """Print one line to standard error, above a progress bar that may be there."""
    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()


class ProgressReport:
    """Shows how far a file is read: bytes of it as a bar, or a line each 5 seconds outside a terminal."""

    def __init__(self, name: str, total_bytes: int) -> None:
        self._name = name
        self._total_bytes = total_bytes
        self._lines = 0
        self._next_line_at = time.monotonic() + LOG_INTERVAL_SECONDS
        is_terminal = sys.stderr.isatty()
        self._bar = tqdm(total=total_bytes, desc=name, unit="B", unit_scale=True, leave=False) if is_terminal else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, position_bytes: int) -> None:
        """One more line is published; ``position_bytes`` of the file are read."""
        self._lines += 1
        if self._bar is not None:
            if position_bytes != self._bar.n:
                self._bar.update(position_bytes - self._bar.n)
                self._bar.set_postfix(lines=f"{self._lines:,}", refresh=False)
        elif self._lines % 100 == 0 and time.monotonic() >= self._next_line_at:
            self._next_line_at = time.monotonic() + LOG_INTERVAL_SECONDS
            share = position_bytes / max(1, self._total_bytes)
            say(f"{self._name}: {self._lines:,} lines, {share:.0%} of the file")

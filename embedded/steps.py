"""Shows the user at the terminal which step is running, and every few seconds that it still is.

Runs before anything is installed: standard library only.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REPEAT_SECONDS = 4.0


def say(text: str) -> None:
    """Print for the person at the terminal."""
    print(f"make run: {text}", flush=True)


@contextmanager
def step(
    what: str,
    *,
    progress: Callable[[], str] = str,
    tell: Callable[[str], None] = say,
    repeat_seconds: float | None = None,
) -> Iterator[None]:
    """Print ``what`` at the start, then every few seconds the time taken and the ``progress``.

    ``progress`` is called in a thread of its own; an empty text says nothing.
    """
    began_at = time.monotonic()
    has_ended = threading.Event()

    def repeat() -> None:
        while not has_ended.wait(repeat_seconds or REPEAT_SECONDS):
            made = progress()
            tell(f"{what}: {f'{made}, ' if made else ''}{time.monotonic() - began_at:.0f} s")

    tell(what)
    teller = threading.Thread(target=repeat, name="teller", daemon=True)
    teller.start()
    try:
        yield
    finally:
        has_ended.set()
        teller.join()

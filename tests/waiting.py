"""How tests wait: for a condition, as long as a crowded machine needs, and never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.01
_TOO_LATE = "the condition did not come true in time"


def until(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS, *, what: str = _TOO_LATE) -> Any:
    """The first true answer of ``condition``; fails with ``what`` after ``seconds`` without one."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, what
        time.sleep(POLL_SECONDS)


async def eventually(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """As `until`, without holding the event loop up; ``condition`` may be a coroutine function."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, _TOO_LATE
        await asyncio.sleep(POLL_SECONDS)

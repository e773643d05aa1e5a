"""Reliable cancellation: libraries sometimes swallow one."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

AGAIN_SECONDS = 0.2
T = TypeVar("T")


async def cancel(tasks: Collection[asyncio.Task[Any]], *, again_seconds: float = AGAIN_SECONDS) -> None:
    """Cancel the tasks and wait until they have ended.

    Repeatedly, because libraries swallow a cancellation, and so does ``asyncio.wait_for`` of Python 3.11 when it
    comes together with the result.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_seconds)


async def cancellable(work: Coroutine[Any, Any, T], *, name: str, again_seconds: float = AGAIN_SECONDS) -> T:
    """What ``work`` returns or raises; it ends when cancelled, even if a library in it swallows the cancellation.

    ``again_seconds``: how long its clean-up may take before it is cancelled again.
    """
    task = asyncio.create_task(work, name=name)
    try:
        await asyncio.wait([task])
    finally:
        await cancel([task] if not task.done() else [], again_seconds=again_seconds)
    return task.result()

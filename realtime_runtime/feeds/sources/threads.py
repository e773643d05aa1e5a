"""Work that would block the event loop, in a thread that nobody waits for at the end of the process."""

import asyncio
import contextlib
import gc
import importlib
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], *, name: str) -> T:
    """What ``work`` returns or raises; whoever is cancelled meanwhile goes, and leaves the thread to itself.

    Not ``asyncio.to_thread``, whose threads the process would wait for at its end.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def give(result: T | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # None only where T allows it

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # The loop has ended meanwhile.
            loop.call_soon_threadsafe(give, result, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done


async def imported(module: str) -> ModuleType:
    """A module whose first import computes for seconds, while everything else goes on.

    Its objects stay for as long as the process: the collector need not walk them, which at the end of the process
    alone takes a second.
    """

    def load() -> ModuleType:
        is_first = module not in sys.modules
        found = importlib.import_module(module)
        if is_first:
            gc.freeze()
        return found

    return await in_thread(load, name=f"load-{module}")

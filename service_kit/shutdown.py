"""How runtime, feeds and relay end: in bounded time, even if tasks or threads are still running."""

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

import uvloop

from service_kit import tracing

T = TypeVar("T")
_kept: list[asyncio.Runner] = []


def run(main: Coroutine[Any, Any, T]) -> T:
    """What ``main`` returns or raises, run on an event loop that is never closed: `leave` ends the process.

    Closing it would wait for its threads, for half a minute if a name server does not answer.
    """
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    # If it were garbage-collected, it would be closed.
    _kept.append(runner)
    return runner.run(main)


def leave(code: int) -> NoReturn:
    """End the process without waiting for threads: the interpreter's own exit waits, and fails with some libraries."""
    tracing.stop()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def on_signals(stop: Callable[[signal.Signals], object], *, within_seconds: float) -> None:
    """Let SIGTERM or SIGINT call ``stop``, and end the process within the time. A second signal ends it at once.

    If something has not ended by then, the tracebacks are shown and the exit code is 1. The loop's own handlers are not
    used: they would wait for whatever keeps the loop busy.
    """
    loop = asyncio.get_running_loop()
    taken: list[int] = []

    def take(number: int, _: object) -> None:
        signal.signal(number, lambda number, _: os._exit(128 + number))
        taken.append(number)
        if len(taken) == 1:
            # Needs neither the loop nor the interpreter lock.
            faulthandler.dump_traceback_later(within_seconds, exit=True)
            loop.call_soon_threadsafe(stop, signal.Signals(number))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, take)

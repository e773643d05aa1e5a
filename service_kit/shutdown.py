"""How runtime, feeds and relay end: in bounded time, whatever still goes on in their tasks and threads."""

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

    To close it is to wait for its threads: for half a minute where a name server does not answer.
    """
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    # Collected, it would be closed.
    _kept.append(runner)
    return runner.run(main)


def leave(code: int) -> NoReturn:
    """End the process, without waiting for threads: the interpreter's own end does, and breaks on some libraries'."""
    tracing.stop()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def on_signals(stop: Callable[[signal.Signals], object], *, within_seconds: float) -> None:
    """Have SIGTERM or SIGINT call ``stop``, and the process end within so long. The same once more ends it at once.

    What has not ended by then is shown with its tracebacks, and ends with 1. Not the loop's own handlers: those wait
    for whatever keeps the loop busy, and its end is what the signal is for.
    """
    loop = asyncio.get_running_loop()
    taken: list[int] = []

    def take(number: int, _: object) -> None:
        signal.signal(number, lambda number, _: os._exit(128 + number))
        taken.append(number)
        if len(taken) == 1:
            # Needs neither the loop nor the interpreter's lock.
            faulthandler.dump_traceback_later(within_seconds, exit=True)
            loop.call_soon_threadsafe(stop, signal.Signals(number))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, take)

"""Measures what runs in threads that Python did not start: those of granian, in which the site answers.

Coverage is told of each new thread by `threading`; granian's threads begin outside of it, and are traced from the first
request on that they bring to its lane. In a process that is not measured nothing is changed.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any

from configsite.server.lanes import Lane


def trace_foreign_threads() -> None:
    """From now on, where this process is measured."""
    if sys.gettrace() is None:
        return
    enter: Any = Lane.enter

    def enter_traced(lane: Lane, work: Callable[[], None]) -> None:
        if sys.gettrace() is None:
            sys.settrace(threading.gettrace())
        enter(lane, work)

    Lane.enter = enter_traced  # type: ignore[method-assign]

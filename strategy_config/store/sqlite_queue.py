"""Lets the writers of a SQLite file wait for each other without sleeping longer than need be.

SQLite's own waiting tries again after up to 100 ms, and whoever comes meanwhile goes first: with four busy writers the
unlucky wait for a second. Here the threads of a process take turns in the order in which they came, and processes take
turns by locks on two files beside the database: one is held by whoever writes, the other by whoever writes next. So a
process that has just written cannot go first again while another one is waiting.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.db import connection

from strategy_config.store.ordered_lock import OrderedLock

POLL_SECONDS = 0.001
PATIENCE_SECONDS = 5.0
SUFFIX = "-writers"
NEXT_SUFFIX = "-next-writer"
_threads = OrderedLock()


@contextmanager
def turn(heard: Callable[[], object]) -> Iterator[None]:
    """Hold the turn to write. It is a courtesy, not the lock: after PATIENCE_SECONDS SQLite itself decides.

    ``heard`` is called when another process is seen to take its turn: the store is busy then, not stuck.
    """
    name = str(connection.settings_dict["NAME"])
    if "memory" in name and not Path(name).is_file():
        yield
        return
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    is_first = _threads.acquire(PATIENCE_SECONDS)
    try:
        with open(f"{name}{SUFFIX}", "a") as writing:
            with open(f"{name}{NEXT_SUFFIX}", "a") as following:
                _take(following, give_up_at, writing, heard)
                _take(writing, give_up_at, writing, heard)
            # Seen by who waits.
            os.utime(writing.fileno())
            yield
    finally:
        if is_first:
            _threads.release()


def _take(file: IO[str], give_up_at: float, writing: IO[str], heard: Callable[[], object]) -> None:
    """Lock ``file`` as soon as it is free. Closing it gives the lock back, and so does the end of the process.

    It is tried again and again, because a wait for it within the system knows no end.
    """
    taken_at = os.fstat(writing.fileno()).st_mtime_ns
    while not _is_taken(file) and time.monotonic() < give_up_at:
        time.sleep(POLL_SECONDS)
        if (changed_at := os.fstat(writing.fileno()).st_mtime_ns) != taken_at:
            taken_at = changed_at
            heard()


def _is_taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

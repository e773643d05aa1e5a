"""Lets the writers of a SQLite file wait for each other without sleeping longer than need be.

SQLite's own waiting tries again after up to 100 ms, and whoever comes meanwhile goes first: with four busy writers the
unlucky wait for a second. Here the threads of a process take turns in the order in which they came, and the one whose
turn it is tries every millisecond for a lock on a file beside the database, which processes share.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.db import connection

from strategy_config.ordered_lock import OrderedLock

POLL_SECONDS = 0.001
PATIENCE_SECONDS = 5.0
SUFFIX = "-writers"
_threads = OrderedLock()


@contextmanager
def turn() -> Iterator[None]:
    """Hold the turn to write. It is a courtesy, not the lock: after PATIENCE_SECONDS SQLite itself decides."""
    name = str(connection.settings_dict["NAME"])
    if "memory" in name and not Path(name).is_file():
        yield
        return
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    is_first = _threads.acquire(PATIENCE_SECONDS)
    try:
        with open(f"{name}{SUFFIX}", "a") as file:
            while not _is_taken(file) and time.monotonic() < give_up_at:
                time.sleep(POLL_SECONDS)
            yield
    finally:
        if is_first:
            _threads.release()


def _is_taken(file: IO[str]) -> bool:
    """Take the lock where it is free. Closing the file gives it back, and so does the end of the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

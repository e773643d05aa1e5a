"""Lets the writers of a SQLite file wait for each other without sleeping longer than need be.

SQLite's own waiting tries again after up to 100 ms, and whoever comes meanwhile goes first: with four busy writers the
unlucky wait for a second. Here they wait for a lock on a file beside the database, trying every millisecond.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.db import connection

POLL_SECONDS = 0.001
PATIENCE_SECONDS = 5.0
SUFFIX = "-writers"


@contextmanager
def turn() -> Iterator[None]:
    """Hold the turn to write. It is a courtesy, not the lock: after PATIENCE_SECONDS SQLite itself decides."""
    name = str(connection.settings_dict["NAME"])
    if "memory" in name and not Path(name).is_file():
        yield
        return
    with open(f"{name}{SUFFIX}", "a") as file:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not _is_taken(file) and time.monotonic() < give_up_at:
            time.sleep(POLL_SECONDS)
        yield


def _is_taken(file: IO[str]) -> bool:
    """Take the lock where it is free. Closing the file gives it back, and so does the end of the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Locks on files, held and looked at as another process would: each by an open file of its own."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock; raises BlockingIOError where somebody else does."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock."""
    try:
        with held(path):
            return False
    except BlockingIOError:
        return True

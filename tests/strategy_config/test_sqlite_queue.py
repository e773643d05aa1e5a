"""The turns of processes that write to one SQLite file; other processes are played by open files of their own."""

import itertools
import os
import threading
from functools import partial
from pathlib import Path

import pytest
from django.db import connection

from strategy_config.store import sqlite_queue
from tests.file_locks import held, is_held
from tests.waiting import until


class Queue:
    """The two files beside a database."""

    def __init__(self, database: Path) -> None:
        self.writing = Path(f"{database}{sqlite_queue.SUFFIX}")
        self.following = Path(f"{database}{sqlite_queue.NEXT_SUFFIX}")


class Writer(threading.Thread):
    """A thread of this process that waits for its turn, and counts what it is told meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0
        self.has_written = False
        self.start()

    def run(self) -> None:
        with sqlite_queue.turn(self._hear):
            self.has_written = True

    def _hear(self) -> None:
        self.heard += 1


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Queue:
    database = tmp_path / "db.sqlite3"
    database.touch()
    monkeypatch.setitem(connection.settings_dict, "NAME", str(database))
    return Queue(database)


def test_turn__while_another_process_writes__is_the_next_whoever_comes_meanwhile(queue: Queue) -> None:
    with held(queue.writing):
        writer = Writer()
        until(lambda: is_held(queue.following))
        assert not writer.has_written
    writer.join()
    assert writer.has_written
    assert not is_held(queue.following)


def test_turn__while_it_is_held__leaves_the_place_of_the_next_to_others(queue: Queue) -> None:
    with sqlite_queue.turn(lambda: None):
        assert is_held(queue.writing)
        assert not is_held(queue.following)
    assert not is_held(queue.writing)


def test_turn__begun__shows_in_the_file_that_others_wait_for(queue: Queue) -> None:
    queue.writing.touch()
    os.utime(queue.writing, (0, 0))
    with sqlite_queue.turn(lambda: None):
        assert queue.writing.stat().st_mtime > 0


def test_turn__behind_others_whose_turns_begin__is_told_of_them(queue: Queue) -> None:
    seconds = itertools.count(1)

    def is_told_of_another(writer: Writer, heard: int) -> bool:
        now = next(seconds)
        os.utime(queue.writing, (now, now))
        return writer.heard > heard

    with held(queue.writing), held(queue.following):
        writer = Writer()
        for heard in range(3):
            until(partial(is_told_of_another, writer, heard))
    writer.join()
    assert writer.has_written

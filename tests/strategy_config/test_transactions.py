"""What happens to a use case when the store is locked, away, or refuses for a reason of its own."""

import sqlite3
from pathlib import Path

import pytest
from django.conf import settings
from django.db import IntegrityError, OperationalError

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.store import sqlite_queue, transactions


class LockedTimes:
    """A use case that finds a real SQLite file locked by another writer the first ``times`` times."""

    def __init__(self, path: Path, times: int) -> None:
        self.times = times
        self.calls = 0
        self.holder = sqlite3.connect(path, isolation_level=None)
        self.other = sqlite3.connect(path, isolation_level=None, timeout=0)

    def __call__(self) -> str:
        self.calls += 1
        if self.calls > self.times:
            return "done"
        self.holder.execute("BEGIN IMMEDIATE")
        try:
            self.other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exception:
            raise OperationalError(*exception.args) from exception
        finally:
            self.holder.execute("ROLLBACK")
        raise AssertionError("the file was not locked")


def test_run__locked_for_a_while__is_tried_again(tmp_path: Path) -> None:
    use_case = LockedTimes(tmp_path / "db.sqlite3", times=3)
    assert transactions.run(use_case) == "done"
    assert use_case.calls == 4


def test_run__locked_for_good__gives_up_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "PATIENCE_SECONDS", 0.05)
    use_case = LockedTimes(tmp_path / "db.sqlite3", times=10_000)
    with pytest.raises(StoreUnavailableError):
        transactions.run(use_case)
    assert use_case.calls > 1


def test_run__broken_constraint__passes_at_once() -> None:
    calls = []

    def use_case() -> None:
        calls.append(1)
        raise IntegrityError("UNIQUE constraint failed") from sqlite3.IntegrityError("UNIQUE constraint failed")

    with pytest.raises(IntegrityError):
        transactions.run(use_case)
    assert len(calls) == 1


@pytest.mark.skipif(settings.TEST_STORE != "sqlite", reason="the queue of SQLite's writers")
@pytest.mark.django_db
def test_atomic__store_in_memory__needs_no_file_to_queue_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with sqlite_queue.turn(lambda: None):
        assert list(tmp_path.iterdir()) == []

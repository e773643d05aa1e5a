"""The lock that is handed on in the order of asking."""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from strategy_config.store import ordered_lock
from strategy_config.store.ordered_lock import OrderedLock

SECONDS = 20.0
ASKERS = 5


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(ASKERS) as pool:
        yield pool


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released once for each thread that has joined the end of a lock's queue."""
    queued = threading.Semaphore(0)

    class Queue(deque[Any]):
        def append(self, item: Any) -> None:
            super().append(item)
            queued.release()

    monkeypatch.setattr(ordered_lock, "deque", Queue)
    return queued


def test_release__several_wait__is_handed_on_in_the_order_of_asking(
    threads: ThreadPoolExecutor, queued: threading.Semaphore
) -> None:
    lock = OrderedLock()
    order = []

    def work(number: int) -> None:
        assert lock.acquire(SECONDS)
        order.append(number)
        lock.release()

    assert lock.acquire(SECONDS)
    workers = []
    for number in range(ASKERS):
        workers.append(threads.submit(work, number))
        assert queued.acquire(timeout=SECONDS)
    assert order == []
    lock.release()
    for worker in workers:
        worker.result(SECONDS)
    assert order == list(range(ASKERS))


def test_release__somebody_waits__whoever_comes_now_does_not_get_in_between(
    threads: ThreadPoolExecutor, queued: threading.Semaphore
) -> None:
    lock = OrderedLock()
    assert lock.acquire(SECONDS)
    waiting = threads.submit(lock.acquire, SECONDS)
    assert queued.acquire(timeout=SECONDS)
    lock.release()
    assert not lock.acquire(0.01)
    assert waiting.result(SECONDS)


def test_acquire__in_vain__leaves_the_queue() -> None:
    lock = OrderedLock()
    assert [lock.acquire(0.01), lock.acquire(0.01), lock.acquire(0.01)] == [True, False, False]
    lock.release()
    assert [lock.acquire(0.01), lock.acquire(0.01)] == [True, False]

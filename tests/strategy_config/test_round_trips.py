"""Threads that ask Redis together: each gets its own answer, none gets one from before it asked."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from embedded.servers import Valkey
from strategy_config.exceptions import RedisUnavailableError
from strategy_config.redis import batching, redis_client
from strategy_config.redis.redis_client import KeptConnection

ASKERS = 20
Answer = tuple[list[Any], Any]


class Road:
    """Lets trips return to their askers only while it is ``open``; ``sizes`` are the replies of each so far."""

    def __init__(self, drive: Callable[..., list[Any]]) -> None:
        self._drive = drive
        self.sizes: list[int] = []
        self.is_answered = threading.Event()
        self.open = threading.Event()

    def exchange(self, connection: KeptConnection, client: Any, packed: bytes, replies: int) -> list[Any]:
        self.sizes.append(replies)
        answered = self._drive(connection, client, packed, replies)
        self.is_answered.set()
        assert self.open.wait(20)
        return answered


@pytest.fixture
def client(valkey: Valkey, redis_prefix: str, settings: Settings) -> Iterator[redis.Redis]:
    settings.REDIS_URL = valkey.url
    settings.REDIS_KEY_PREFIX = redis_prefix
    with redis.Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def road(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Road:
    road = Road(KeptConnection.exchange)
    monkeypatch.setattr(KeptConnection, "exchange", lambda *asked: road.exchange(*asked))
    return road


def test_kept_connection__that_the_server_has_closed__is_made_anew(client: redis.Redis) -> None:
    kept = KeptConnection()
    ask = [get("x"), get("y")]
    client.set("x", "1")
    assert kept.exchange(client, b"".join(ask), 2)[0] == b"1"
    assert client.client_kill_filter(skipme=True) >= 1
    assert kept.exchange(client, b"".join(ask), 2)[0] == b"1"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(ASKERS + 1) as pool:
        yield pool


def get(key: str) -> bytes:
    return redis_client.pack("GET", key)


def under_way(road: Road, threads: ThreadPoolExecutor, key: str) -> Future[Answer]:
    """A trip that Redis has answered and that is not back yet."""
    first = threads.submit(batching.ask, get(key), 1)
    assert road.is_answered.wait(20)
    return first


def waiting(threads: ThreadPoolExecutor, asked: list[tuple[bytes, bytes | None]]) -> list[Future[Answer]]:
    """Askers who are about to wait for the trip that is under way."""
    at_the_start = threading.Barrier(len(asked) + 1)

    def ask(reads: bytes, command: bytes | None) -> Answer:
        at_the_start.wait(20)
        return batching.ask(reads, 1, command)

    futures = [threads.submit(ask, reads, command) for reads, command in asked]
    at_the_start.wait(20)
    return futures


def test_ask__while_a_trip_is_under_way__goes_with_the_next_and_sees_what_was_written_meanwhile(
    client: redis.Redis, road: Road, threads: ThreadPoolExecutor, redis_prefix: str
) -> None:
    key = f"{redis_prefix}:key"
    client.set(key, "before")
    first = under_way(road, threads, key)
    client.set(key, "after")
    (second,) = waiting(threads, [(get(key), None)])
    road.open.set()
    assert (first.result(20), second.result(20)) == (([b"before"], None), ([b"after"], None))


def test_ask__many_at_once__share_a_trip_and_every_command_runs_once(
    client: redis.Redis,
    road: Road,
    threads: ThreadPoolExecutor,
    redis_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = [f"{redis_prefix}:key:{number}" for number in range(ASKERS)]
    client.mset({key: key for key in keys})
    count = redis_client.pack("INCR", f"{redis_prefix}:count")
    under_way(road, threads, keys[0])
    queued = threading.Semaphore(0)
    add = batching.Trip.add
    monkeypatch.setattr(batching.Trip, "add", lambda *asked: (add(*asked), queued.release())[0])
    futures = waiting(threads, [(get(key), count) for key in keys])
    assert all(queued.acquire(timeout=20) for _ in range(2 * ASKERS))
    road.open.set()
    answers = [future.result(20) for future in futures]
    assert [reads for reads, _ in answers] == [[key.encode()] for key in keys]
    assert sorted(counted for _, counted in answers) == list(range(1, ASKERS + 1))
    assert road.sizes == [1, 2 * ASKERS]


def test_trip__the_same_asked_twice__asks_redis_once() -> None:
    trip = batching.Trip()
    places = [trip.add_reads(reads, 1) for reads in (get("a"), get("b"), get("a"))]
    assert (places, trip.packed, trip.size) == ([0, 1, 0], [get("a"), get("b")], 2)


def test_ask__redis_refuses_one__the_others_get_their_answers(client: redis.Redis, redis_prefix: str) -> None:
    key = f"{redis_prefix}:list"
    client.rpush(key, "item")
    with pytest.raises(RedisUnavailableError, match="WRONGTYPE"):
        batching.ask(get(key), 1)
    reads, refused = batching.ask(get(f"{redis_prefix}:nothing"), 1, redis_client.pack("INCR", key))
    assert (reads, type(refused)) == ([None], redis.ResponseError)


def test_ask__redis_away_and_back__everybody_is_told_and_the_next_trip_gets_through(
    fresh_valkey: Valkey, settings: Settings, monkeypatch: pytest.MonkeyPatch, threads: ThreadPoolExecutor
) -> None:
    settings.REDIS_URL = fresh_valkey.url
    monkeypatch.setattr(redis_client, "REST_SECONDS", 0.0)
    assert batching.ask(get("key"), 1) == ([None], None)
    fresh_valkey.stop()
    for future in waiting(threads, [(get("key"), None)] * ASKERS):
        assert isinstance(future.exception(20), RedisUnavailableError)
    fresh_valkey.start()
    assert batching.ask(get("key"), 1) == ([None], None)


def test_ask__a_fault_of_ours_on_the_way__reaches_one_and_keeps_nobody_waiting(
    client: redis.Redis, road: Road, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, redis_prefix: str
) -> None:
    under_way(road, threads, f"{redis_prefix}:key")
    asked = [(get(f"{redis_prefix}:key"), None)] * ASKERS
    monkeypatch.setattr(KeptConnection, "exchange", lambda *_: {}["a fault"])
    futures = waiting(threads, asked)
    road.open.set()
    found = {type(future.exception(20)) for future in futures}
    assert found <= {KeyError, RedisUnavailableError}
    assert KeyError in found

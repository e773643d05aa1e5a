"""Slow and aborted connections to the small listeners: of a runtime, of a feed, of the worker."""

import asyncio
import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from embedded.servers import HOST, free_port
from service_kit import http_server
from service_kit.http_server import HttpServer
from tests.faults.conftest import Installation
from tests.faults.hostile import FIGURES, Crowd, slow_clients, under_attack
from tests.faults.processes import Worker
from tests.faults.test_hostile_http import ANSWERS_WITHIN_SECONDS, COUNT
from tests.plain_http import NO_ROOTS
from tests.waiting import until


def get(port: int, path: str) -> httpx.Response:
    return httpx.get(f"http://{HOST}:{port}{path}", timeout=60, verify=NO_ROOTS)


def answers(port: int) -> bool:
    try:
        return get(port, "/metrics").status_code == 200
    except httpx.TransportError:
        return False


class Listener(NamedTuple):
    """A small listener, by the process that has it."""

    name: str
    port: int


@pytest.fixture(params=["runtime", "worker", "feed"], scope="module")
def listener(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    """Each of them: that of a feed has its class in common with the others, and no more."""
    name: str = request.param
    if name == "feed":
        server = HttpServer(0, {})
        server.start_in_thread()
        yield Listener(name, server.port)
        return
    installation: Installation = request.getfixturevalue("installation")
    if name == "runtime":
        yield Listener(name, installation.runtime.port)
        return
    port = free_port()
    with Worker(installation.site, tmp_path_factory.mktemp("worker"), WORKER_METRICS_PORT=str(port)):
        until(lambda: answers(port))
        yield Listener(name, port)


@pytest.fixture
def port(listener: Listener) -> int:
    """Its port."""
    return listener.port


def all_answer(listener: Listener) -> None:
    """The probes, and the kill switch where there is one, three times; notes how long each took."""
    for method, path in (("GET", "/healthz"), ("GET", "/metrics"), ("POST", "/halt")) * 3:
        started = time.monotonic()
        answer = httpx.request(method, f"http://{HOST}:{listener.port}{path}", timeout=60, verify=NO_ROOTS)
        seconds = time.monotonic() - started
        FIGURES.note(listener.name, f"{method} {path}", seconds)
        assert answer.status_code in {200, 401, 404, 405}
        assert seconds < ANSWERS_WITHIN_SECONDS


@pytest.mark.parametrize("kind", [*slow_clients("", ""), "all"])
def test_listener__crowd__answers_the_others(listener: Listener, kind: str) -> None:
    """The kill switch is one without the secret here: it is read, judged and answered all the same."""
    kinds = slow_clients("/metrics", "/halt")
    clients = list(kinds.values()) if kind == "all" else [kinds[kind]]
    under_attack(listener.port, clients, COUNT, lambda: all_answer(listener))


def test_listener__more_connections_than_it_keeps__answers_the_newest(port: int) -> None:
    silent = slow_clients("/metrics", "/halt")["silent"]
    with Crowd(port, [silent], http_server.MAX_CONNECTIONS + 100):
        assert get(port, "/healthz").status_code == 200


def test_listener__slow_connections__end_in_time(port: int) -> None:
    clients = slow_clients("/metrics", "/halt")
    slow = [clients[kind] for kind in ("silent", "head", "body of a GET")]
    with Crowd(port, slow, len(slow)) as crowd:
        until(lambda: crowd.are_all_closed)


def test_listener__answered__closes_the_connection(port: int) -> None:
    """So that a deadline of a connection is one of its request."""
    assert get(port, "/healthz").headers["connection"] == "close"


async def test_listener__what_is_no_http__is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Each would be kilobytes in the log of a runtime."""
    server = HttpServer(0, {})
    await server.start()
    reader, writer = await asyncio.open_connection(HOST, server.port)
    writer.write(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n")
    assert b" 400 " in (await reader.read())[:20]
    writer.close()
    await server.stop()
    assert caplog.records == []

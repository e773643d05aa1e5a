"""Anonymous clients that are slow, or that go away in the middle: everybody else is answered all the same."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from embedded.servers import HOST
from tests.faults.hostile import FIGURES, Client, abort, slow_clients, under_attack, uploads_over_http_2
from tests.live_site import LOGIN, LiveSite
from tests.plain_http import NO_ROOTS

COUNT = 200
# On a machine that does other things as well; alone it is a hundredth of it.
ANSWERS_WITHIN_SECONDS = 10.0
LAYER = "/api/v1/strategies/orderbook_skew/config"
DISABLE = "/api/v1/strategies/orderbook_skew/disable"
LARGE = "/api/schema/"
POSTS = (LOGIN, DISABLE, LAYER)


def logs_in(site: LiveSite) -> httpx.Response:
    """A login as a browser does it, on connections of its own."""
    with httpx.Client(base_url=site.url, headers={"Referer": site.url}, timeout=60, verify=NO_ROOTS) as client:
        client.get(LOGIN)
        fields = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        return client.post(LOGIN, data=fields)


def asks(site: LiveSite, method: str, path: str, **options: Any) -> httpx.Response:
    """As admin, on a connection of its own."""
    headers = {"Authorization": f"Bearer {site.token}"}
    return httpx.request(method, site.url + path, headers=headers, timeout=60, verify=NO_ROOTS, **options)


def all_answer(site: LiveSite) -> None:
    """Probes, a login, a read and the kill switch, three times; notes how long each took."""
    stop = {"changed_by": "faults", "reason": "under attack"}
    questions: list[tuple[Callable[[], httpx.Response], int]] = [
        (partial(asks, site, "GET", "/healthz"), 200),
        (partial(asks, site, "GET", "/ready"), 200),
        (partial(asks, site, "GET", "/metrics"), 200),
        (partial(logs_in, site), 302),
        (partial(asks, site, "GET", LAYER), 200),
        (partial(asks, site, "POST", DISABLE, json=stop), 200),
    ]
    for ask, status in questions * 3:
        started = time.monotonic()
        answer = ask()
        seconds = time.monotonic() - started
        FIGURES.note("site", f"{answer.request.method} {answer.request.url.path}", seconds)
        assert answer.status_code == status, answer.text[:500]
        assert seconds < ANSWERS_WITHIN_SECONDS, answer.request.url


@pytest.fixture(scope="module")
def site(prepared_site: LiveSite, tmp_path_factory: pytest.TempPathFactory, valkey: Any) -> Iterator[LiveSite]:
    prepared = (prepared_site.store, prepared_site.tokens)
    directory = tmp_path_factory.mktemp("hostile")
    site = LiveSite(directory, redis_url=valkey.url, prefix="hostile", workers=2, prepared=prepared).start()
    yield site
    site.stop()


@pytest.mark.parametrize("kind", slow_clients(LARGE, LOGIN))
def test_web__crowd_of_one_kind__answers_the_others(site: LiveSite, kind: str) -> None:
    clients = [slow_clients(LARGE, path)[kind] for path in POSTS]
    under_attack(site.port, clients, COUNT, lambda: all_answer(site))


def test_web__crowd_of_all_kinds__answers_the_others(site: LiveSite) -> None:
    clients = [client for path in POSTS for client in slow_clients(LARGE, path).values()]
    under_attack(site.port, clients, COUNT, lambda: all_answer(site))


def test_web__aborted_uploads_over_http_2__still_answers(site: LiveSite) -> None:
    """Each of them used to keep a thread and a part of a core for ever."""
    for _ in range(14):
        abort(site.port, Client(uploads_over_http_2(LOGIN)))
    all_answer(site)


def test_web__anonymous_checks_that_wait_for_a_silent_service__answers_the_others(
    live_site: Callable[..., LiveSite],
) -> None:
    """More of them than there are threads for ordinary requests, for as long as the others ask."""
    with socket.create_server((HOST, 0), backlog=1_024) as silent:
        services = f"silent=http://{HOST}:{silent.getsockname()[1]}"
        site = live_site(workers=1, environment={"API_ANONYMOUS": "read", "CONFLICT_CHECK_URLS": services})
        is_over = threading.Event()

        def check(number: int) -> None:
            while not is_over.is_set():
                content = {"strategy_id": "orderbook_skew", "symbol": f"S{number:04d}USDT", "parameters": {}}
                httpx.post(f"{site.url}/api/v1/config/validate", json=content, timeout=60, verify=NO_ROOTS)

        with ThreadPoolExecutor(64) as callers:
            checks = [callers.submit(check, number) for number in range(64)]
            try:
                all_answer(site)
            finally:
                is_over.set()
        assert [check.exception() for check in checks] == [None] * 64

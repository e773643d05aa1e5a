"""What the web does with bodies that come late, in part or not at all, and with workers that die."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import drf_spectacular_sidecar
import httpx
import psutil
import pytest

from embedded.servers import HOST
from tests.faults.hostile import Client, Crowd, request
from tests.live_site import LOGIN, LiveSite
from tests.plain_http import NO_ROOTS
from tests.waiting import PATIENCE_SECONDS, until

LAYER = "/api/v1/strategies/orderbook_skew/config"
CHANGE = b'{"parameters": {"top_levels": 7}, "changed_by": "faults"}'


@pytest.fixture
def site(live_site: Callable[..., LiveSite]) -> LiveSite:
    return live_site(workers=1)


def exchange(site: LiveSite, sent: bytes, *, is_cut: bool = False) -> bytes:
    """All that comes back until the server closes; with ``is_cut`` the sender ends its side first."""
    with socket.create_connection((HOST, site.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(sent)
        if is_cut:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def post(site: LiveSite, headers: dict[str, str], body: bytes, *, token: str | None) -> bytes:
    """The bytes of a change of the API."""
    own = {"Content-Type": "application/json", "Connection": "close", **headers}
    return request("POST", LAYER, own | ({"Authorization": f"Bearer {token}"} if token else {})) + body


def top_levels(site: LiveSite) -> int:
    return int(site.get(LAYER).json()["data"]["parameters"]["top_levels"])


def test_body__of_nobody__is_not_waited_for(site: LiveSite) -> None:
    for headers in ({"Content-Length": "60000"}, {"Transfer-Encoding": "chunked"}):
        with socket.create_connection((HOST, site.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(post(site, headers, b"", token=None))
            assert connection.recv(65_536).startswith(b"HTTP/1.1 401 ")


def test_body__too_late__is_refused_and_changes_nothing(site: LiveSite) -> None:
    before = top_levels(site)
    kinds = ({"Content-Length": str(len(CHANGE) + 1)}, {"Transfer-Encoding": "chunked"})
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda headers: exchange(site, post(site, headers, b"", token=site.token)), kinds))
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"INVALID_REQUEST"' in answer
    assert top_levels(site) == before
    assert 'http_requests_total{method="POST",route="unmatched",status="408"} 2.0' in site.get("/metrics").text


def test_body__cut_off__changes_nothing(site: LiveSite) -> None:
    """What came is a whole change; what was announced is not."""
    before = top_levels(site)
    chunk = b"%x\r\n%s\r\n" % (len(CHANGE), CHANGE)
    for headers, body in (
        ({"Content-Length": str(len(CHANGE) + 1)}, CHANGE),
        ({"Transfer-Encoding": "chunked"}, chunk),
    ):
        exchange(site, post(site, headers, body, token=site.token), is_cut=True)
    assert top_levels(site) == before
    answer = exchange(site, post(site, {"Transfer-Encoding": "chunked"}, chunk + b"0\r\n\r\n", token=site.token))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert top_levels(site) == 7


def test_body__in_a_flood_of_pieces__is_refused(site: LiveSite) -> None:
    with socket.create_connection((HOST, site.port), timeout=PATIENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(post(site, {"Transfer-Encoding": "chunked"}, b"", token=site.token))
        for _ in range(3_000):
            try:
                connection.sendall(b"1\r\n \r\n")
            except OSError:
                break
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_large_body__without_a_login__is_not_read(site: LiveSite) -> None:
    head = request("POST", LOGIN, {"Content-Type": "text/plain", "Content-Length": "500000", "Connection": "close"})
    with socket.create_connection((HOST, site.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(head)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_large_body__of_somebody_logged_in__is_read(site: LiveSite) -> None:
    client = site.log_in("admin")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/admin/transfer/").text)
    assert token
    file = {"file": ("large.yaml", b"# " + b"x" * 200_000 + b"\nnot: a configuration\n")}
    answer = client.post("/admin/transfer/plan/", data={"csrfmiddlewaretoken": token[1]}, files=file)
    assert answer.status_code == 422, "the file was read, and found wanting"


def test_header__with_underscores__is_not_the_one_with_hyphens(live_site: Callable[..., LiveSite]) -> None:
    """An address of one's own choosing, each time, would never be locked out."""
    limits = {"TRUSTED_PROXIES": "1", "LOGIN_FAILURES_PER_ADDRESS": "3", "LOGIN_FAILURES_PER_USER": "100"}
    site = live_site(workers=1, environment=limits)
    with httpx.Client(base_url=site.url, headers={"Referer": site.url}, timeout=60, verify=NO_ROOTS) as client:
        client.get(LOGIN)
        token = client.cookies["csrftoken"]
        statuses = []
        for number in range(6):
            fields = {"username": f"user{number}", "password": "x", "csrfmiddlewaretoken": token}
            forged = {"X-Forwarded-For": "192.0.2.1", "X_Forwarded_For": f"192.0.2.{number + 10}"}
            statuses.append(client.post(LOGIN, data=fields, headers=forged).status_code)
    assert statuses == [200] * 3 + [429] * 3


def answers(site: LiveSite) -> bool:
    """Whether a new connection is answered: one that the dying worker had accepted is not."""
    try:
        return httpx.get(f"{site.url}/healthz", timeout=60, verify=NO_ROOTS).status_code == 200
    except httpx.TransportError:
        return False


def test_worker__killed__is_started_again_while_the_other_answers(live_site: Callable[..., LiveSite]) -> None:
    site = live_site(workers=2)
    workers = psutil.Process(site.pid).children()
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    until(lambda: "Unexpected exit from worker-1" in site.log_path.read_text())
    until(lambda: answers(site))
    until(lambda: site.log_path.read_text().count("Started worker-1") == 2)
    assert site.log_path.read_text().count("Unexpected exit from worker-1") == 1
    assert workers[1].is_running()
    until(lambda: answers(site))


def test_web__told_to_end_with_slow_bodies_open__ends_without_being_killed(site: LiveSite) -> None:
    head = request("POST", LOGIN, {"Content-Length": "1000", "Content-Type": "application/x-www-form-urlencoded"})
    with Crowd(site.port, [Client(head, b"a")], 50):
        time.sleep(0.5)  # Not a wait for anything: they may be received or not, it ends all the same.
        process = psutil.Process(site.pid)
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) in {0, None}
    assert "Killing" not in site.log_path.read_text()


def test_static_file__whole_and_in_part__is_the_one_on_disk(live_site: Callable[..., LiveSite]) -> None:
    """Sent by its name, not through a thread."""
    site = live_site(workers=1, environment={"DEBUG": "true"})
    static = Path(drf_spectacular_sidecar.__file__).parent / "static"
    name = "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    content, path = (static / name).read_bytes(), f"/static/{name}"
    plain = {"Accept-Encoding": "identity"}
    whole = site.get(path, token=None, headers=plain)
    assert whole.content == content
    part = site.get(path, token=None, headers={**plain, "Range": "bytes=1000-200999"})
    assert (part.status_code, part.content) == (206, content[1_000:201_000])
    head = site.request("HEAD", path, token=None, headers=plain)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(content)))


def test_export__streamed__comes_whole(site: LiveSite) -> None:
    client = site.log_in("admin")
    for number in range(5):
        site.post(LAYER, {"parameters": {"top_levels": 5 + number}, "changed_by": f"writer {number}"})
    lines = client.get("/admin/history/export.csv").text.splitlines()
    assert len([line for line in lines if "writer " in line]) == 5

"""Other services are asked for conflicts, in parallel, and none of them can hold the answer up."""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from strategy_config.api.resources.checks import conflicts, peer_answers, under_way
from tests.live_site import PROJECT_ROOT
from tests.strategy_config.conftest import cache as cache

CHANGE: dict[str, Any] = {"strategy_id": "orderbook_skew", "symbol": "BTCUSDT", "parameters": {"top_levels": 10}}
OBJECTION = {"conflict_type": "LIMIT", "description": "too many orders", "resolution": "lower it"}
ANSWERS: dict[str, tuple[int, bytes]] = {
    "/content": (200, json.dumps({"success": True, "data": {"errors": [], "conflicts": []}}).encode()),
    "/objects": (
        200,
        json.dumps(
            {
                "success": True,
                "data": {
                    "errors": [
                        {"field": "top_levels", "code": "OUT_OF_RANGE", "message": "max 5", "suggested_value": 5}
                    ],
                    "conflicts": [{**OBJECTION, "service": "claims another name"}],
                },
            }
        ).encode(),
    ),
    "/fails": (500, b"{}"),
    "/redirects": (302, b""),
    "/nonsense": (200, b"<html>"),
    "/other": (200, b'{"data": {"conflicts": "many"}}'),
    "/huge": (200, b'{"data": {"x": "' + b"x" * 400_000 + b'"}}'),
}


class _Peer(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, Any]]] = []
    hops: ClassVar[list[str | None]] = []
    silence: ClassVar[threading.Event] = threading.Event()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prefix, _, path = self.path.partition("/api/v1")
        self.asked.append((path, body))
        self.hops.append(self.headers[conflicts.HOP_HEADER])
        if prefix == "/silent":
            self.silence.wait(20)
        if prefix == "/drips-headers":
            self.drip(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            return
        if prefix == "/drips-body":
            self.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
            return
        if prefix == "/asks-back":
            own = {name: body[name] for name in CHANGE}
            own["symbol"] = own["symbol"].lower()
            find(**own)
        status, answer = ANSWERS.get(prefix, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def drip(self, beginning: bytes) -> None:
        """A byte at a time, until whoever asked has had enough."""
        with contextlib.suppress(OSError):
            self.wfile.write(beginning)
            while not self.silence.wait(0.1):
                self.wfile.write(b" ")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test's output is not its place."""


def find(hop: str | None = None, **change: Any) -> tuple[list[conflicts.Objection], list[str]]:
    """What is found of a change, CHANGE where none is given."""
    found = conflicts.find_conflicts(**(change or CHANGE), hop=hop)
    return found.conflicts, found.warnings


@pytest.fixture(autouse=True)
def _nothing_under_way() -> Iterator[None]:
    yield
    under_way._here.clear()


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    """A service with an answer for each path."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Peer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    _Peer.silence.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_find_conflicts__objections__come_with_the_services_name(peer: str, settings: Any) -> None:
    settings.CONFLICT_CHECK_URLS = {"tradeengine": f"{peer}/objects", "ta-bot": f"{peer}/content/"}
    found, warnings = find()
    assert [(conflict.service, conflict.conflict_type) for conflict in found] == [
        ("tradeengine", "OUT_OF_RANGE"),
        ("tradeengine", "LIMIT"),
    ]
    assert found[0].resolution == "Set top_levels to 5."
    assert warnings == []
    assert _Peer.asked[-1] == ("/config/validate", {**CHANGE, "config_type": "strategy"})


@pytest.mark.parametrize(
    "path", ["/fails", "/redirects", "/nonsense", "/other", "/huge", "/silent", "/drips-headers", "/drips-body"]
)
def test_find_conflicts__no_sensible_answer__is_a_warning(peer: str, settings: Any, path: str) -> None:
    settings.CONFLICT_CHECK_URLS = {"broken": f"{peer}{path}", "tradeengine": f"{peer}/objects"}
    found, warnings = find()
    assert {conflict.service for conflict in found} == {"tradeengine"}
    assert len(warnings) == 1
    assert warnings[0].startswith("broken could not be asked")


def test_find_conflicts__nobody_listens__is_a_warning(settings: Any) -> None:
    settings.CONFLICT_CHECK_URLS = {"gone": "http://127.0.0.1:1"}
    assert find() == ([], ["gone could not be asked for conflicts: it is unreachable."])


def test_find_conflicts__no_services__asks_nobody(settings: Any) -> None:
    settings.CONFLICT_CHECK_URLS = {}
    assert find() == ([], [])


def test_find_conflicts__service_that_drips__does_not_keep_the_others_from_their_say(peer: str, settings: Any) -> None:
    settings.CONFLICT_CHECK_URLS = {"dripping": f"{peer}/drips-headers", "fine": f"{peer}/objects"}
    said: list[int] = []

    def check(number: int) -> None:
        said.append(len(find(**{**CHANGE, "parameters": {"x": number}})[0]))

    checks = [threading.Thread(target=check, args=(number,)) for number in range(12)]
    for each in checks:
        each.start()
    for each in checks:
        each.join()
    assert said == [2] * 12
    taken = [conflicts._free.acquire(timeout=10) for _ in range(conflicts.MOST_REQUESTS)]
    for _ in filter(None, taken):
        conflicts._free.release()
    assert all(taken), "requests that were given up still hold their places"


_CHECK_AND_END = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "configsite.settings.test"
django.setup()
from django.conf import settings
from strategy_config.api.resources.checks import conflicts
settings.CONFLICT_CHECK_URLS = {"dripping": sys.argv[1]}
found = conflicts.find_conflicts(strategy_id="x", symbol=None, parameters={}, hop=None)
print(found.services[0].status)
"""


@pytest.mark.parametrize("path", ["/drips-headers", "/drips-body", "/silent"])
def test_find_conflicts__service_that_never_ends__does_not_keep_the_process_from_ending(peer: str, path: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHECK_AND_END, f"{peer}{path}"],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=PROJECT_ROOT,
        check=True,
    )
    assert done.stdout.strip() == "no_answer"


@pytest.mark.parametrize("has_redis", [True, False])
def test_find_conflicts__service_that_asks_back__is_asked_once(
    peer: str, settings: Any, request: pytest.FixtureRequest, has_redis: bool
) -> None:
    if has_redis:
        request.getfixturevalue("cache")
    settings.CONFLICT_CHECK_URLS = {"ta-bot": f"{peer}/asks-back"}
    before = len(_Peer.asked)
    find()
    assert len(_Peer.asked) == before + 1
    assert _Peer.hops[-1] == "1"


def test_find_conflicts__under_way_in_another_process__is_not_asked_again(peer: str, settings: Any, cache: Any) -> None:
    settings.CONFLICT_CHECK_URLS = {"tradeengine": f"{peer}/silent"}
    find()
    under_way._here.clear()
    before = len(_Peer.asked)
    settings.CONFLICT_CHECK_URLS = {"tradeengine": f"{peer}/silent", "fine": f"{peer}/objects"}
    found, warnings = find()
    assert conflicts.UNDER_WAY in warnings[0]
    assert ({conflict.service for conflict in found}, len(_Peer.asked)) == ({"fine"}, before + 1)


def test_find_conflicts__all_have_answered__may_be_asked_again_at_once(peer: str, settings: Any, cache: Any) -> None:
    settings.CONFLICT_CHECK_URLS = {"tradeengine": f"{peer}/objects"}
    assert len(find()[0]) == len(find()[0]) == 2


def test_find_conflicts__part_of_another_check__asks_nobody(peer: str, settings: Any) -> None:
    settings.CONFLICT_CHECK_URLS = {"tradeengine": f"{peer}/objects"}
    before = len(_Peer.asked)
    found, warnings = find(hop="1")
    assert (found, len(warnings), len(_Peer.asked)) == ([], 1, before)


UNKNOWN = {"field": "top_levels", "message": "Unknown parameter: top_levels", "code": "UNKNOWN_PARAMETER"}
RANGE = {"field": "leverage", "message": "leverage must be <= 20", "code": "OUT_OF_RANGE", "suggested_value": 20}
NO_STRATEGY = {"field": "unknown", "message": "Unknown strategy 'x'", "code": "VALIDATION_ERROR"}
FROM_US = {"service": "realtime-strategies", "conflict_type": "VALIDATION_CONFLICT", "description": "x"}
REFUSED = {"code": "VALIDATION_ERROR", "message": "no"}
SHAPES: dict[str, tuple[int, dict[str, Any], list[str]]] = {
    "tradeengine: knows no parameter of ours": (200, {"data": {"validation_passed": False, "errors": [UNKNOWN]}}, []),
    "tradeengine: its own range": (200, {"data": {"errors": [UNKNOWN, RANGE], "warnings": []}}, ["OUT_OF_RANGE"]),
    "ta-bot: no data": (200, {"success": False, "error": REFUSED}, ["VALIDATION_ERROR"]),
    "ta-bot: knows no such strategy": (200, {"data": {"errors": [NO_STRATEGY]}}, []),
    "ta-bot: what we told it ourselves": (200, {"data": {"errors": [], "conflicts": [FROM_US]}}, []),
    "data manager": (200, {"data": {"validation_passed": True, "errors": [], "conflicts": []}}, []),
    "ours: no such strategy": (404, {"success": False, "error": {"code": "NOT_FOUND", "message": "no x"}}, []),
    "errors as texts": (200, {"data": {"errors": ["too much", "Unknown parameter: y"]}}, ["VALIDATION_ERROR"]),
    "details": (400, {"success": False, "error": {"message": "m", "details": {"errors": [RANGE]}}}, ["OUT_OF_RANGE"]),
}


@pytest.mark.parametrize("case", SHAPES)
def test_objections__shapes_of_the_neighbours__are_understood(case: str) -> None:
    status, answer, kinds = SHAPES[case]
    whole = {"success": True, "data": None, "error": None, "metadata": None, **answer}
    found = peer_answers.objections("peer", status, json.dumps(whole).encode())
    assert [conflict.conflict_type for conflict in found] == kinds


@pytest.mark.parametrize(
    ("status", "answer"),
    [(422, {"detail": [{"loc": ["body", "config_type"]}]}), (404, {"detail": "Not Found"}), (503, {}), (200, {})],
)
def test_objections__answer_without_a_say__is_none(status: int, answer: dict[str, Any]) -> None:
    with pytest.raises(peer_answers.NotUnderstoodError):
        peer_answers.objections("peer", status, json.dumps(answer).encode())

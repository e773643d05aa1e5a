"""Other services are asked for conflicts, in parallel, and none of them can hold the answer up."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from strategy_config.api import conflicts

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
    silence: ClassVar[threading.Event] = threading.Event()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prefix, _, path = self.path.partition("/api/v1")
        self.asked.append((path, body))
        if prefix == "/silent":
            self.silence.wait(20)
        status, answer = ANSWERS.get(prefix, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test's output is not its place."""


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
    found, warnings = conflicts.find_conflicts(**CHANGE)
    assert [(conflict.service, conflict.conflict_type) for conflict in found] == [
        ("tradeengine", "OUT_OF_RANGE"),
        ("tradeengine", "LIMIT"),
    ]
    assert found[0].resolution == "Set top_levels to 5."
    assert warnings == []
    assert _Peer.asked[-1] == ("/config/validate", CHANGE)


@pytest.mark.parametrize("path", ["/fails", "/redirects", "/nonsense", "/other", "/huge", "/silent"])
def test_find_conflicts__no_sensible_answer__is_a_warning(peer: str, settings: Any, path: str) -> None:
    settings.CONFLICT_CHECK_URLS = {"broken": f"{peer}{path}", "tradeengine": f"{peer}/objects"}
    found, warnings = conflicts.find_conflicts(**CHANGE)
    assert {conflict.service for conflict in found} == {"tradeengine"}
    assert len(warnings) == 1
    assert warnings[0].startswith("broken could not be asked")


def test_find_conflicts__nobody_listens__is_a_warning(settings: Any) -> None:
    settings.CONFLICT_CHECK_URLS = {"gone": "http://127.0.0.1:1"}
    assert conflicts.find_conflicts(**CHANGE) == ([], ["gone could not be asked for conflicts: it cannot be reached."])


def test_find_conflicts__no_services__asks_nobody(settings: Any) -> None:
    settings.CONFLICT_CHECK_URLS = {}
    assert conflicts.find_conflicts(**CHANGE) == ([], [])

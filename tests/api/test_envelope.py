"""Every answer under /api/v1 is in the envelope and carries the request's id, whoever made it."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from embedded.servers import HOST
from strategy_config.api.common import answer_models
from tests.live_site import LiveSite

STRATEGY = "/api/v1/strategies/orderbook_skew"
CONFIG = f"{STRATEGY}/config"
WHO = {"changed_by": "jane", "reason": "a test"}
GOOD = {"parameters": {"top_levels": 10}, "changed_by": "jane"}

FAILURES: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "no such route": ("GET", "/api/v1/nothing", {}, 404, "NOT_FOUND"),
    "the root of the API": ("GET", "/api/v1", {}, 404, "NOT_FOUND"),
    "trailing slash": ("GET", "/api/v1/strategies/", {}, 404, "NOT_FOUND"),
    "unknown strategy": ("GET", "/api/v1/strategies/unknown/config", {}, 404, "NOT_FOUND"),
    "nothing to delete": ("DELETE", f"{CONFIG}/NEVERSET?changed_by=jane", {}, 404, "NOT_FOUND"),
    "symbol too short": ("GET", f"{CONFIG}/BTC", {}, 400, "INVALID_SYMBOL"),
    "symbol with a hyphen": ("GET", f"{CONFIG}/BTC-USDT", {}, 400, "INVALID_SYMBOL"),
    "symbol of foreign digits": ("GET", f"{CONFIG}/BTC%D9%A1%D9%A2", {}, 400, "INVALID_SYMBOL"),
    "symbol with a NUL": ("GET", f"{CONFIG}/BTC%00USDT", {}, 400, "INVALID_SYMBOL"),
    "symbol in a query": ("GET", f"{STRATEGY}/audit?symbol=BTC", {}, 400, "INVALID_SYMBOL"),
    "empty symbol in a query": ("GET", f"{STRATEGY}/audit?symbol=", {}, 400, "INVALID_SYMBOL"),
    "symbol of a signal": ("GET", "/api/v1/signals?symbol=BTC-USDT", {}, 400, "INVALID_SYMBOL"),
    "symbol to roll back": ("POST", f"{STRATEGY}/rollback?symbol=BTC", {"json": WHO}, 400, "INVALID_SYMBOL"),
    "symbol in a body": (
        "POST",
        "/api/v1/config/validate",
        {"json": {"strategy_id": "orderbook_skew", "symbol": "BTC", "parameters": {}}},
        400,
        "INVALID_SYMBOL",
    ),
    "misspelt symbol of a switch": (
        "POST",
        f"{STRATEGY}/disable?simbol=BTCUSDT",
        {"json": WHO},
        400,
        "INVALID_REQUEST",
    ),
    "another site's host": ("GET", CONFIG, {"headers": {"Host": "evil.example"}}, 400, "INVALID_REQUEST"),
    "method": ("PUT", "/api/v1/strategies", {"json": GOOD}, 405, "METHOD_NOT_ALLOWED"),
    "unknown method": ("BREW", CONFIG, {}, 405, "METHOD_NOT_ALLOWED"),
    "form": ("GET", CONFIG, {"headers": {"Accept": "text/html"}}, 406, "NOT_ACCEPTABLE"),
    "media type": ("POST", CONFIG, {"data": {"a": "b"}}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    "no credentials": ("GET", CONFIG, {"token": None}, 401, "UNAUTHENTICATED"),
    "bad token": ("GET", CONFIG, {"token": "rts_wrong"}, 401, "UNAUTHENTICATED"),
    "not allowed": ("POST", CONFIG, {"token": "viewer", "json": GOOD}, 403, "FORBIDDEN"),
    "no body": ("POST", CONFIG, {}, 400, "INVALID_REQUEST"),
    "without parameters": ("POST", CONFIG, {"json": {"changed_by": "jane"}}, 400, "INVALID_REQUEST"),
    "empty changed_by": ("POST", CONFIG, {"json": {**GOOD, "changed_by": ""}}, 400, "INVALID_REQUEST"),
    "blank changed_by": ("POST", CONFIG, {"json": {**GOOD, "changed_by": "\u2003 "}}, 400, "INVALID_REQUEST"),
    "long changed_by": ("POST", CONFIG, {"json": {**GOOD, "changed_by": "x" * 101}}, 400, "INVALID_REQUEST"),
    "NUL in changed_by": ("POST", CONFIG, {"json": {**GOOD, "changed_by": "a\0b"}}, 400, "INVALID_REQUEST"),
    "long reason": ("POST", CONFIG, {"json": {**GOOD, "reason": "x" * 1001}}, 400, "INVALID_REQUEST"),
    "NUL in reason": ("POST", CONFIG, {"json": {**GOOD, "reason": "\0"}}, 400, "INVALID_REQUEST"),
    "parameters is a list": ("POST", CONFIG, {"json": {**GOOD, "parameters": []}}, 400, "INVALID_REQUEST"),
    "validate_only is text": ("POST", CONFIG, {"json": {**GOOD, "validate_only": "yes"}}, 400, "INVALID_REQUEST"),
    "expiry of a global layer": (
        "POST",
        CONFIG,
        {"json": {**GOOD, "expires_at": "2100-01-01T00:00:00Z"}},
        400,
        "INVALID_REQUEST",
    ),
    "expiry in the past": (
        "POST",
        f"{CONFIG}/BTCUSDT",
        {"json": {**GOOD, "expires_at": "2000-01-01T00:00:00Z"}},
        400,
        "INVALID_REQUEST",
    ),
    "expiry without an offset": (
        "POST",
        f"{CONFIG}/BTCUSDT",
        {"json": {**GOOD, "expires_at": "2100-01-01T00:00:00"}},
        400,
        "INVALID_REQUEST",
    ),
    "expiry of nothing": (
        "PATCH",
        f"{CONFIG}/NEVERSET",
        {"json": {**GOOD, "parameters": {}, "expires_at": "2100-01-01T00:00:00Z"}},
        400,
        "INVALID_REQUEST",
    ),
    "expiry of nothing, only checked": (
        "PATCH",
        f"{CONFIG}/NEVERSET",
        {"json": {**GOOD, "parameters": {}, "expires_at": "2100-01-01T00:00:00Z", "validate_only": True}},
        400,
        "INVALID_REQUEST",
    ),
    "expiry in a year that UTC does not have": (
        "POST",
        f"{CONFIG}/BTCUSDT",
        {"json": {**GOOD, "expires_at": "9999-12-31T23:59:59-01:00"}},
        400,
        "INVALID_REQUEST",
    ),
    "history since a year that UTC does not have": (
        "GET",
        f"{STRATEGY}/audit?since=0001-01-01T00:00:00%2B01:00",
        {},
        400,
        "INVALID_REQUEST",
    ),
    "expiry as a number": ("POST", f"{CONFIG}/BTCUSDT", {"json": {**GOOD, "expires_at": 4e9}}, 400, "INVALID_REQUEST"),
    "wait too long": ("POST", f"{CONFIG}?wait_for_runtimes=5001", {"json": GOOD}, 400, "INVALID_REQUEST"),
    "parameter given twice": (
        "GET",
        "/api/v1/strategies/orderbook_skew/audit?limit=1&limit=2",
        {},
        400,
        "INVALID_REQUEST",
    ),
    "If-Match does not hold": (
        "POST",
        CONFIG,
        {"json": GOOD, "headers": {"If-Match": '"999"'}},
        412,
        "VERSION_CONFLICT",
    ),
    "too large": (
        "POST",
        CONFIG,
        {"content": b" " * 65_537, "headers": {"Content-Type": "application/json"}},
        413,
        "TOO_LARGE",
    ),
    "ten megabytes": (
        "POST",
        CONFIG,
        {"content": b" " * 10_000_000, "headers": {"Content-Type": "application/json"}},
        413,
        "TOO_LARGE",
    ),
}


def _send(site: LiveSite, method: str, path: str, options: dict[str, Any]) -> Any:
    token = options.get("token", "admin")
    credentials = site.tokens.get(token, token) if token else None
    return site.request(method, path, **{**options, "token": credentials})


@pytest.mark.parametrize(("method", "path", "options", "status", "code"), FAILURES.values(), ids=FAILURES.keys())
def test_failure__of_each_kind__status_code_and_envelope(
    site: LiveSite, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    response = _send(site, method, path, options)
    failure = answer_models.Failure.model_validate_json(response.content)
    assert (response.status_code, failure.error.code) == (status, code)
    assert failure.metadata.request_id == response.headers["X-Request-ID"]
    assert response.headers["Content-Type"] == "application/json"


MALFORMED: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown member": (
        "",
        {"json": {**GOOD, "paramters": {}}},
        "paramters: is unknown (did you mean parameters?).",
    ),
    "unknown query parameter": (
        "?wait=1",
        {"json": GOOD},
        "wait: is unknown; expected one of: wait_for_runtimes, force.",
    ),
    "nothing": ("", {}, "parameters: is required."),
    "list": ("", {"json": {**GOOD, "parameters": []}}, "parameters: must be an object."),
    "blank": ("", {"json": {**GOOD, "changed_by": " "}}, "changed_by: must contain a visible character."),
    "empty": ("", {"json": {**GOOD, "changed_by": ""}}, "changed_by: must not be empty."),
    "number": ("", {"json": {**GOOD, "changed_by": 5}}, "changed_by: must be a string."),
    "long": ("", {"json": {**GOOD, "reason": "x" * 1001}}, "reason: must have at most 1000 characters."),
    "NUL": (
        "",
        {"json": {**GOOD, "reason": "\0"}},
        "reason: must not hold U+0000 (a control character): remove that character.",
    ),
    "yes": ("", {"json": {**GOOD, "validate_only": "yes"}}, "validate_only: must be true or false."),
    "negative": ("?wait_for_runtimes=-1", {"json": GOOD}, "wait_for_runtimes: must be at least 0."),
    "too long": ("?wait_for_runtimes=5001", {"json": GOOD}, "wait_for_runtimes: must be at most 5000."),
    "fraction": ("?wait_for_runtimes=1.5", {"json": GOOD}, "wait_for_runtimes: must be a whole number."),
}


@pytest.mark.parametrize(("query", "options", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_failure__malformed_write__names_member_and_limit(
    site: LiveSite, query: str, options: dict[str, Any], message: str
) -> None:
    response = site.request("POST", f"{CONFIG}{query}", **options)
    assert (response.status_code, response.json()["error"]["message"]) == (400, f"The request is malformed. {message}")


MALFORMED_READS = {
    "audit?cursor=x": "cursor: must be the next_cursor of an earlier answer.",
    "audit?action=create": "action: must be 'CREATE', 'UPDATE', 'DELETE', 'ROLLBACK', 'ENABLE', 'DISABLE' or 'EXPIRE'.",
    "audit?since=2024-02-30T00:00:00Z": (
        "since: must be an RFC 3339 timestamp with an offset, like 2026-01-31T12:00:00Z."
    ),
}


@pytest.mark.parametrize(("query", "message"), MALFORMED_READS.items())
def test_failure__malformed_read__names_member_and_limit(site: LiveSite, query: str, message: str) -> None:
    error = site.get(f"{STRATEGY}/{query}").json()["error"]
    assert error["message"] == f"The request is malformed. {message}"


ADVICE: dict[str, tuple[dict[str, Any], str]] = {
    "no credentials": ({"token": None, "json": GOOD}, "Authorization: Bearer <token>"),
    "no right": ({"token": "viewer", "json": GOOD}, "strategy_config.change_parameters"),
    "another site's host": ({"json": GOOD, "headers": {"Host": "evil.example"}}, "ALLOWED_HOSTS"),
    "no JSON": ({"data": {"a": "b"}}, "Content-Type: application/json"),
    "seen before": ({"json": GOOD, "headers": {"If-Match": '"999"'}}, "read it again"),
}


@pytest.mark.parametrize(("options", "advice"), ADVICE.values(), ids=ADVICE.keys())
def test_failure__of_a_kind__says_what_to_do(site: LiveSite, options: dict[str, Any], advice: str) -> None:
    assert advice in _send(site, "POST", CONFIG, options).json()["error"]["message"]


def test_failure__method__names_the_allowed_ones(site: LiveSite) -> None:
    assert set(site.request("BREW", CONFIG).headers["Allow"].split(", ")) >= {"GET", "POST", "PUT", "PATCH", "DELETE"}


def test_failure__no_credentials__asks_for_a_bearer_token(site: LiveSite) -> None:
    assert site.get(CONFIG, token=None).headers["WWW-Authenticate"].startswith("Bearer ")


def test_body__chunked_over_the_limit__is_refused(site: LiveSite) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 10_000

    response = site.request("POST", CONFIG, content=chunks(), headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "TOO_LARGE")


def test_body__chunked_and_small__is_read(site: LiveSite, config_url: str) -> None:
    body = json.dumps(GOOD).encode()
    response = site.request(
        "POST", config_url, content=iter([body[:10], body[10:]]), headers={"Content-Type": "application/json"}
    )
    assert response.json()["data"]["parameters"]["top_levels"] == 10


@pytest.mark.parametrize("length", ["99999999999", "-1", "abc"])
def test_body__lying_content_length__is_refused_at_once(site: LiveSite, length: str) -> None:
    head = (
        f"POST {CONFIG} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {site.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{}}"
    )
    with socket.create_connection((HOST, site.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).split(b"\r\n")[0].split()[1] in {b"400", b"413"}


@pytest.mark.parametrize("path", [CONFIG, "/api/v1/strategies", "/api/v1/nothing"])
@pytest.mark.parametrize("claimed", ["abc-DEF_1.2", "x" * 128])
def test_request_id__usable__is_taken(site: LiveSite, path: str, claimed: str) -> None:
    response = site.get(path, headers={"X-Request-ID": claimed})
    assert response.headers["X-Request-ID"] == response.json()["metadata"]["request_id"] == claimed


@pytest.mark.parametrize("path", [CONFIG, "/api/v1/strategies"])
@pytest.mark.parametrize("claimed", ["", "x" * 129, "a b", 'quote"', "{}", "<script>"])
def test_request_id__unusable__is_made_anew(site: LiveSite, path: str, claimed: str) -> None:
    response = site.get(path, headers={"X-Request-ID": claimed})
    made = response.json()["metadata"]["request_id"]
    assert response.headers["X-Request-ID"] == made != claimed

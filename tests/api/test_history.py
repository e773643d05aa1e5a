"""The history over HTTP, the way back, and the kill switch."""

from typing import Any

import pytest

from strategy_config.api.common import write_answers
from strategy_config.api.resources.history import models as history_models
from tests.live_site import LiveSite

AUDIT = "/api/v1/strategies/orderbook_skew/audit"
BASE = "/api/v1/strategies/orderbook_skew"


def _set(site: LiveSite, url: str, *levels: int) -> None:
    for level in levels:
        site.post(url, {"parameters": {"top_levels": level}, "changed_by": f"by {level}", "reason": f"to {level}"})


def test_audit__rows__say_who_why_and_what(site: LiveSite, config_url: str, symbol: str) -> None:
    request_id = "audit-test-1"
    site.post(
        config_url,
        {"parameters": {"top_levels": 4}, "changed_by": "jane", "reason": "why"},
        headers={"X-Request-ID": request_id},
    )
    page = history_models.AuditPage.model_validate_json(site.get(f"{AUDIT}?symbol={symbol}").content)
    (row,) = page.data
    assert (row.changed_by, row.actor, row.reason, row.request_id) == ("jane", "admin", "why", request_id)
    assert (row.action, row.version, row.old_parameters, row.new_parameters) == ("CREATE", 1, None, {"top_levels": 4})
    assert {"parameter": "top_levels", "old": None, "new": 4} in [change.model_dump() for change in row.changes]


def test_audit__pages__newest_first_without_gap_or_overlap(site: LiveSite, config_url: str, symbol: str) -> None:
    _set(site, config_url, *range(1, 8))
    versions, cursor = [], ""
    while cursor is not None:
        page = site.get(f"{AUDIT}?symbol={symbol}&limit=3{cursor and f'&cursor={cursor}'}").json()
        assert page["metadata"]["count"] == len(page["data"]) <= 3
        versions += [row["version"] for row in page["data"]]
        cursor = page["metadata"]["next_cursor"]
    assert versions == [7, 6, 5, 4, 3, 2, 1]


def test_audit__filters__by_action_author_and_time(site: LiveSite, config_url: str, symbol: str) -> None:
    _set(site, config_url, 1, 2, 3)
    rows = site.get(f"{AUDIT}?symbol={symbol}").json()["data"]
    middle = rows[1]["changed_at"]

    def versions(query: str) -> list[int]:
        return [row["version"] for row in site.get(f"{AUDIT}?symbol={symbol.lower()}&{query}").json()["data"]]

    assert versions("action=CREATE") == [1]
    assert versions("changed_by=by%203") == [3]
    assert versions(f"since={middle}")[:2] == [3, 2]
    assert versions(f"until={middle}")[-1] == 1
    assert versions("since=2100-01-01T00:00:00%2B02:00") == []


BAD_QUERIES = [
    "limit=0",
    "limit=1001",
    "limit=ten",
    "limit=",
    "limit=5.0",
    "limit=%20",
    "cursor=x",
    "cursor=-1",
    "cursor=99999999999999999999",
    "action=NONE",
    "since=2024-01-01T00:00:00",
    "since=2024-01-01",
    "since=1700000000",
    "until=9999-99-99T00:00:00Z",
    "symbol=B-T",
    "changed_by=",
    "changed_by=a%00b",
]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_audit__bad_query__400(site: LiveSite, query: str) -> None:
    assert site.get(f"{AUDIT}?{query}").status_code == 400


@pytest.mark.parametrize("action", ["rollback", "restore"])
def test_roll_back__without_target__restores_the_state_before(
    site: LiveSite, config_url: str, symbol: str, action: str
) -> None:
    _set(site, config_url, 3, 9)
    response = site.post(f"{BASE}/{action}?symbol={symbol}", {"changed_by": "jane"})
    written = write_answers.ConfigWritten.model_validate_json(response.content)
    assert (written.data.overrides, written.data.version) == ({"top_levels": 3}, 3)
    assert written.metadata.action == "ROLLBACK"


def test_roll_back__to_version_or_row__restores_it(site: LiveSite, config_url: str, symbol: str) -> None:
    _set(site, config_url, 3, 9, 4)
    first = site.get(f"{AUDIT}?symbol={symbol}").json()["data"][-1]
    for target in ({"target_version": 1}, {"rollback_id": first["id"]}):
        response = site.post(f"{BASE}/rollback?symbol={symbol}", {"changed_by": "jane", **target})
        assert response.json()["data"]["overrides"] == {"top_levels": 3}
        _set(site, config_url, 9)


def test_roll_back__to_before_the_first_change__no_layer(site: LiveSite, config_url: str, symbol: str) -> None:
    _set(site, config_url, 3)
    data = site.post(f"{BASE}/rollback?symbol={symbol}", {"changed_by": "jane"}).json()["data"]
    assert (data["is_override"], data["overrides"], data["version"]) == (False, {}, 2)


def test_roll_back__to_what_is_not_this_layers__404(site: LiveSite, config_url: str, symbol: str) -> None:
    _set(site, config_url, 3)
    site.post(
        f"/api/v1/strategies/iceberg_detector/config/{symbol}",
        {"parameters": {"min_refill_count": 4}, "changed_by": "jane"},
    )
    foreign = site.get(f"/api/v1/strategies/iceberg_detector/audit?symbol={symbol}").json()["data"][0]["id"]
    targets: list[dict[str, Any]] = [
        {"target_version": 99},
        {"rollback_id": foreign},
        {"rollback_id": "00000000-0000-4000-8000-000000000000"},
    ]
    for target in targets:
        response = site.post(f"{BASE}/rollback?symbol={symbol}", {"changed_by": "jane", **target})
        assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert site.get(config_url).json()["data"]["version"] == 1


BAD_TARGETS: list[dict[str, Any]] = [
    {"target_version": 0},
    {"target_version": 10**30},
    {"target_version": "1"},
    {"target_version": True},
    {"rollback_id": "x"},
    {"rollback_id": 5},
    {"target_version": 1, "rollback_id": "00000000-0000-4000-8000-000000000000"},
]


@pytest.mark.parametrize("target", BAD_TARGETS, ids=str)
def test_roll_back__malformed_target__400(site: LiveSite, target: dict[str, Any]) -> None:
    assert site.post(f"{BASE}/rollback", {"changed_by": "jane", **target}).status_code == 400


def test_switch__of_a_symbol__off_and_on_again_keeps_parameters(site: LiveSite, config_url: str, symbol: str) -> None:
    _set(site, config_url, 3)
    off = site.post(f"{BASE}/disable?symbol={symbol}", {"changed_by": "jane", "reason": "feed broken"}).json()
    assert (off["data"]["enabled"], off["data"]["overrides"], off["metadata"]["action"]) == (
        False,
        {"top_levels": 3},
        "DISABLE",
    )
    deleted = site.request("DELETE", f"{config_url}?changed_by=jane").json()
    assert "stays switched off" in " ".join(deleted["metadata"]["warnings"])
    on = site.post(f"{BASE}/enable?symbol={symbol}", {"changed_by": "jane", "reason": "fixed"}).json()
    assert (on["data"]["enabled"], on["data"]["version"], on["metadata"]["action"]) == (True, 4, "ENABLE")


@pytest.mark.parametrize("body", [{"changed_by": "jane"}, {"changed_by": "jane", "reason": " "}])
def test_enable__without_reason__400(site: LiveSite, body: dict[str, str], symbol: str) -> None:
    site.post(f"{BASE}/disable?symbol={symbol}", {"reason": "off"})
    assert site.post(f"{BASE}/enable?symbol={symbol}", body).status_code == 400
    assert site.get(f"{BASE}/config/{symbol}").json()["data"]["enabled"] is False


EVERYTHING = "/api/v1/audit"


def test_all_rows__pages__follow_the_chain_without_gap(site: LiveSite, config_url: str, symbol: str) -> None:
    _set(site, config_url, *range(1, 5))
    rows: list[history_models.HistoryItem] = []
    cursor = ""
    while cursor is not None:
        answer = site.get(f"{EVERYTHING}?limit=7{cursor and f'&cursor={cursor}'}")
        rows += history_models.HistoryPage.model_validate_json(answer.content).data
        cursor = answer.json()["metadata"]["next_cursor"]
    assert [row.position for row in rows] == list(range(len(rows), 0, -1))
    assert [newer.previous_hash for newer in rows[:-1]] == [older.hash for older in rows[1:]]
    tokens = [row for row in rows if row.object is not None and row.object.kind == "token"]
    assert tokens
    assert all((row.sequence, row.strategy_id, row.version) == (None, None, None) for row in tokens)


def test_all_rows__filters__by_kind_object_layer_and_person(site: LiveSite, config_url: str, symbol: str) -> None:
    _set(site, config_url, 1, 2)

    def found(query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = site.get(f"{EVERYTHING}?{query}").json()["data"]
        return rows

    tokens = found("kind=token&action=CREATE")
    assert tokens
    assert [row["id"] for row in found(f"object_id={tokens[0]['object']['id']}")] == [tokens[0]["id"]]
    assert [row["version"] for row in found(f"kind=layer&strategy_id=orderbook_skew&symbol={symbol.lower()}")] == [2, 1]
    assert [row["version"] for row in found(f"who=by%202&symbol={symbol}")] == [2]
    assert found("strategy_id=never_there") == []


@pytest.mark.parametrize("query", ["kind=Token", "action=create", "cursor=x", "limit=0", "other=1", "strategy_id=%20"])
def test_all_rows__bad_query__is_refused(site: LiveSite, query: str) -> None:
    assert site.get(f"{EVERYTHING}?{query}").status_code == 400

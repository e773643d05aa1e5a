"""Merging, stopping among the parameters, and what stands beside a stop, over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from strategy_config.api.common import answer_models, write_answers
from strategy_config.api.resources.layers import models as layers_models
from tests.live_site import LiveSite

BASE = "/api/v1/strategies/orderbook_skew"
STOP: dict[str, Any] = {"parameters": {"enabled": False}, "changed_by": "petrosa-cio:orderbook_skew", "reason": "CIO"}


def read(site: LiveSite, url: str) -> write_answers.ConfigResponse:
    return layers_models.ConfigRead.model_validate_json(site.get(url).content).data


def test_post__as_a_neighbour_pauses__stops(site: LiveSite, config_url: str) -> None:
    body = {**STOP, "validate_only": False}
    headers = {"X-Petrosa-Issuer": "CIO"}
    written = write_answers.ConfigWritten.model_validate_json(site.post(config_url, body, headers=headers).content)
    assert (written.metadata.action, written.metadata.stopped, written.data.enabled) == ("DISABLE", True, False)
    assert not read(site, config_url).enabled


def test_post__as_a_neighbour_changes_nothing__nothing_is_changed(site: LiveSite, config_url: str) -> None:
    site.post(config_url, {"parameters": {"buy_threshold": 1.4, "top_levels": 7}})
    answer = site.post(config_url, {"parameters": {}, "changed_by": "cio", "reason": "", "validate_only": False})
    written = write_answers.ConfigWritten.model_validate_json(answer.content)
    assert (written.metadata.unchanged, written.metadata.action, written.data.version) == (True, None, 1)
    assert written.data.overrides == {"buy_threshold": 1.4, "top_levels": 7}
    site.post(config_url, {"parameters": {"buy_threshold": 1.54}})
    assert read(site, config_url).overrides == {"buy_threshold": 1.54, "top_levels": 7}


def test_post__unchanged_and_forced__makes_a_version(site: LiveSite, config_url: str) -> None:
    site.post(config_url, {"parameters": {"top_levels": 7}})
    assert site.post(f"{config_url}?force=true", {"parameters": {}}).json()["metadata"]["action"] == "UPDATE"
    assert read(site, config_url).version == 2


BESIDE: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown parameter": ("", {"parameters": {"enabled": False, "nonsense": 1}}, "VALIDATION_ERROR"),
    "unknown member": ("", {"strategy": "x"}, "INVALID_REQUEST"),
    "reason of another type": ("", {"reason": ["x"]}, "INVALID_REQUEST"),
    "long reason": ("", {"reason": "x" * 5_000}, "INVALID_REQUEST"),
    "odd name": ("", {"changed_by": "\u202e"}, "INVALID_REQUEST"),
    "expiry of another form": ("", {"expires_at": "tomorrow"}, "INVALID_REQUEST"),
    "unknown query parameter": ("?wait=1", {}, "INVALID_REQUEST"),
}


@pytest.mark.parametrize(("query", "beside", "code"), BESIDE.values(), ids=BESIDE.keys())
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_stop__beside_something_refused__is_stored_and_the_rest_is_said(
    site: LiveSite, config_url: str, method: str, query: str, beside: dict[str, Any], code: str
) -> None:
    response = site.request(method, f"{config_url}{query}", json={**STOP, **beside})
    told = write_answers.StoppedOnly.model_validate_json(response.content)
    assert (response.status_code, told.error.code, told.metadata.stopped) == (200, code, True)
    now = read(site, config_url)
    assert (now.enabled, now.overrides) == (False, {})
    strict = site.request(
        method, f"{config_url}{query}", json={**STOP, **beside}, headers={"Prefer": "handling=strict"}
    )
    assert (strict.status_code, strict.json()["metadata"]["stopped"]) == (422, True)


def test_stop__checked_only__stops_nothing(site: LiveSite, config_url: str) -> None:
    checked = site.post(config_url, {**STOP, "validate_only": True}).json()
    assert checked["metadata"]["changes"][0]["parameter"] == "enabled"
    assert read(site, config_url).enabled


def test_enabled__by_a_trader__may_be_false_and_not_true(site: LiveSite, config_url: str) -> None:
    trader = site.tokens["trader"]
    assert site.post(config_url, STOP, token=trader).json()["success"]
    answer = site.post(config_url, {"parameters": {"enabled": True, "top_levels": 7}}, token=trader)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert (read(site, config_url).enabled, read(site, config_url).version) == (False, 1)
    assert site.post(config_url, STOP, token=site.tokens["viewer"]).status_code == 403
    assert site.post(config_url, {"parameters": {"enabled": True}}, token=site.tokens["operator"]).json()["success"]
    assert read(site, config_url).enabled


DISABLE_BODIES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no JSON": {"content": b"{", "headers": {"Content-Type": "application/json"}},
    "a form": {"data": {"reason": "x"}},
    "a list": {"json": []},
    "unknown members": {"json": {"why": "x", "reason": 5}},
    "long reason": {"json": {"reason": "x" * 5_000}},
    "If-Match of before": {"json": {"reason": "x"}, "headers": {"If-Match": '"999"'}},
}


@pytest.mark.parametrize("sent", DISABLE_BODIES.values(), ids=DISABLE_BODIES.keys())
def test_disable__whatever_the_body_is__stops(
    site: LiveSite, config_url: str, symbol: str, sent: dict[str, Any]
) -> None:
    answer = site.request("POST", f"{BASE}/disable?symbol={symbol}", **sent)
    assert write_answers.ConfigWritten.model_validate_json(answer.content).metadata.stopped
    assert not read(site, config_url).enabled


def test_disable__misspelt_scope__is_refused_by_name_and_stops_nothing(site: LiveSite, symbol: str) -> None:
    error = site.post(f"{BASE}/disable?symbl={symbol}", {"reason": "x"}).json()["error"]
    assert "symbl: is unknown (did you mean symbol?)" in error["message"]
    assert read(site, f"{BASE}/config").enabled


def test_changed_by__left_out__is_the_caller(site: LiveSite, config_url: str, symbol: str) -> None:
    site.post(config_url, {"parameters": {"top_levels": 7}}, token=site.tokens["trader"])
    site.post(f"{BASE}/disable?symbol={symbol}", token=site.tokens["trader"])
    site.post(f"{BASE}/rollback?symbol={symbol}", token=site.tokens["trader"])
    site.request("DELETE", config_url, token=site.tokens["trader"])
    rows = site.get(f"{BASE}/audit?symbol={symbol}").json()["data"]
    assert {row["changed_by"] for row in rows} == {"trader"}


def test_rate_limit__spent__refuses_no_stop(live_site: Callable[..., LiveSite]) -> None:
    limits = {"RATE_LIMIT_WRITES_PER_SECOND": "1", "RATE_LIMIT_WRITES_BURST": "1"}
    site = live_site(environment=limits)
    url = f"{BASE}/config/BTCUSDT"
    changes = [site.post(url, {"parameters": {"top_levels": level}}).status_code for level in range(2, 12)]
    assert 429 in changes
    refused = [site.post(url, {"parameters": {"top_levels": level}}) for level in range(2, 12)]
    limited = next(answer for answer in refused if answer.status_code == 429)
    told = answer_models.RateLimited.model_validate_json(limited.content)
    assert told.retry_after == told.error.details.retry_after == int(limited.headers["Retry-After"])
    for _ in range(10):
        assert site.post(url, STOP).status_code == 200
        assert site.post(f"{BASE}/disable").status_code == 200
    assert {site.post(f"{BASE}/disable", token="rts_wrong").status_code for _ in range(5)} <= {401, 429}

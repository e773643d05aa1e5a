"""Reading and changing one layer over HTTP."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from strategy_config.api.common import answer_models, write_answers
from strategy_config.api.resources.layers import models as layers_models
from strategy_config.api.resources.strategies import StrategyList
from tests.live_site import LiveSite
from tests.waiting import until


def change(parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"parameters": parameters, "changed_by": "jane", **more}


def test_put__over_a_layer__replaces_its_own_parameters(site: LiveSite, config_url: str) -> None:
    site.post(config_url, change({"top_levels": 10, "buy_threshold": 1.5}))
    response = site.request("PUT", config_url, json=change({"top_levels": 7}, reason="calmer"))
    written = write_answers.ConfigWritten.model_validate_json(response.content)
    assert written.data.overrides == {"top_levels": 7}
    assert (written.data.version, written.data.reason, written.metadata.action) == (2, "calmer", "UPDATE")
    assert written.metadata.published


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_post_and_patch__over_a_layer__merge_and_null_removes(site: LiveSite, config_url: str, method: str) -> None:
    site.post(config_url, change({"top_levels": 10, "buy_threshold": 1.5}))
    response = site.request(method, config_url, json=change({"buy_threshold": None, "sell_threshold": 0.7}))
    assert response.json()["data"]["overrides"] == {"top_levels": 10, "sell_threshold": 0.7}


@pytest.mark.parametrize("is_check", [False, True])
def test_patch__null_for_an_unknown_name__refused_one_not_set_is_not(
    site: LiveSite, config_url: str, is_check: bool
) -> None:
    body = change({"top_levels": None, "top_level": None}, validate_only=is_check)
    refused = answer_models.Refusal.model_validate_json(site.request("PATCH", config_url, json=body).content)
    assert [(error.field, error.code) for error in refused.error.details.errors] == [("top_level", "UNKNOWN_PARAMETER")]
    assert site.request("PATCH", config_url, json=change({"top_levels": None}, validate_only=is_check)).json()[
        "success"
    ]


def test_delete__layer__lower_layers_show_through(site: LiveSite, config_url: str) -> None:
    site.post(config_url, change({"top_levels": 10}))
    response = site.request("DELETE", f"{config_url}?changed_by=jane&reason=done")
    assert layers_models.LayerDeleted.model_validate_json(response.content).metadata.action == "DELETE"
    answer = layers_models.ConfigRead.model_validate_json(site.get(config_url).content)
    read = answer.data
    assert (read.parameters["top_levels"], read.is_override, read.version, read.overrides) == (5, False, 2, {})
    assert answer.metadata.cache_hit


@pytest.mark.parametrize("prefer", [None, "handling=lenient", "respond-async"])
def test_post__refused_parameters__200_with_every_error(site: LiveSite, config_url: str, prefer: str | None) -> None:
    refused = {"top_levels": -5, "buy_threshold": "1.2", "nonsense": 1}
    response = site.post(config_url, change(refused), headers={"Prefer": prefer} if prefer else {})
    assert response.status_code == 200
    errors = answer_models.Refusal.model_validate_json(response.content).error.details.errors
    assert {error.field: error.code for error in errors} == {
        "top_levels": "OUT_OF_RANGE",
        "buy_threshold": "INVALID_TYPE",
        "nonsense": "UNKNOWN_PARAMETER",
    }
    assert site.get(config_url).json()["data"]["version"] == 0


def test_post__refused_parameters_and_strict_handling__422(site: LiveSite, config_url: str) -> None:
    response = site.post(config_url, change({"top_levels": -5}), headers={"Prefer": "wait=5, handling=strict"})
    assert (response.status_code, response.headers["Preference-Applied"]) == (422, "handling=strict")
    answer_models.Refusal.model_validate_json(response.content)


def test_post__accepted_with_strict_handling__200(site: LiveSite, config_url: str) -> None:
    response = site.post(config_url, change({"top_levels": 3}), headers={"Prefer": "handling=strict"})
    assert (response.status_code, response.json()["success"]) == (200, True)


def test_post__validate_only__nothing_changes(site: LiveSite, config_url: str) -> None:
    response = site.post(config_url, change({"top_levels": 7}, validate_only=True))
    assert layers_models.ConfigChecked.model_validate_json(response.content).metadata.changes[0].new == 7
    assert site.get(config_url).json()["data"]["version"] == 0
    refused = site.post(config_url, change({"top_levels": 0}, validate_only=True))
    assert refused.json()["error"]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_validate_only__of_a_layer_that_was_changed_since__412_as_the_change_itself(
    site: LiveSite, config_url: str, method: str
) -> None:
    def check(etag: str) -> int:
        body = change({"top_levels": 7}, validate_only=True)
        return site.request(method, config_url, json=body, headers={"If-Match": etag}).status_code

    etag = site.get(config_url).headers["ETag"]
    assert check(etag) == 200
    site.post(config_url, change({"top_levels": 8}))
    assert [check(tag) for tag in (etag, '"1"', "*")] == [412, 200, 200]


NASTY: dict[str, Any] = {
    "true": True,
    "text": "5",
    "fraction": 5.5,
    "null": None,
    "list": [5],
    "object": {"a": {"b": [1]}},
    "beyond 64 bits": 10**100,
    "1e400": "RAW:1e400",
    "long text": "x" * 5_000,
    "emoji": "\N{GRINNING FACE}",
    "NUL": "\0",
}


@pytest.mark.parametrize("value", NASTY.values(), ids=NASTY.keys())
def test_put__nasty_value__refused_by_name(site: LiveSite, config_url: str, value: Any) -> None:
    body = json.dumps(change({"top_levels": value})).replace('"RAW:1e400"', "1e400")
    response = site.request("PUT", config_url, content=body, headers={"Content-Type": "application/json"})
    errors = answer_models.Refusal.model_validate_json(response.content).error.details.errors
    assert [(error.field, error.code) for error in errors] in (
        [("top_levels", "INVALID_TYPE")],
        [("top_levels", "OUT_OF_RANGE")],
    )


def test_post__unicode_claims__come_back_as_they_were(site: LiveSite, config_url: str) -> None:
    name = "Zoë \N{GRINNING FACE} O'Brien; DROP TABLE"
    reason = "<b>\u200d\u05d0\r\nline"
    data = site.post(config_url, change({"top_levels": 3}, changed_by=name, reason=reason)).json()["data"]
    assert (data["updated_by"], data["reason"]) == (name, reason)


def test_etag__of_a_read__answers_304_until_the_next_change(site: LiveSite, config_url: str) -> None:
    site.post(config_url, change({"top_levels": 10}))
    etag = site.get(config_url).headers["ETag"]
    unchanged = site.get(config_url, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", etag)
    site.post(config_url, change({"top_levels": 11}))
    assert site.get(config_url, headers={"If-None-Match": etag}).status_code == 200


def test_if_match__etag_version_and_star__hold_until_the_next_change(site: LiveSite, config_url: str) -> None:
    etag = site.post(config_url, change({"top_levels": 10})).headers["ETag"]
    for level, held in enumerate((etag, '"2"', "*"), start=11):
        assert site.post(config_url, change({"top_levels": level}), headers={"If-Match": held}).status_code == 200
    response = site.post(config_url, change({"top_levels": 14}), headers={"If-Match": etag})
    assert (response.status_code, response.json()["error"]["details"]) == (412, {"current_version": 4})
    assert site.get(config_url).json()["data"]["overrides"] == {"top_levels": 13}


def test_global_change__reaches_symbols_with_and_without_a_layer(site: LiveSite, symbol: str) -> None:
    base = "/api/v1/strategies/trade_momentum/config"
    site.post(f"{base}/{symbol}", change({"min_quantity": 0.5}))
    assert site.post(base, change({"time_decay_seconds": 111})).json()["success"]
    own = site.get(f"{base}/{symbol}").json()["data"]
    other = site.get(f"{base}/X{symbol[:20]}").json()["data"]
    assert own["sources"]["time_decay_seconds"] == other["sources"]["time_decay_seconds"] == "global"
    assert own["parameters"]["time_decay_seconds"] == other["parameters"]["time_decay_seconds"] == 111
    assert (own["is_override"], other["is_override"], other["version"], other["overrides"]) == (True, False, 0, {})


def test_global_change__that_would_break_an_override__refused_naming_it(site: LiveSite, symbol: str) -> None:
    skew = "/api/v1/strategies/orderbook_skew/config"
    site.post(f"{skew}/{symbol}", change({"sell_threshold": 1.0}))
    response = site.post(skew, change({"buy_threshold": 1.0}))
    assert symbol in {error.get("symbol") for error in response.json()["error"]["details"]["errors"]}


def test_expiry__in_the_future__is_shown_and_does_not_hold_yet(site: LiveSite, config_url: str) -> None:
    until_then = datetime.now(UTC) + timedelta(hours=1)
    written = site.post(config_url, change({"top_levels": 10}, expires_at=until_then.isoformat()))
    read = site.get(config_url).json()["data"]
    assert written.json()["data"]["expires_at"] == read["expires_at"]
    assert read["expires_at"].startswith(until_then.strftime("%Y-%m-%dT%H:%M:%S"))
    assert (read["parameters"]["top_levels"], read["is_override"]) == (10, True)
    for accept in ("*/*", "text/html, */*;q=0.1"):
        assert site.get(config_url, headers={"Accept": accept}).json()["metadata"]["cache_hit"]


def test_expiry__at_its_instant__holds_by_itself(site: LiveSite, config_url: str) -> None:
    instants: list[datetime] = []

    def is_accepted() -> bool:
        """One that is over when the site gets to it is refused."""
        instants.append(datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2))
        body = change({"top_levels": 10}, expires_at=instants[-1].isoformat())
        return site.post(config_url, body).status_code == 200

    def read_without_it() -> dict[str, Any] | None:
        read: dict[str, Any] = site.get(config_url).json()["data"]
        return None if read["is_override"] else read

    until(is_accepted)
    read = until(read_without_it)
    assert datetime.now(UTC) >= instants[-1]
    assert (read["parameters"]["top_levels"], read["expires_at"]) == (5, None)


def test_read__from_cache_and_from_store__same_data_and_tag(site: LiveSite, config_url: str) -> None:
    """The hot path, Django's view from the cache (another Accept), for each kind of layer."""
    site.post(config_url, change({"top_levels": 10}))
    never_set = config_url[:-1] + "_"
    removed = config_url + "R"
    site.post(removed, change({"top_levels": 9}))
    site.request("DELETE", f"{removed}?changed_by=jane")
    for url in (config_url, never_set, removed, "/api/v1/strategies/orderbook_skew/config"):
        hot = site.get(url, headers={"Accept": "*/*"})
        view = site.get(url, headers={"Accept": "text/html, */*;q=0.1"})
        assert hot.json()["data"] == view.json()["data"]
        assert hot.headers["ETag"] == view.headers["ETag"]


def test_list__kept_and_from_the_store__same_data_and_never_behind_a_change(
    site: LiveSite, config_url: str, symbol: str
) -> None:
    """The hot path, Django's view (another Accept); the first after a change is the view's in any case."""
    url = "/api/v1/strategies"
    for expected in (True, False):
        if expected:
            site.post(config_url, change({"top_levels": 10}))
        else:
            site.request("DELETE", f"{config_url}?changed_by=jane")
        answered = [site.get(url, headers={"Accept": accept}) for accept in ("*/*", "*/*", "text/html, */*;q=0.1")]
        kept, again, view = (StrategyList.model_validate_json(each.content) for each in answered)
        assert kept.data == again.data == view.data
        assert {each.headers["Content-Type"] for each in answered} == {"application/json"}
        assert (symbol in kept.data[0].symbol_overrides) == expected
        assert again.metadata.total_count == view.metadata.total_count == len(view.data)


def test_read__lower_case_symbol__is_the_same_layer(site: LiveSite, config_url: str, symbol: str) -> None:
    site.post(config_url, change({"top_levels": 10}))
    assert site.get(config_url.replace(symbol, symbol.lower())).json()["data"]["symbol"] == symbol

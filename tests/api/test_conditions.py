"""Conditional headers, media types, unknown query parameters and waits: obeyed, or refused with the reason."""

import gzip
import json
from typing import Any

import pytest

from strategy_config.api.common import answer_models
from tests.live_site import LiveSite

BASE = "/api/v1/strategies/orderbook_skew"
BODY: dict[str, Any] = {"parameters": {"top_levels": 7}}


@pytest.mark.parametrize(
    ("mark", "why"),
    [
        (lambda tag: f"W/{tag}", "weak tag"),
        (lambda tag: f'{tag[:-1]}-gzip"', "A proxy has marked"),
        (lambda tag: tag.strip('"'), "in quotes"),
        (lambda tag: '"999"', "read it again"),
    ],
)
def test_if_match__that_cannot_match__says_why(site: LiveSite, config_url: str, mark: Any, why: str) -> None:
    tag = site.post(config_url, BODY).headers["ETag"]
    for method, body in (("POST", {"parameters": {"top_levels": 8}}), ("DELETE", None)):
        answer = site.request(method, config_url, json=body, headers={"If-Match": mark(tag)})
        assert answer.status_code == 412
        assert why in answer.json()["error"]["message"]
    assert site.request("DELETE", config_url, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize("header", ["If-None-Match", "If-Unmodified-Since"])
def test_write__with_a_condition_of_reads__is_refused_by_name(site: LiveSite, config_url: str, header: str) -> None:
    answer = site.post(config_url, BODY, headers={header: "*"})
    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (400, header)
    assert site.get(config_url).json()["data"]["version"] == 0


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_merge_patch__where_a_body_merges__is_taken(site: LiveSite, config_url: str, method: str) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = site.request(method, config_url, content=json.dumps(BODY), headers=headers)
    assert answer.status_code == (415 if method == "PUT" else 200)


def test_compressed_body__is_refused_in_words(site: LiveSite, config_url: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = site.request("POST", config_url, content=gzip.compress(json.dumps(BODY).encode()), headers=headers)
    failure = answer_models.Failure.model_validate_json(answer.content)
    assert (answer.status_code, failure.error.code) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert "Content-Encoding" in failure.error.message


@pytest.mark.parametrize(
    ("path", "query", "nearest"),
    [
        ("/api/v1/strategies", "limit=1", "no parameters are expected"),
        (f"{BASE}/config", "symbol=BTCUSDT", "no parameters are expected"),
        (f"{BASE}/schema", "x=1", "no parameters are expected"),
        (f"{BASE}/audit", "sinse=2026-01-01T00:00:00Z", "did you mean since?"),
        ("/api/v1/signals", "symbols=BTCUSDT", "did you mean symbol?"),
        ("/api/v1/config/changes", "sequence=5", "did you mean since?"),
        ("/api/v1/runtimes", "x=1", "no parameters are expected"),
        ("/api/v1/metrics/summary", "x=1", "no parameters are expected"),
        ("/api/v1/metrics/pressure/BTCUSDT", "timeframes=1m", "did you mean timeframe?"),
    ],
)
def test_read__unknown_query_parameter__is_refused_with_the_nearest_name(
    site: LiveSite, path: str, query: str, nearest: str
) -> None:
    answer = site.get(f"{path}?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")
    assert nearest in answer.json()["error"]["message"]


def test_integer__as_a_float_of_json__is_taken(site: LiveSite, config_url: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = site.request("POST", config_url, content=b'{"parameters": {"top_levels": 8.0}}', headers=headers)
    assert answer.json()["data"]["overrides"] == {"top_levels": 8}
    assert b'"top_levels":8,' in answer.content


def test_document__as_json__is_the_same_at_both_addresses(site: LiveSite) -> None:
    first = site.get("/openapi.json", token=None)
    assert first.headers["Content-Type"].startswith("application/vnd.oai.openapi+json")
    assert site.get("/api/schema/", token=None).text.startswith("openapi: 3.1")
    assert first.json() == site.get("/api/schema/?format=json", token=None).json()
    schemas = first.json()["components"]["schemas"]
    assert "orderbook_skew" in schemas["StrategyId"]["enum"]
    for name in ("EditSymbol", "ReplaceSymbol", "EditGlobal", "RollBack"):
        found = [each for each in schemas if each.removeprefix("Patched") == name]
        assert found
        assert all("default" not in member for each in found for member in schemas[each]["properties"].values())

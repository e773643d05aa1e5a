"""The latest signals over HTTP."""

from typing import Any

import pytest
import redis

from embedded.servers import Valkey
from strategy_config.api.common import answer_models
from strategy_config.api.resources.signals import Signals
from tests.live_site import LiveSite
from tests.signals import NOON_MS, signal_json, store

SIGNALS = "/api/v1/signals"


def test_signals__as_a_runtime_writes_them__come_back_whole(site: LiveSite, symbol: str) -> None:
    with redis.Redis.from_url(site.redis_url) as client:
        store(
            client,
            site.prefix,
            signal_json(symbol=symbol, versions=(3, 4), is_simulated=True),
            signal_json(symbol=symbol, action="sell", time_ms=NOON_MS + 500),
        )
    answer = site.get(f"{SIGNALS}?symbol={symbol.lower()}")
    listed = Signals.model_validate_json(answer.content)
    assert [(signal.action, signal.timestamp) for signal in listed.data] == [
        ("sell", "2024-08-08T12:00:00.500+00:00"),
        ("buy", "2024-08-08T12:00:00.000+00:00"),
    ]
    first = listed.data[1].metadata
    assert first.config.model_dump() == {"sequence": 7, "global_version": 3, "symbol_version": 4}
    assert (first.source, listed.data[0].metadata.source) == ("simulated", None)
    assert listed.metadata.count == 2
    narrowed = site.get(SIGNALS, params={"symbol": symbol, "action": "buy", "symbol_version": 4, "global_version": 3})
    assert [signal["id"] for signal in narrowed.json()["data"]] == [listed.data[1].id]
    assert (
        site.get(SIGNALS, params={"symbol": symbol, "since": "2024-08-08T12:00:00.2Z"}).json()["metadata"]["count"] == 1
    )
    assert site.get(SIGNALS, params={"symbol": symbol, "limit": 1}).json()["data"][0]["action"] == "sell"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"strategy_id": "nonsense"}, 404, "NOT_FOUND"),
        ({"symbol": "B"}, 400, "INVALID_SYMBOL"),
        ({"action": "hodl"}, 400, "INVALID_REQUEST"),
        ({"global_version": "-1"}, 400, "INVALID_REQUEST"),
        ({"since": "yesterday"}, 400, "INVALID_REQUEST"),
        ({"limit": "1001"}, 400, "INVALID_REQUEST"),
    ],
)
def test_signals__filter_that_makes_no_sense__is_refused(
    site: LiveSite, query: dict[str, Any], status: int, code: str
) -> None:
    response = site.get(SIGNALS, params=query)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_signals__redis_away__503_in_words(site_of_own_redis: LiveSite, own_valkey: Valkey) -> None:
    site = site_of_own_redis
    assert site.get(SIGNALS).json()["data"] == []
    own_valkey.stop()
    response = site.get(SIGNALS)
    failure = answer_models.Failure.model_validate_json(response.content)
    assert (response.status_code, failure.error.code) == (503, "STORE_UNAVAILABLE")
    assert "Redis" in failure.error.message
    assert int(response.headers["Retry-After"]) > 0

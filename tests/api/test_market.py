"""The order-book analytics over the API: plain objects, fresh or marked as stale, never made up."""

import struct

import pytest
import redis

from embedded.servers import Valkey
from strategy_config.api.resources.market import models as market_models
from strategy_config.api.resources.market.views import thinned
from strategy_core.configuration.redis_keys import Keys
from strategy_core.market import analytics
from tests import books
from tests.live_site import LiveSite

BASE = "/api/v1/metrics"


@pytest.fixture(scope="module")
def keys(site: LiveSite) -> Keys:
    return Keys(site.prefix)


@pytest.fixture(scope="module")
def client(site: LiveSite) -> redis.Redis:
    return redis.Redis.from_url(site.redis_url)


@pytest.fixture(autouse=True)
def _no_books(client: redis.Redis, keys: Keys) -> None:
    client.delete(keys.market)


def test_depth__of_a_known_symbol__is_what_the_runtime_published(
    site: LiveSite, client: redis.Redis, keys: Keys
) -> None:
    published = books.metrics("BTCUSDT", source="replay")
    books.publish(client, keys, published)
    response = site.get(f"{BASE}/depth/btcusdt")
    found = market_models.DepthMetrics.model_validate_json(response.content)
    assert response.headers["X-Request-ID"]
    assert (found.symbol, found.source, found.is_stale) == ("BTCUSDT", "replay", False)
    assert found.timestamp == "2024-08-08T23:54:15.000Z"
    assert (found.imbalance.ratio, found.pressure.interpretation) == (0.5, "bullish")
    assert found.liquidity.bid_depth_5 == published.liquidity.bid_depth_5 == 15.0
    assert found.strongest_levels.bid.price == pytest.approx(99.99)


@pytest.mark.parametrize("resource", ["depth", "pressure"])
@pytest.mark.parametrize(("symbol", "status"), [("ETHUSDT", 404), ("x", 400), ("BTC-USD", 400)])
def test_symbol__unknown_or_none__is_refused_in_the_envelope(
    site: LiveSite, resource: str, symbol: str, status: int
) -> None:
    response = site.get(f"{BASE}/{resource}/{symbol}")
    assert (response.status_code, response.json()["success"]) == (status, False)
    assert response.json()["error"]["code"] == {404: "NOT_FOUND", 400: "INVALID_SYMBOL"}[status]


@pytest.mark.parametrize(("age_seconds", "status", "is_stale"), [(5, 200, False), (60, 200, True), (310, 404, None)])
def test_depth__by_age__is_current_then_stale_then_unknown(
    site: LiveSite, client: redis.Redis, keys: Keys, age_seconds: float, status: int, is_stale: bool | None
) -> None:
    books.publish(client, keys, books.metrics("BTCUSDT", age_seconds=age_seconds))
    response = site.get(f"{BASE}/depth/BTCUSDT")
    assert (response.status_code, response.json().get("is_stale")) == (status, is_stale)
    if status == 200:
        assert response.json()["age_seconds"] == pytest.approx(age_seconds, abs=4)


@pytest.mark.parametrize(("timeframe", "total", "returned"), [("1m", 60, 60), ("5m", 300, 100), ("15m", 900, 100)])
def test_pressure__of_a_timeframe__has_its_points_and_figures(
    site: LiveSite, client: redis.Redis, keys: Keys, timeframe: str, total: int, returned: int
) -> None:
    books.publish(client, keys, books.metrics("BTCUSDT"))
    books.publish_pressure(client, keys, "BTCUSDT", [-50.0, *([10.0] * 849), *([40.0] * 50)])
    response = site.get(f"{BASE}/pressure/BTCUSDT?timeframe={timeframe}")
    found = market_models.PressureHistory.model_validate_json(response.content)
    assert (found.total_data_points, found.returned_data_points) == (total, returned)
    assert len(found.pressure_history) == len(found.imbalance_history) == returned
    assert found.pressure_history[-1].timestamp == "2024-08-09T00:09:14.000Z"
    assert found.summary.max_pressure == 40.0
    assert found.summary.min_pressure == {"1m": 10.0, "5m": 10.0, "15m": -50.0}[timeframe]
    assert found.summary.trend == {"1m": "bullish", "5m": "bullish", "15m": "neutral"}[timeframe]


def test_pressure__no_timeframe__is_five_minutes(site: LiveSite, client: redis.Redis, keys: Keys) -> None:
    books.publish(client, keys, books.metrics("BTCUSDT"))
    books.publish_pressure(client, keys, "BTCUSDT", [10.0])
    assert site.get(f"{BASE}/pressure/BTCUSDT").json()["timeframe"] == "5m"
    refused = site.get(f"{BASE}/pressure/BTCUSDT?timeframe=2m")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_REQUEST")
    assert "timeframe" in refused.json()["error"]["message"]


def test_pressure__history_lost__is_404(site: LiveSite, client: redis.Redis, keys: Keys) -> None:
    books.publish(client, keys, books.metrics("LTCUSDT"))
    assert site.get(f"{BASE}/pressure/LTCUSDT").status_code == 404


def test_all_and_summary__of_several_symbols__count_stale_ones_apart(
    site: LiveSite, client: redis.Redis, keys: Keys
) -> None:
    several = [
        books.metrics("BTCUSDT", bid_volume=3, ask_volume=1),
        books.metrics("ETHUSDT", bid_volume=1, ask_volume=1),
        books.metrics("XRPUSDT", bid_volume=1, ask_volume=9),
        books.metrics("LTCUSDT", age_seconds=60),
        books.metrics("OLDUSDT", age_seconds=400),
    ]
    books.publish(client, keys, *several)
    client.hset(keys.market, "BADUSDT", "not metrics")
    listed = market_models.AllMetrics.model_validate_json(site.get(f"{BASE}/all").content)
    assert list(listed.data) == ["BTCUSDT", "ETHUSDT", "LTCUSDT", "XRPUSDT"]
    assert listed.symbols_count == 4
    assert (listed.data["XRPUSDT"].net_pressure, listed.data["XRPUSDT"].trend) == (-80.0, "bearish")
    summary = market_models.MarketSummary.model_validate_json(site.get(f"{BASE}/summary").content)
    assert (summary.symbols_tracked, summary.stale_symbols) == (4, 1)
    sentiment = summary.market_sentiment
    assert (sentiment.bullish_symbols, sentiment.neutral_symbols, sentiment.bearish_symbols) == (1, 1, 1)
    assert sentiment.avg_net_pressure == pytest.approx(-10.0)
    assert summary.top_pressure_symbols.highest_buy_pressure == ["BTCUSDT", "ETHUSDT", "XRPUSDT"]
    assert summary.top_pressure_symbols.highest_sell_pressure[0] == "XRPUSDT"


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff",
        analytics.encode(books.metrics("BADUSDT", source="\0")).replace(b"\\u0000", b"\xff"),
        analytics.encode(books.metrics("BADUSDT"))[:-1] + b',"deep":' + b"[" * 100_000,
        analytics.encode(books.metrics("BADUSDT")).replace(b'"time_ms":1', b'"time_ms":9999999991'),
    ],
    ids=["no JSON", "no UTF-8", "too deep", "no date"],
)
def test_metrics__of_a_symbol_unreadable__are_unknown_and_cost_the_others_nothing(
    site: LiveSite, client: redis.Redis, keys: Keys, raw: bytes
) -> None:
    books.publish(client, keys, books.metrics("BTCUSDT"))
    client.hset(keys.market, "BADUSDT", raw)
    listed = market_models.AllMetrics.model_validate_json(site.get(f"{BASE}/all").content)
    assert list(listed.data) == ["BTCUSDT"]
    assert site.get(f"{BASE}/summary").json()["symbols_tracked"] == 1
    assert [site.get(f"{BASE}/{each}/BADUSDT").status_code for each in ("depth", "pressure")] == [404, 404]


@pytest.mark.parametrize("point", [(2**62, 0.5), (-1, 0.5), (books.START_MS, float("nan")), (books.START_MS, 2.0)])
def test_pressure__point_that_is_none__is_404(
    site: LiveSite, client: redis.Redis, keys: Keys, point: tuple[int, float]
) -> None:
    books.publish(client, keys, books.metrics("BTCUSDT"))
    client.set(keys.pressure("BTCUSDT"), struct.pack("<qd", *point))
    assert site.get(f"{BASE}/pressure/BTCUSDT").status_code == 404


def test_all_and_summary__nothing_published__are_empty(site: LiveSite) -> None:
    listed = site.get(f"{BASE}/all").json()
    assert (listed["data"], listed["symbols_count"], listed["pagination"]["pages"]) == ({}, 0, 0)
    summary = market_models.MarketSummary.model_validate_json(site.get(f"{BASE}/summary").content)
    assert (summary.symbols_tracked, summary.market_sentiment.avg_net_pressure) == (0, None)


ORDERED = {"BTCUSDT": (3, 1), "ETHUSDT": (1, 1), "LTCUSDT": (4, 6), "XRPUSDT": (1, 9)}


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("", ["BTCUSDT", "ETHUSDT", "LTCUSDT", "XRPUSDT"]),
        ("?symbols=ethusdt,XRPUSDT, btcusdt,NEWUSDT", ["BTCUSDT", "ETHUSDT", "XRPUSDT"]),
        ("?symbols=&trend=&min_pressure=", ["BTCUSDT", "ETHUSDT", "LTCUSDT", "XRPUSDT"]),
        ("?trend=BULLISH", ["BTCUSDT"]),
        ("?min_pressure=-20&max_pressure=0.0", ["ETHUSDT", "LTCUSDT"]),
        # As JSON writes small numbers.
        ("?min_pressure=-7.6e-276", ["BTCUSDT", "ETHUSDT"]),
        ("?sort_by=pressure", ["XRPUSDT", "LTCUSDT", "ETHUSDT", "BTCUSDT"]),
        ("?sort_by=liquidity&sort_order=DESC&limit=2", ["LTCUSDT", "XRPUSDT"]),
        ("?sort_order=desc&limit=1&offset=1", ["LTCUSDT"]),
        ("?offset=9", []),
    ],
)
def test_all__with_filters_and_an_order__answers_those_in_that_order(
    site: LiveSite, client: redis.Redis, keys: Keys, query: str, symbols: list[str]
) -> None:
    several = (books.metrics(name, bid_volume=b, ask_volume=a) for name, (b, a) in ORDERED.items())
    books.publish(client, keys, *several)
    listed = market_models.AllMetrics.model_validate_json(site.get(f"{BASE}/all{query}").content)
    assert list(listed.data) == symbols
    assert listed.symbols_count == len(symbols)


def test_all__one_page_of_several__says_which(site: LiveSite, client: redis.Redis, keys: Keys) -> None:
    books.publish(client, keys, *(books.metrics(name) for name in ORDERED))
    answer = site.get(f"{BASE}/all?symbols=btcusdt,ETHUSDT,LTCUSDT&limit=1&offset=1&sort_by=imbalance").json()
    assert answer["pagination"] == {
        "total": 3, "limit": 1, "offset": 1, "page": 2, "pages": 3, "has_next": True, "has_previous": True
    }  # fmt: skip
    assert answer["filters_applied"] == {
        "symbols": "BTCUSDT,ETHUSDT,LTCUSDT", "min_pressure": None, "max_pressure": None, "trend": None
    }  # fmt: skip
    assert answer["sort"] == {"by": "imbalance", "order": "asc"}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("symbol=BTCUSDT", "symbol"),
        ("min_presure=1", "min_presure"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("offset=-1", "offset"),
        ("sort_by=price", "sort_by"),
        ("trend=up", "trend"),
        ("max_pressure=nan", "max_pressure"),
        ("max_pressure=1e999", "max_pressure"),
    ],
)
def test_all__with_a_parameter_that_cannot_be__is_refused_by_name(site: LiveSite, query: str, named: str) -> None:
    response = site.get(f"{BASE}/all?{query}")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "INVALID_REQUEST")
    assert named in response.json()["error"]["message"]


def test_metrics__redis_away__503_in_words(site_of_own_redis: LiveSite, own_valkey: Valkey) -> None:
    site = site_of_own_redis
    assert site.get(f"{BASE}/all").status_code == 200
    own_valkey.stop()
    for path in ("depth/BTCUSDT", "pressure/BTCUSDT", "summary", "all"):
        response = site.get(f"{BASE}/{path}")
        assert (response.status_code, response.json()["error"]["code"]) == (503, "STORE_UNAVAILABLE")
        assert "Redis" in response.json()["error"]["message"]
        assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250, 900])
def test_thinned__any_number_of_points__keeps_the_newest_and_even_distances(count: int) -> None:
    kept = thinned(list(range(count)), 100)
    assert len(kept) <= 100
    assert len(kept) >= min(count, 50)
    assert list(kept[-1:]) == list(range(count))[-1:]
    assert len({later - earlier for earlier, later in zip(kept, kept[1:], strict=False)}) <= 1

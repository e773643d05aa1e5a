"""The market metrics, as the original's own HTTP tests and dashboards use them."""

import pytest
import redis

from strategy_core.configuration.redis_keys import Keys
from tests import books
from tests.neighbours.conftest import Neighbourhood

BASE = "/api/v1/metrics"
LISTED = {
    "timestamp", "net_pressure", "imbalance_percent", "spread_bps", "total_liquidity", "mid_price", "trend"
}  # fmt: skip
Store = tuple[redis.Redis, Keys]


@pytest.fixture(autouse=True)
def _market(store: Store) -> None:
    client, keys = store
    client.delete(keys.market)
    volumes = {"BTCUSDT": (3, 1), "ETHUSDT": (4, 6), "XRPUSDT": (1, 9)}
    books.publish(client, keys, *(books.metrics(name, bid_volume=b, ask_volume=a) for name, (b, a) in volumes.items()))


def test_depth__of_a_symbol__has_the_groups(neighbourhood: Neighbourhood) -> None:
    metrics = neighbourhood.ask("GET", f"{BASE}/depth/BTCUSDT").json()
    assert metrics["symbol"] == "BTCUSDT"
    assert metrics["pressure"]["interpretation"] == "bullish"
    assert metrics["strongest_levels"]["bid"]["price"] > 0
    assert set(metrics["imbalance"]) == {"ratio", "percent", "bid_volume", "ask_volume"}


def test_pressure__of_a_symbol__has_summary_and_points(neighbourhood: Neighbourhood, store: Store) -> None:
    client, keys = store
    books.publish_pressure(client, keys, "BTCUSDT", [10.0] * 20)
    history = neighbourhood.ask("GET", f"{BASE}/pressure/BTCUSDT?timeframe=5m").json()
    assert (history["symbol"], history["timeframe"]) == ("BTCUSDT", "5m")
    assert history["summary"]["avg_pressure"] == pytest.approx(10.0)
    assert len(history["pressure_history"]) == history["returned_data_points"] == 20
    assert set(history["summary"]) == {"avg_pressure", "max_pressure", "min_pressure", "trend", "trend_strength"}


def test_pressure__of_no_timeframe__is_400(neighbourhood: Neighbourhood) -> None:
    assert neighbourhood.ask("GET", f"{BASE}/pressure/BTCUSDT?timeframe=invalid").status_code == 400


def test_symbol__that_is_unknown__is_404_with_words(neighbourhood: Neighbourhood) -> None:
    response = neighbourhood.ask("GET", f"{BASE}/depth/NOSUCHUSDT")
    # 200 with a text in the original: MIGRATION.md has it.
    assert response.status_code == 404
    assert "/api/v1/metrics/all" in response.json()["error"]["message"]


def test_all__of_two_symbols_in_pages__is_in_the_originals_shape(neighbourhood: Neighbourhood) -> None:
    query = "symbols=BTCUSDT,ETHUSDT&limit=1&offset=1&sort_by=liquidity&sort_order=asc"
    answer = neighbourhood.ask("GET", f"{BASE}/all?{query}").json()
    assert list(answer["data"]) == ["ETHUSDT"]
    assert answer["data"]["ETHUSDT"].keys() >= LISTED
    assert answer["pagination"] == {
        "total": 2, "limit": 1, "offset": 1, "page": 2, "pages": 2, "has_next": False, "has_previous": True
    }  # fmt: skip
    assert answer["filters_applied"]["symbols"] == "BTCUSDT,ETHUSDT"
    assert answer["sort"] == {"by": "liquidity", "order": "asc"}
    assert answer["symbols_count"] == 1


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("limit=10", ["BTCUSDT", "ETHUSDT", "XRPUSDT"]),
        ("min_pressure=20.0", ["BTCUSDT"]),
        ("max_pressure=-50", ["XRPUSDT"]),
        ("trend=bullish", ["BTCUSDT"]),
        ("sort_by=pressure&sort_order=desc", ["BTCUSDT", "ETHUSDT", "XRPUSDT"]),
        ("sort_by=imbalance", ["XRPUSDT", "ETHUSDT", "BTCUSDT"]),
    ],
)
def test_all__with_the_originals_parameters__filters_and_sorts(
    neighbourhood: Neighbourhood, query: str, symbols: list[str]
) -> None:
    assert list(neighbourhood.ask("GET", f"{BASE}/all?{query}").json()["data"]) == symbols


def test_summary__of_the_market__counts_moods(neighbourhood: Neighbourhood) -> None:
    summary = neighbourhood.ask("GET", f"{BASE}/summary").json()
    assert summary["symbols_tracked"] == 3
    assert summary["market_sentiment"]["bullish_symbols"] == 1

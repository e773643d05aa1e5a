"""The signals page: what it lists, the way from a signal to its configuration and back, and what it admits."""

import json
import re
from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client

from embedded.servers import Valkey
from strategy_core.configuration import price_points
from strategy_core.configuration.price_points import PricePoint
from tests.signals import NOON_MS, signal_json, store
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_runtimes import beat
from tests.strategy_config.test_services import BTC, SKEW, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
PAGE = "/admin/signals/"
Login = Callable[[str], Client]


@pytest.fixture
def stored(cache: CacheUnderTest) -> CacheUnderTest:
    """Three signals under different versions, and prices of BTCUSDT around them."""
    beat(cache, market_source="simulated")
    store(
        cache.client,
        cache.keys.prefix,
        signal_json(versions=(1, 0), price=100.0, is_simulated=True),
        signal_json(versions=(2, 1), price=101.0, time_ms=NOON_MS + 2_000, action="sell", is_simulated=True),
        signal_json(versions=(2, 0), price=9.0, time_ms=NOON_MS + 3_000, symbol="ETHUSDT", is_simulated=True),
    )
    for second in range(5):
        point = PricePoint(NOON_MS + second * 1_000, 100.0 + second)
        cache.client.rpush(cache.keys.prices(BTC), price_points.encode_price(point))
    return cache


def listed(client: Client, query: str = "") -> list[float]:
    """The prices of the signals that the page lists."""
    page = client.get(f"{PAGE}{query}")
    assert page.status_code == 200
    return [line["signal"].price for line in page.context["lines"]]


@pytest.mark.parametrize(
    ("query", "prices"),
    [
        ("", [9.0, 101.0, 100.0]),
        (f"?strategy={SKEW}&global_version=2", [9.0, 101.0]),
        (f"?strategy={SKEW}&symbol=btcusdt&symbol_version=1", [101.0]),
        ("?action=buy", [9.0, 100.0]),
        ("?symbol=ETHUSDT", [9.0]),
        ("?strategy=ticker_velocity", []),
        ("?strategy=nonsense", []),
    ],
)
def test_signals__filtered__lists_only_those(
    login: Login, stored: CacheUnderTest, query: str, prices: list[float]
) -> None:
    assert listed(login("viewer"), query) == prices


@pytest.mark.parametrize("query", ["?symbol=B", "?global_version=x", "?symbol_version=-1"])
def test_signals__filter_that_makes_no_sense__is_400_in_words(login: Login, cache: CacheUnderTest, query: str) -> None:
    answer = login("viewer").get(f"{PAGE}{query}")
    assert (answer.status_code, "This request was refused" in answer.content.decode()) == (400, True)


def test_signal__and_the_change_that_decided_it__lead_to_each_other(login: Login, stored: CacheUnderTest) -> None:
    write(symbol=None, parameters={"top_levels": 7})
    write(symbol=None, parameters={"top_levels": 8})
    write(parameters={"top_levels": 9})
    client = login("viewer")
    page = client.get(f"{PAGE}?symbol=BTCUSDT").content.decode()
    ways = re.findall(rf'href="(/admin/strategies/{SKEW}/[^"]*versions/\?new=\d)"', page)
    assert ways == [f"/admin/strategies/{SKEW}/versions/?new={n}" for n in (2,)] + [
        f"/admin/strategies/{SKEW}/symbols/{BTC}/versions/?new=1",
        f"/admin/strategies/{SKEW}/versions/?new=1",
    ]
    assert "<ins>8</ins>" in client.get(ways[0]).content.decode()
    assert "<ins>9</ins>" in client.get(ways[1]).content.decode()
    history = client.get("/admin/history/").content.decode()
    back = [way.replace("&amp;", "&") for way in re.findall(r'href="(/admin/signals/\?[^"]+)"', history)]
    assert [listed(client, way.removeprefix(PAGE)) for way in back] == [[101.0], [9.0, 101.0], [100.0]]
    assert "Only signals that were decided under version 2 of Order Book Skew" in client.get(back[1]).content.decode()


def test_chart__of_the_symbol_with_most_signals__has_their_marks(login: Login, stored: CacheUnderTest) -> None:
    page = login("viewer").get(PAGE)
    chart = page.context["chart"]
    assert (chart.symbol, chart.is_measured, chart.is_simulated) == (BTC, True, True)
    assert [mark["action"] for mark in chart.data["marks"]] == ["buy", "sell"]
    text = page.content.decode()
    assert chart.words in text
    assert json.loads(re.findall(r'id="price-data"[^>]*>(.*?)</script>', text)[0])["marks"] == chart.data["marks"]
    assert text.count(">simulated</span>") == 4


def test_news__since_what_the_page_shows__is_counted(login: Login, stored: CacheUnderTest) -> None:
    client = login("viewer")
    after = client.get(PAGE).context["newest"].id
    assert client.get(f"{PAGE}news.json?after={after}").json() == {"count": 0}
    store(stored.client, stored.keys.prefix, signal_json(time_ms=NOON_MS + 9_000))
    assert client.get(f"{PAGE}news.json?after={after}").json() == {"count": 1}
    assert client.get(f"{PAGE}news.json?after={after}&symbol=ETHUSDT").json() == {"count": 0}
    assert client.get(f"{PAGE}news.json?after=").json() == {"count": 4}


def test_signals__no_runtime_seen_or_nothing_decided__says_so(login: Login, cache: CacheUnderTest) -> None:
    client = login("viewer")
    page = client.get(PAGE).content.decode()
    assert "No runtime is alive: no signals are being produced." in page
    assert "No signals yet." in page
    beat(cache)
    assert "No runtime is alive" not in client.get(PAGE).content.decode()


def test_signals__redis_away__says_so(login: Login, own_cache: CacheUnderTest, fresh_valkey: Valkey) -> None:
    store(own_cache.client, own_cache.keys.prefix, signal_json())
    client = login("viewer")
    assert listed(client) == [50_000.0]
    fresh_valkey.stop()
    page = client.get(PAGE)
    assert (page.status_code, "Redis is unreachable" in page.content.decode()) == (200, True)
    assert client.get(f"{PAGE}news.json").json() == {"count": None}


def test_signals__nobody_or_without_a_group__is_refused(login: Login, cache: CacheUnderTest) -> None:
    assert Client().get(PAGE).status_code == 302
    assert login("nobody").get(PAGE).status_code == 403

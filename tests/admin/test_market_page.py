"""The market's pages as the server makes them: what is known, what is old, and what nobody can know."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from strategy_config.admin.pages.market_page import MOST_SYMBOLS, age, amount, price
from tests import books
from tests.strategy_config.conftest import CacheUnderTest

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
Login = Callable[[str], Client]
ADDRESSES = (
    "/admin/market/",
    "/admin/market/live.json",
    "/admin/market/BTCUSDT/",
    "/admin/market/BTCUSDT/live.json",
)


@pytest.fixture
def client(login: Login) -> Client:
    return login("viewer")


def document(client: Client, path: str) -> Any:
    return client.get(path).json()


@pytest.mark.parametrize("path", ADDRESSES)
def test_market__nobody_in_particular__is_403(login: Login, path: str, cache: CacheUnderTest) -> None:
    assert login("").get(path).status_code == 403


def test_list__fresh_and_silent_books__says_which_is_which(client: Client, cache: CacheUnderTest) -> None:
    several = books.metrics("BTCUSDT"), books.metrics("ETHUSDT", bid_volume=1, age_seconds=60)
    books.publish(cache.client, cache.keys, *several)
    found = document(client, "/admin/market/live.json")
    assert "2 symbols · 1 bullish, 0 bearish" in found["answer"]
    assert "1 silent for more than 10 s" in found["answer"]
    fresh, silent = found["rows"]
    assert (fresh["symbol"], fresh["is_stale"], fresh["texts"]["mood"]) == ("BTCUSDT", False, "bullish")
    assert (silent["symbol"], silent["is_stale"], silent["texts"]["mood"]) == ("ETHUSDT", True, "silent")
    assert fresh["texts"]["pressure"] == "+50.0 %"
    assert fresh["lean"] == {"kind": "buy", "x": 50, "width": 25.0}
    page = client.get("/admin/market/").content.decode()
    assert 'data-symbol="ETHUSDT" class="is-silent"' in page


def test_list__more_symbols_than_fit__shows_the_first_and_finds_the_others(
    client: Client, cache: CacheUnderTest
) -> None:
    symbols = [f"S{number:03}USDT" for number in range(MOST_SYMBOLS + 1)]
    books.publish(cache.client, cache.keys, *map(books.metrics, symbols))
    found = document(client, "/admin/market/live.json")
    assert [row["symbol"] for row in found["rows"]] == symbols[:-1]
    assert f"{MOST_SYMBOLS} of {len(symbols)}" in found["note"]
    found = document(client, "/admin/market/live.json?symbol=s20")
    assert [row["symbol"] for row in found["rows"]] == symbols[-1:]


def test_symbol__with_a_history__has_its_points_and_words(client: Client, cache: CacheUnderTest) -> None:
    books.publish(cache.client, cache.keys, books.metrics("BTCUSDT", source="simulated"))
    books.publish_pressure(cache.client, cache.keys, "BTCUSDT", [-30.0] * 100 + [30.0] * 60)
    found = document(client, "/admin/market/BTCUSDT/live.json?timeframe=1m")
    assert found["answer"].startswith("Net pressure +50.0 %, bullish · spread 2 bps at 100 · simulated")
    assert (found["chart"]["seconds"], len(found["chart"]["points"])) == (60, 60)
    assert (
        found["chart"]["words"]
        == "Mean +30.0 %, from +30.0 % to +30.0 % over 60 seconds · trend bullish, strength 0.60"
    )
    assert found["bars"][0]["words"] == "best 5 levels: bids 75 %, asks 25 %"
    assert 'href="/admin/signals/?symbol=BTCUSDT"' in client.get("/admin/market/BTCUSDT/").content.decode()
    assert len(document(client, "/admin/market/BTCUSDT/live.json?timeframe=nonsense")["chart"]["points"]) == 160


def test_symbol__silent__says_so_first(client: Client, cache: CacheUnderTest) -> None:
    books.publish(cache.client, cache.keys, books.metrics("BTCUSDT", age_seconds=150))
    books.publish_pressure(cache.client, cache.keys, "BTCUSDT", [1.0])
    page = client.get("/admin/market/btcusdt/").content.decode()
    assert "Silent: last order book 2 min ago" in page
    assert "answer-old" in page


def test_symbol__unknown_or_none__is_said_in_words(client: Client, cache: CacheUnderTest) -> None:
    assert "No runtime has seen an order book of XRPUSDT" in client.get("/admin/market/XRPUSDT/").content.decode()
    assert client.get("/admin/market/x/").status_code == 400


@pytest.mark.parametrize("path", ADDRESSES)
def test_market__redis_away__is_said_in_words(client: Client, settings: Any, path: str) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get(path)
    assert answer.status_code == 200
    assert "Redis is unreachable" in answer.content.decode()


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (1234.5678, "1,235"), (61_234.9, "61,230"), (1.5e-7, "0.00000015"), (2e9, "2,000,000,000")],
)
def test_amount__any_size__has_four_digits_and_no_exponent(number: float, text: str) -> None:
    assert amount(number) == text


def test_price__of_a_binary_fraction__shows_no_noise() -> None:
    assert price((61843.24 + 61843.25) / 2) == "61,843.245"


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "now"), (43.4, "43 s ago"), (150, "2 min ago")])
def test_age__any__is_in_words(seconds: float, text: str) -> None:
    assert age(seconds) == text

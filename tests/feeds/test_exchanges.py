"""Other exchanges through ccxt itself, against servers that speak as they do."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from realtime_runtime.feeds.live import live_settings
from realtime_runtime.feeds.publishing import LivePublisher
from realtime_runtime.feeds.sources.exchanges import ExchangeSource, exchange_sources, listed_symbols
from realtime_runtime.feeds.supervision import Source
from tests.feeds.conftest import Arrivals, Supervised
from tests.feeds.servers.exchanges import SimulatedExchanges
from tests.waiting import eventually

WATCHED = ("coinbase", "kraken", "bybit", "okx")
Make = Callable[..., Source]
# Importing ccxt takes up to 20 s of computing.
with_ccxt = pytest.mark.slow


@pytest.fixture
async def server() -> AsyncIterator[SimulatedExchanges]:
    async with SimulatedExchanges() as running:
        yield running


@pytest.fixture
def make(server: SimulatedExchanges, publisher: LivePublisher) -> Make:
    """The source of one exchange."""

    def source(exchange: str, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"), **environ: str) -> Source:
        variables = {"PRICE_EXCHANGES": exchange, "PRICE_EXCHANGE_URLS": server.urls(exchange), **environ}
        (made,) = exchange_sources(live_settings.read(variables).exchanges, symbols, publisher)
        return made

    return source


async def prices_of(listen: Callable[[str], Any], exchange: str) -> Arrivals:
    arrivals: Arrivals = await listen(f"market.price.{exchange}.>")
    return arrivals


def prices(arrivals: Arrivals) -> list[tuple[str, float]]:
    return [(document["symbol"], document["price"]) for document in arrivals.documents]


@pytest.mark.parametrize("exchange", WATCHED)
@with_ccxt
async def test_exchange__watched__publishes_each_price_and_comes_back_after_a_drop(
    exchange: str, make: Make, server: SimulatedExchanges, supervised: Supervised, listen: Callable[[str], Any]
) -> None:
    arrivals = await prices_of(listen, exchange)
    source = make(exchange)
    async with supervised(source):
        await eventually(lambda: bool(server.subscriptions[exchange]), 60)
        await server.push_price(exchange, "BTC", 60_001.5)
        await eventually(lambda: prices(arrivals) == [("BTCUSDT", 60_001.5)])
        await server.push_price(exchange, "ETH", 3_000.25)
        await eventually(lambda: ("ETHUSDT", 3_000.25) in prices(arrivals))
        asked = len(server.subscriptions[exchange])
        await server.drop(exchange)
        await eventually(lambda: len(server.subscriptions[exchange]) > asked)
        await server.push_price(exchange, "BTC", 60_002.5)
        await eventually(lambda: ("BTCUSDT", 60_002.5) in prices(arrivals))
    assert len(arrivals.messages) == 3
    assert {document["exchange"] for document in arrivals.documents} == {exchange}
    assert all("pair" not in document for document in arrivals.documents)
    await eventually(lambda: server.sockets[exchange] == [])


@with_ccxt
async def test_exchange__polled__publishes_prices_as_they_change(
    make: Make, server: SimulatedExchanges, supervised: Supervised, listen: Callable[[str], Any]
) -> None:
    arrivals = await prices_of(listen, "bitstamp")
    async with supervised(make("bitstamp", PRICE_POLL_SECONDS="0.1")):
        await eventually(lambda: len(arrivals.messages) >= 2, 60)
        server.prices["bitstamp"]["BTC"] = 61_000.0
        await eventually(lambda: ("BTCUSDT", 61_000.0) in prices(arrivals))
    assert set(prices(arrivals)[:2]) == {("BTCUSDT", 60_000.0), ("ETHUSDT", 3_000.0)}


@with_ccxt
async def test_okx__recorded_tickers__are_published_with_their_times(
    make: Make, server: SimulatedExchanges, supervised: Supervised, listen: Callable[[str], Any], market_data: Path
) -> None:
    with gzip.open(market_data / "payloads/okx_ws_tickers_20220513.jsonl.gz", "rt") as lines:
        recorded = [json.loads(line)["msg"] for line in lines]
    spot = [message["data"][0] for message in recorded if message.get("arg", {}).get("instId") == "BTC-USDT"]
    expected = {(float(ticker["last"]), int(ticker["ts"])) for ticker in spot}
    arrivals = await prices_of(listen, "okx")
    source = make("okx")
    async with supervised(source):
        await eventually(lambda: bool(server.subscriptions["okx"]), 60)
        for ticker in spot:
            sent = len(arrivals.messages)
            is_new = (float(ticker["last"]), int(ticker["ts"])) in expected
            await server.push("okx", {"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": [ticker]})
            await eventually(lambda: not is_new or len(arrivals.messages) > sent)  # noqa: B023 - awaited in the same turn
            expected.discard((float(ticker["last"]), int(ticker["ts"])))
    assert len(arrivals.messages) > 5
    assert {document["ts"] for document in arrivals.documents} == {int(ticker["ts"]) for ticker in spot}
    assert source.status.skew_ms < -1_000_000_000


@with_ccxt
async def test_coinbase__recorded_tickers__are_published_under_our_symbols(
    make: Make, server: SimulatedExchanges, supervised: Supervised, listen: Callable[[str], Any], market_data: Path
) -> None:
    with gzip.open(market_data / "payloads/coinbase_ws_ticker_20210417.jsonl.gz", "rt") as lines:
        recorded = [json.loads(line)["msg"] for line in lines]
    wanted = [message for message in recorded if message["product_id"] in {"BAND-GBP", "SKL-GBP", "NU-GBP"}]
    arrivals = await prices_of(listen, "coinbase")
    async with supervised(make("coinbase", symbols=("BANDGBP", "SKLGBP", "NUGBP"))):
        await eventually(lambda: bool(server.subscriptions["coinbase"]), 60)
        for message in wanted:
            await server.push("coinbase", message)
        last = {message["product_id"].replace("-", ""): float(message["price"]) for message in wanted}
        await eventually(lambda: dict(prices(arrivals)) == last)
    assert min(document["ts"] for document in arrivals.documents) > 1_618_677_000_000


@with_ccxt
async def test_exchange__rate_limited__waits_as_it_is_asked_to(
    make: Make, server: SimulatedExchanges, supervised: Supervised
) -> None:
    server.refusals.append((429, {"Retry-After": "3600"}))
    source = make("coinbase")
    async with supervised(source):
        await eventually(lambda: source.status.failures == 1, 60)
        assert "asked to wait 3600 s" in source.status.last_error
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "garbage", ["{", '{"type":"ticker","product_id":"BTC-USDT","price":"NaN"}', '{"type":"error"}']
)
@with_ccxt
async def test_exchange__garbage__is_never_published(
    garbage: str, make: Make, server: SimulatedExchanges, supervised: Supervised, listen: Callable[[str], Any]
) -> None:
    arrivals = await prices_of(listen, "coinbase")
    async with supervised(make("coinbase")):
        await eventually(lambda: bool(server.subscriptions["coinbase"]), 60)
        await server.push("coinbase", garbage)
        while not arrivals.messages:
            await server.push_price("coinbase", "BTC", 60_000.0)
            await asyncio.sleep(0.05)
    assert set(prices(arrivals)) == {("BTCUSDT", 60_000.0)}


@with_ccxt
async def test_exchange__silence__is_ended_by_the_watchdog(
    make: Make, server: SimulatedExchanges, supervised: Supervised
) -> None:
    source = make("coinbase", PRICE_SILENCE_SECONDS="1")
    async with supervised(source):
        await eventually(lambda: len(server.subscriptions["coinbase"]) >= 2, 60)
    assert "SilenceError" in source.status.last_error


def market(base: str, quote: str, **changes: Any) -> dict[str, Any]:
    return {"base": base, "quote": quote, "spot": True, "active": True, **changes}


@pytest.mark.parametrize(
    ("markets", "is_usd_taken", "expected"),
    [
        pytest.param([market("BTC", "USDT"), market("BTC", "USD")], False, {"BTC/USDT": "BTCUSDT"}, id="same quote"),
        pytest.param([market("BTC", "USD")], False, {}, id="USD is not USDT"),
        pytest.param([market("BTC", "USD")], True, {"BTC/USD": "BTCUSDT"}, id="unless asked for"),
        pytest.param(
            [market("BTC", "USD"), market("BTC", "USDT")], True, {"BTC/USDT": "BTCUSDT"}, id="USDT comes before USD"
        ),
        pytest.param([market("BTC", "USDT", spot=False)], False, {}, id="no futures"),
        pytest.param([market("BTC", "USDT", active=False)], False, {}, id="not traded"),
        pytest.param([market("BT", "CUSDT")], False, {"BT/CUSDT": "BTCUSDT"}, id="by the table, not by guessing"),
    ],
)
def test_listed_symbols__market_table__maps_only_what_is_the_same(
    markets: list[dict[str, Any]], is_usd_taken: bool, expected: dict[str, str]
) -> None:
    table = {f"{each['base']}/{each['quote']}": each for each in markets}
    assert listed_symbols(table, ("BTCUSDT",), is_usd_taken_for_usdt=is_usd_taken) == expected


@with_ccxt
async def test_exchange__usd_taken_for_usdt__says_so_in_each_message(
    server: SimulatedExchanges, make: Make, supervised: Supervised, listen: Callable[[str], Any]
) -> None:
    server.quotes = ("USD",)
    arrivals = await prices_of(listen, "coinbase")
    source = make("coinbase")
    assert isinstance(source, ExchangeSource)
    async with supervised(source):
        await eventually(lambda: "lists none of BTCUSDT, ETHUSDT" in source.status.last_error, 60)
    async with supervised(make("coinbase", PRICE_USD_AS_USDT="true")):
        await eventually(lambda: bool(server.subscriptions["coinbase"]), 60)
        await server.push_price("coinbase", "BTC", 60_000.0, "USD")
        await eventually(lambda: bool(arrivals.messages))
    assert (arrivals.documents[0]["symbol"], arrivals.documents[0]["pair"]) == ("BTCUSDT", "BTC/USD")

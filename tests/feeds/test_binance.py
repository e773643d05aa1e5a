"""Binance's streams through the unchanged client, against a server that speaks the exchange's protocol."""

import asyncio
import json
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from realtime_runtime.feeds.binance import stream_connection
from realtime_runtime.feeds.binance.binance_sources import binance_sources
from realtime_runtime.feeds.binance.streams import SPOT, MessageVerdict, Stream
from realtime_runtime.feeds.live import live_settings
from realtime_runtime.feeds.publishing import LivePublisher
from realtime_runtime.feeds.supervision import Source
from tests.feeds.conftest import Supervised, recorded
from tests.feeds.servers.binance import SimulatedBinance
from tests.waiting import eventually

TRADE = "btcusdt@trade"


def trade(number: int, *, time_ms: int | None = None) -> dict[str, Any]:
    now = time.time_ns() // 1_000_000 if time_ms is None else time_ms
    return {"e": "trade", "E": now, "s": "BTCUSDT", "t": number, "p": "1.5", "q": "2", "T": now, "m": True}


def sources(
    server: SimulatedBinance, publisher: LivePublisher, topic: str, symbols: str = "BTCUSDT", **environ: str
) -> list[Source]:
    """The sources that the settings give, with the exchange's addresses replaced."""
    settings = live_settings.read(
        {
            "TRADING_SYMBOLS": symbols,
            "NATS_CONSUMER_TOPIC": topic,
            "BINANCE_SPOT_WS_URL": server.url,
            "BINANCE_SPOT_REST_URL": server.rest_url,
            "BINANCE_USDM_PUBLIC_WS_URL": f"{server.url}/public",
            "BINANCE_USDM_MARKET_WS_URL": f"{server.url}/market",
            "BINANCE_USDM_REST_URL": server.rest_url,
            "BINANCE_STREAMS": "trade",
            **environ,
        }
    )
    return list(binance_sources(settings.binance, settings.feed.symbols, publisher))


@pytest.fixture
def only(publisher: LivePublisher, nats_subject: str, binance: SimulatedBinance) -> Callable[..., Source]:
    """The one source that the settings give; by default the trades of one symbol."""

    def make(**environ: str) -> Source:
        (source,) = sources(binance, publisher, nats_subject, **environ)
        return source

    return make


async def test_binance__recorded_messages__are_published_as_they_came(
    only: Callable[..., Source],
    binance: SimulatedBinance,
    supervised: Supervised,
    listen: Callable[[str], Any],
    nats_subject: str,
    market_data: Path,
) -> None:
    names = ("btcusdt@depth20@100ms", "btcusdt@trade", "ethusdt@depth20@100ms", "ethusdt@trade")
    lines = list(islice(recorded(market_data / "market/spot-20240808.jsonl.gz", *names), 2_000))
    arrivals = await listen(nats_subject)
    source = only(symbols="ETHUSDT,BTCUSDT", BINANCE_STREAMS="")
    async with supervised(source):
        await eventually(lambda: len(binance.streams) == 6)
        for stream, line in lines:
            assert await binance.send_line(stream, line) == 1
        await eventually(lambda: len(arrivals.messages) == len(lines))
    assert [payload.decode() for _, payload in arrivals.messages] == [line for _, line in lines]
    assert binance.streams == []
    assert (source.status.missed, source.status.repeated, source.status.garbage) == (0, 0, 0)
    assert source.status.skew_ms < -1_000_000_000


@pytest.mark.parametrize("how", ["drop", "close"])
async def test_binance__connection_lost__comes_back_subscribes_and_counts_what_is_missing(
    how: str,
    only: Callable[..., Source],
    binance: SimulatedBinance,
    supervised: Supervised,
    listen: Callable[[str], Any],
    nats_subject: str,
) -> None:
    arrivals = await listen(nats_subject)
    source = only()
    async with supervised(source):
        await eventually(lambda: binance.streams == [TRADE])
        await binance.send(TRADE, trade(1))
        await eventually(lambda: arrivals.messages)
        if how == "drop":
            await binance.drop()
        else:
            await binance.connections[0].socket.close()
        await eventually(lambda: binance.opened == 2 and binance.streams == [TRADE])
        await binance.send(TRADE, trade(5))
        await eventually(lambda: len(arrivals.messages) == 2)
    assert source.status.missed == 3
    assert source.status.failures == 1


@pytest.mark.parametrize("status", [429, 418])
async def test_binance__asked_to_wait__waits_as_long(
    status: int, only: Callable[..., Source], binance: SimulatedBinance, supervised: Supervised
) -> None:
    source = only()
    with binance.refusing(status, {"Retry-After": "3600"}):
        async with supervised(source):
            await eventually(lambda: source.status.failures == 1)
            assert f"answers {status}; asked to wait 3600 s" in source.status.last_error
    assert binance.opened == 0
    assert source.status.starts == 1


async def test_binance__refused_subscription__is_told_and_tried_again(
    only: Callable[..., Source], binance: SimulatedBinance, supervised: Supervised
) -> None:
    source = only()
    binance.subscription_error = {"code": 2, "msg": "Invalid request: unknown variant"}
    async with supervised(source):
        await eventually(lambda: "Invalid request" in source.status.last_error)
        binance.subscription_error = None
        await eventually(lambda: len(binance.connections) == 1)


async def test_binance__garbage__is_counted_and_ends_a_connection_that_has_nothing_else(
    only: Callable[..., Source],
    binance: SimulatedBinance,
    supervised: Supervised,
    listen: Callable[[str], Any],
    nats_subject: str,
) -> None:
    arrivals = await listen(nats_subject)
    source = only()
    rubbish: list[str | bytes] = [
        "",
        "{",
        "[1]",
        '{"stream":"btcusdt@trade"}',
        '{"stream":"x@y","data":{}}',
        b"\xff\xfe",
        '{"stream":"btcusdt@trade","data":' + "[" * 100_000,
    ]
    rubbish += ['{"stream":"btcusdt@trade","data":{"t":"seven"}}', '{"result":null,"id":99}']
    async with supervised(source):
        await eventually(lambda: binance.streams == [TRADE])
        for each in rubbish:
            await binance.send_raw(each)
        await binance.send(TRADE, trade(1))
        await eventually(lambda: arrivals.messages)
        assert source.status.garbage == len(rubbish) - 1
        for _ in range(stream_connection.MAX_GARBAGE_IN_A_ROW):
            await binance.send_raw("{")
        await eventually(lambda: binance.opened == 2)
    assert len(arrivals.messages) == 1
    assert "made no sense" in source.status.last_error


async def test_binance__silence__is_ended_by_the_watchdog(
    only: Callable[..., Source], binance: SimulatedBinance, supervised: Supervised
) -> None:
    source = only(BINANCE_SILENCE_SECONDS="1")
    async with supervised(source):
        await eventually(lambda: binance.opened == 2)
    assert "SilenceError: nothing came for" in source.status.last_error


async def test_binance__deaf_exchange__is_left(
    only: Callable[..., Source], binance: SimulatedBinance, supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_connection, "ANSWER_TIMEOUT_SECONDS", 0.1)
    binance.is_deaf = True
    source = only()
    async with supervised(source):
        await eventually(lambda: binance.opened == 2)
    assert "no answer to 1 subscriptions" in source.status.last_error


async def test_binance__before_its_time__a_connection_is_replaced_without_a_gap(
    only: Callable[..., Source],
    binance: SimulatedBinance,
    supervised: Supervised,
    listen: Callable[[str], Any],
    nats_subject: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_connection, "OVERLAP_SECONDS", 0.1)
    arrivals = await listen(nats_subject)
    source = only(BINANCE_CONNECTION_SECONDS="1")
    sent = 0

    async with supervised(source):
        await eventually(lambda: binance.streams == [TRADE])
        while binance.opened < 3 or len(binance.connections) > 1:
            sent += 1
            await binance.send(TRADE, trade(sent))
            await asyncio.sleep(0.005)
        await eventually(lambda: len(arrivals.messages) == sent)
    assert [data["t"] for data in arrivals.of_stream(TRADE)] == list(range(1, sent + 1))
    assert (source.status.missed, source.status.failures) == (0, 0)
    assert source.status.repeated > 0


@pytest.mark.parametrize("is_bare", [False, True], ids=["in an envelope", "bare"])
async def test_binance__shutdown_announced__is_changed_over_at_once_without_a_gap(
    is_bare: bool,
    only: Callable[..., Source],
    binance: SimulatedBinance,
    supervised: Supervised,
    listen: Callable[[str], Any],
    nats_subject: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_connection, "OVERLAP_SECONDS", 0.1)
    arrivals = await listen(nats_subject)
    source = only()
    event = {"e": "serverShutdown", "E": time.time_ns() // 1_000_000}
    sent = 0
    async with supervised(source):
        await eventually(lambda: binance.streams == [TRADE])
        await binance.send_raw(json.dumps(event if is_bare else {"stream": "!serverShutdown", "data": event}))
        while binance.opened < 2 or len(binance.connections) > 1:
            sent += 1
            await binance.send(TRADE, trade(sent))
            await asyncio.sleep(0.005)
        await eventually(lambda: len(arrivals.messages) == sent)
    assert [data["t"] for data in arrivals.of_stream(TRADE)] == list(range(1, sent + 1))
    assert (source.status.missed, source.status.failures, source.status.garbage) == (0, 0, 0)


async def test_binance__print_that_is_no_market_trade__is_counted_and_not_published(
    only: Callable[..., Source],
    binance: SimulatedBinance,
    supervised: Supervised,
    listen: Callable[[str], Any],
    nats_subject: str,
) -> None:
    arrivals = await listen(nats_subject)
    source = only()
    async with supervised(source):
        await eventually(lambda: binance.streams == [TRADE])
        for number, execution in enumerate(("MARKET", "INSURANCE_FUND", "ADL", "NA", "MARKET"), 1):
            await binance.send(TRADE, {**trade(number), "X": execution})
        await eventually(lambda: len(arrivals.messages) == 2)
    assert [data["t"] for data in arrivals.of_stream(TRADE)] == [1, 5]
    assert (source.status.no_market_trades, source.status.missed, source.status.garbage) == (3, 0, 0)


async def test_binance__successor_asked_to_wait__is_not_opened_before(
    only: Callable[..., Source], binance: SimulatedBinance, supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_connection, "RETRY_SUCCESSOR_SECONDS", 0.01)
    source = only(BINANCE_CONNECTION_SECONDS="1")
    async with supervised(source):
        await eventually(lambda: binance.streams == [TRADE])
        with binance.refusing(429, {"Retry-After": "3600"}):
            for number in range(1, 200):
                await binance.send(TRADE, trade(number))
                await asyncio.sleep(0.01)
            await eventually(lambda: source.status.messages == 199)
    assert binance.refused == 1
    assert source.status.failures == 0


async def test_binance__pings__are_answered(
    only: Callable[..., Source], binance: SimulatedBinance, supervised: Supervised
) -> None:
    pings = [b"1723075200000", b"1723075220000"]
    async with supervised(only()):
        await eventually(lambda: binance.streams == [TRADE])
        (connection,) = binance.connections
        for ping in pings:
            await connection.socket.ping(ping)
        await eventually(lambda: connection.pongs == pings)


async def test_binance__silent_stream__is_subscribed_again(
    only: Callable[..., Source], binance: SimulatedBinance, supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_connection, "STEADY_SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(stream_connection, "SILENCE_CHECK_SECONDS", 0.1)
    source = only(BINANCE_STREAMS="trade,ticker")
    async with supervised(source):
        await eventually(lambda: len(binance.streams) == 2)
        connection = binance.connections[0]
        number = 0
        while len(connection.requests) < 3:
            number += 1
            await binance.send(TRADE, trade(number))
            await asyncio.sleep(0.01)
        assert [request["method"] for request in connection.requests] == ["SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]
        assert connection.requests[1]["params"] == ["btcusdt@ticker"]
        await eventually(lambda: len(binance.streams) == 2)
    assert source.status.failures == 0


async def test_binance__many_symbols__keep_to_the_limits_of_the_exchange(
    binance: SimulatedBinance, publisher: LivePublisher, nats_subject: str, supervised: Supervised
) -> None:
    symbols = ",".join(f"SYM{number}USDT" for number in range(1_100))
    found = sources(binance, publisher, nats_subject, symbols=symbols)
    assert [source.status.name for source in found] == ["binance.spot.public.1", "binance.spot.public.2"]
    async with supervised(found[0]), supervised(found[1]):
        await eventually(lambda: len(binance.streams) == 1_100)
    assert binance.violations == []


async def test_binance__both_markets__are_asked_where_each_stream_is_served(
    binance: SimulatedBinance, publisher: LivePublisher, nats_subject: str, supervised: Supervised, listen: Any
) -> None:
    arrivals = await listen(f"{nats_subject}.usdm")
    found = sources(
        binance,
        publisher,
        f"{nats_subject}.spot",
        BINANCE_MARKETS="usdm,spot",
        BINANCE_USDM_TOPIC=f"{nats_subject}.usdm",
        BINANCE_STREAMS="depth20@100ms,trade,ticker,markPrice@1s",
    )
    assert [source.status.name for source in found] == [
        "binance.spot.public.1",
        "binance.usdm.public.1",
        "binance.usdm.market.1",
    ]
    async with supervised(found[1]), supervised(found[2]):
        await eventually(lambda: len(binance.streams) == 4)
        mark = {"e": "markPriceUpdate", "E": 1, "s": "BTCUSDT", "p": "1", "i": "1", "r": "0", "T": 2}
        assert await binance.send("btcusdt@markPrice@1s", mark) == 1
        for number, previous in ((10, 9), (12, 10), (15, 13)):
            book = {"e": "depthUpdate", "E": number, "u": number, "pu": previous, "b": [], "a": []}
            assert await binance.send("btcusdt@depth20@100ms", book) == 1
        await eventually(lambda: len(arrivals.messages) == 4)
    assert found[1].status.missed == 1


def test_stream__numbers_go_back__only_a_new_connection_may() -> None:
    stream = Stream("BTCUSDT", "trade", SPOT)

    def take(number: int) -> MessageVerdict:
        return stream.take(json.dumps({"stream": TRADE, "data": trade(number)}).encode())

    assert [take(number) for number in (7, 7, 5)] == [
        MessageVerdict.NEW,
        MessageVerdict.REPEATED,
        MessageVerdict.REPEATED,
    ]
    stream.begin()
    assert take(3) is MessageVerdict.NEW
    assert stream.missed == 0

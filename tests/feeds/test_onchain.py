"""On-chain metrics from a server that answers as Coin Metrics and Whale Alert document it."""

import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientTimeout, web

from realtime_runtime.feeds import web as feed_web
from realtime_runtime.feeds.live import live_settings
from realtime_runtime.feeds.publishing import LivePublisher
from realtime_runtime.feeds.sources import onchain
from realtime_runtime.feeds.sources.onchain import OnchainSource
from strategy_core.market.event_kinds import ONCHAIN
from tests.feeds.conftest import Arrivals, Supervised
from tests.feeds.servers.http import JsonServer
from tests.waiting import eventually

METRICS = "/v4/timeseries/asset-metrics"
TRANSFERS = "/v1/transactions"
DAY = 86_400
Make = Callable[..., OnchainSource]


def day(asset: str, days_ago: int, **metrics: str | None) -> dict[str, Any]:
    """A row as Coin Metrics writes it: the day's beginning with nanoseconds, numbers as text."""
    begin = (int(time.time()) // DAY - days_ago) * DAY
    moment = datetime.fromtimestamp(begin, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"asset": asset, "time": f"{moment}.000000000Z", **metrics}


def transfer(symbol: str, amount: float, sender: str, receiver: str, days_ago: int = 1) -> dict[str, Any]:
    """A transaction as Whale Alert writes it."""
    return {
        "blockchain": "bitcoin",
        "symbol": symbol,
        "transaction_type": "transfer",
        "from": {"address": "a", "owner_type": sender},
        "to": {"address": "b", "owner_type": receiver},
        "timestamp": (int(time.time()) // DAY - days_ago) * DAY + 60,
        "amount": amount,
        "amount_usd": amount * 60_000,
    }


@pytest.fixture
async def server() -> AsyncIterator[JsonServer]:
    """Coin Metrics' community plan: no flows."""
    async with JsonServer() as running:
        running.answers[METRICS] = {
            "data": [
                day("btc", 2, AdrActCnt="900000", TxTfrValAdjNtv="100000.5"),
                day("btc", 1, AdrActCnt="910000", TxTfrValAdjNtv=None),
                day("eth", 1, AdrActCnt="400000"),
            ]
        }
        yield running


@pytest.fixture
def make(server: JsonServer, publisher: LivePublisher, nats_subject: str, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(onchain, "ONCHAIN", replace(ONCHAIN, topic=nats_subject))

    def source(**environ: str) -> OnchainSource:
        variables = {"COINMETRICS_URL": server.url, "WHALE_ALERT_URL": server.url, "ONCHAIN_INTERVAL_SECONDS": "0.1"}
        return OnchainSource(live_settings.read({**variables, **environ}).onchain, publisher)

    return source


@pytest.fixture
async def arrivals(listen: Callable[[str], Any], nats_subject: str) -> Arrivals:
    found: Arrivals = await listen(f"{nats_subject}.>")
    return found


def end_of(days_ago: int) -> int:
    return (int(time.time()) // DAY - days_ago + 1) * DAY * 1000


async def test_onchain__days__newest_is_news_once_and_absent_is_absent(
    make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    async with supervised(make()):
        await eventually(lambda: server.asked(METRICS) >= 3)
        await eventually(lambda: len(arrivals.messages) >= 6)
    first, second = arrivals.documents[:3], arrivals.documents[3:6]
    base = {"source": "coinmetrics"}
    known = {**base, "active_addresses": 900_000.0, "transaction_volume": 100_000.5}
    assert first == [
        {"asset": "BTC", "ts": end_of(2), **known, "history": True},
        {"asset": "BTC", "ts": end_of(1), **base, "active_addresses": 910_000.0},
        {"asset": "ETH", "ts": end_of(1), **base, "active_addresses": 400_000.0},
    ]
    assert [document["history"] for document in second] == [True, True, True]


async def test_onchain__days_that_cannot_be__are_counted_and_the_others_published(
    make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    rows = [
        day("btc", 4, AdrActCnt="900000"),
        day("btc", 3, AdrActCnt="9"),
        day("btc", 2, AdrActCnt="910000", TxTfrValAdjNtv="1e30"),
        day("btc", 1, AdrActCnt="920000"),
        day("btc", -1, AdrActCnt="930000"),
    ]
    server.answers[METRICS] = {"data": rows}
    source = make()
    async with supervised(source):
        await eventually(lambda: len(arrivals.messages) >= 2)
    assert [(each["ts"], each["active_addresses"], "history" in each) for each in arrivals.documents[:2]] == [
        (end_of(4), 900_000.0, True),
        (end_of(1), 920_000.0, False),
    ]
    assert source.status.implausible >= 3
    assert source.status.implausible % 3 == 0


async def test_onchain__paid_plan__asks_with_its_key_and_passes_the_flows_on(
    make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    server.answers[METRICS] = {"data": [day("btc", 1, FlowInExNtv="40.5", FlowOutExNtv="60")]}
    async with supervised(make(COINMETRICS_API_KEY="key", ONCHAIN_HISTORY_PERIODS="24")):
        await eventually(lambda: bool(arrivals.messages))
    _, query, _ = server.requests[0]
    assert (query["api_key"], query["limit_per_asset"], query["paging_from"]) == ("key", "24", "end")
    assert arrivals.documents[0]["exchange_inflow"] == 40.5
    assert arrivals.documents[0]["exchange_outflow"] == 60.0


async def test_onchain__whale_key__largest_transfers_of_the_day_are_there(
    make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    seen = [
        transfer("btc", 150.0, "unknown", "exchange"),
        transfer("btc", 120.0, "unknown", "exchange"),
        transfer("btc", 300.0, "exchange", "unknown", days_ago=3),
        transfer("btc", 999.0, "exchange", "exchange"),
        transfer("btc", 888.0, "unknown", "unknown"),
        transfer("eth", 2_000.0, "exchange", "unknown"),
    ]

    def page(request: web.Request) -> dict[str, Any]:
        part = seen[3:] if "cursor" in request.query else seen[:3]
        return {
            "result": "success",
            "cursor": "next",
            "count": 100 if "cursor" not in request.query else 3,
            "transactions": part,
        }

    server.answers[TRANSFERS] = page
    async with supervised(make(WHALE_ALERT_API_KEY="key")):
        await eventually(lambda: len(arrivals.messages) >= 3)
    older, btc, eth = arrivals.documents[:3]
    assert "largest_transfer_to_exchange" not in older
    assert btc["largest_transfer_to_exchange"] == 150.0
    assert "largest_transfer_from_exchange" not in btc
    assert eth["largest_transfer_from_exchange"] == 2_000.0
    _, query, headers = next(request for request in server.requests if request[0] == TRANSFERS)
    assert headers["X-WA-API-KEY"] == "key"
    assert "key" not in query.values()


@pytest.mark.parametrize(
    ("refusal", "status", "is_asked_again"),
    [
        (web.HTTPForbidden, 403, True),
        (partial(web.HTTPTooManyRequests, headers={"Retry-After": "3600"}), 429, False),
    ],
)
async def test_onchain__transfers_refused__other_figures_come_without_them(
    refusal: Callable[[], web.HTTPException],
    status: int,
    is_asked_again: bool,
    make: Make,
    server: JsonServer,
    supervised: Supervised,
    arrivals: Arrivals,
) -> None:
    def refuse(request: web.Request) -> dict[str, Any]:
        raise refusal()

    server.answers[TRANSFERS] = refuse
    source = make(WHALE_ALERT_API_KEY="s3cret")
    async with supervised(source):
        await eventually(lambda: server.asked(METRICS) >= 3)
    assert (server.asked(TRANSFERS) > 1) is is_asked_again
    assert len(arrivals.messages) >= 3
    assert not any("largest_transfer_to_exchange" in document for document in arrivals.documents)
    assert f"{server.url}{TRANSFERS} answers {status}" in source.status.last_error
    assert "s3cret" not in source.status.last_error
    assert (source.status.failures, source.status.rate_limited) == (0, int(not is_asked_again))


async def test_onchain__started_anew__still_knows_the_transfers_of_the_day(
    make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    figures = server.answers[METRICS]

    def transfers(request: web.Request) -> dict[str, Any]:
        is_first = server.asked(TRANSFERS) == 1
        return {"count": 1, "transactions": [transfer("btc", 150.0, "unknown", "exchange")] if is_first else []}

    server.answers[TRANSFERS] = transfers
    server.answers[METRICS] = lambda _: figures if server.asked(METRICS) > 1 else {"data": "none"}
    source = make(WHALE_ALERT_API_KEY="key")
    async with supervised(source):
        await eventually(lambda: len(arrivals.messages) >= 2)
    assert source.status.failures == 1
    assert arrivals.documents[1]["largest_transfer_to_exchange"] == 150.0


async def test_onchain__old_figures__are_history_only(
    make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    server.answers[METRICS] = {"data": [day("btc", 9, AdrActCnt="1")]}
    async with supervised(make()):
        await eventually(lambda: len(arrivals.messages) >= 2)
    assert all(document["history"] for document in arrivals.documents)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html/>", b"\xff", b"[]", b"{}", b'{"data": 5}',
        b'{"data": [{"asset": "btc"}]}', b'{"data": [{"asset": "btc", "time": "noon"}]}',
    ],
)  # fmt: skip
async def test_onchain__garbage__is_not_published_and_asked_for_again(
    body: bytes, make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    server.refusals.append((200, {}, body))
    source = make()
    async with supervised(source):
        await eventually(lambda: bool(arrivals.messages))
    assert (source.status.failures, source.status.garbage) == (1, 1)


async def test_onchain__negative_or_infinite_metric__refuses_the_answer(
    make: Make, server: JsonServer, supervised: Supervised
) -> None:
    server.answers[METRICS] = {"data": [day("btc", 1, AdrActCnt="-5")]}
    source = make()
    async with supervised(source):
        await eventually(lambda: source.status.failures >= 1)
    assert source.status.messages == 0


@pytest.mark.parametrize("status", [302, 400, 401, 403, 414, 418, 429, 500, 503])
async def test_onchain__refused__comes_back_without_showing_the_key(
    status: int, make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    body = json.dumps({"error": {"type": "forbidden", "message": "Requested metric is not available"}}).encode()
    server.refusals.append((status, {"Retry-After": "1", "Location": f"{server.url}/elsewhere"}, body))
    source = make(COINMETRICS_API_KEY="s3cret")
    async with supervised(source):
        await eventually(lambda: bool(arrivals.messages))
    assert f"answers {status}" in source.status.last_error
    assert "s3cret" not in source.status.last_error
    assert server.asked("/elsewhere") == 0


@pytest.mark.parametrize("header", ["Retry-After", "x-ratelimit-reset"])
async def test_onchain__rate_limited__waits_as_long_as_it_is_asked_to_and_can_end_meanwhile(
    header: str, make: Make, server: JsonServer, supervised: Supervised
) -> None:
    server.refusals.append((429, {header: "600"}, b""))
    source = make()
    async with supervised(source):
        await eventually(lambda: source.status.failures == 1)
    assert source.status.last_error.endswith("asked to wait 600 s")
    assert server.asked(METRICS) == 1


async def test_onchain__last_request_of_a_window__is_taken_and_not_repeated(
    make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onchain, "FIRST_DELAY_SECONDS", 0.0)
    body = json.dumps(server.answers[METRICS]).encode()
    server.refusals.append((200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "600"}, body))
    source = make(ONCHAIN_INTERVAL_SECONDS="600")
    async with supervised(source):
        await eventually(lambda: bool(arrivals.messages))
    assert (server.asked(METRICS), source.status.failures) == (1, 0)


async def test_onchain__answer_without_an_end__is_given_up(
    make: Make, supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_web, "MAX_ANSWER_BYTES", 9)
    source = make()
    async with supervised(source):
        await eventually(lambda: source.status.failures >= 1)
    assert "more than 9 bytes" in source.status.last_error


async def test_onchain__no_answer_in_time__is_given_up(
    make: Make, server: JsonServer, supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_web, "TIMEOUT", ClientTimeout(total=0.2))
    server.is_hanging = True
    source = make()
    async with supervised(source):
        await eventually(lambda: source.status.failures >= 1)
    assert source.status.last_error.endswith("cannot be reached: TimeoutError")


async def test_onchain__several_pages__are_taken_as_one_answer(
    make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    pages = {
        None: {"data": [day("eth", 1, AdrActCnt="400000")], "next_page_token": "2", "next_page_url": server.url},
        "2": {"data": [day("btc", 1, AdrActCnt="910000")], "next_page_token": "3"},
        "3": {"data": [day("btc", 2, AdrActCnt="900000")], "next_page_token": None},
    }
    server.answers[METRICS] = lambda request: pages[request.query.get("next_page_token")]
    async with supervised(make(COINMETRICS_API_KEY="key", ONCHAIN_INTERVAL_SECONDS="0.5")):
        await eventually(lambda: len(arrivals.messages) >= 3)
    assert [(each["asset"], each["ts"]) for each in arrivals.documents[:3]] == [
        ("BTC", end_of(2)),
        ("BTC", end_of(1)),
        ("ETH", end_of(1)),
    ]
    (_, first, _), (_, second, _) = server.requests[:2]
    assert second == {**first, "next_page_token": "2"}


async def test_onchain__pages_without_an_end__are_given_up(
    make: Make, server: JsonServer, supervised: Supervised
) -> None:
    server.answers[METRICS] = {"data": [], "next_page_token": "again"}
    source = make()
    async with supervised(source):
        await eventually(lambda: source.status.failures >= 1)
    assert source.status.last_error.endswith("more than 10 pages")
    assert source.status.garbage >= 1


@pytest.mark.parametrize("headers", [{"Content-Length": "99"}, {"Content-Encoding": "gzip"}])
async def test_onchain__answer_that_breaks_off__is_asked_for_again_at_once(
    headers: dict[str, str], make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    server.torn.append(headers)
    source = make(COINMETRICS_API_KEY="s3cret")
    async with supervised(source):
        await eventually(lambda: bool(arrivals.messages))
    assert "cannot be reached" in source.status.last_error
    assert "s3cret" not in source.status.last_error


async def test_onchain__nobody_there__fails_at_once_without_showing_the_key(
    make: Make, server: JsonServer, supervised: Supervised
) -> None:
    source = make(COINMETRICS_API_KEY="s3cret", COINMETRICS_URL="http://127.0.0.1:1/base")
    async with supervised(source):
        await eventually(lambda: source.status.failures >= 2)
    assert "http://127.0.0.1:1/base/v4/timeseries/asset-metrics cannot be reached" in source.status.last_error
    assert "s3cret" not in source.status.last_error


async def test_onchain__silence__is_ended_by_the_watchdog(
    make: Make, server: JsonServer, supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onchain, "LEAST_SILENCE_SECONDS", 0.3)
    server.is_hanging = True
    source = make()
    async with supervised(source):
        await eventually(lambda: server.asked(METRICS) == 2)
    assert "SilenceError" in source.status.last_error

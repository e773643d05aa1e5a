"""Deep books: recorded snapshots over HTTP and recorded differences over a websocket, to what is published."""

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from realtime_runtime.feeds.binance import depth
from realtime_runtime.feeds.binance.book_sync import DepthDifference, OrderBook, decode_snapshot
from realtime_runtime.feeds.publishing import LivePublisher
from tests.feeds.conftest import Supervised, recorded
from tests.feeds.servers.binance import SimulatedBinance
from tests.feeds.test_binance import sources
from tests.waiting import eventually

DIFFERENCES = "btcusdt@depth@100ms"
BUILT = "btcusdt@depth100@100ms"


@pytest.fixture
def day(market_data: Path, binance: SimulatedBinance) -> list[tuple[str, str]]:
    """The first recorded differences of BTCUSDT; the server has the recorded snapshot."""
    lines = list(islice(recorded(market_data / "market/spot-20240808.raw-diffs.jsonl.gz"), 400))
    (snapshot,) = (line for stream, line in lines if stream == "btcusdt@depthSnapshot")
    binance.snapshots["BTCUSDT"] = snapshot[snapshot.index('"data":') + 7 : -1].encode()
    return [pair for pair in lines if pair[0] == DIFFERENCES]


async def send_until(
    binance: SimulatedBinance, lines: Iterator[tuple[str, str]], condition: Callable[[], bool]
) -> None:
    """Send differences one after another, at their pace, until the condition is true or there are no more."""
    for stream, line in lines:
        await binance.send_line(stream, line)
        await asyncio.sleep(0.05)
        if condition():
            return


def snapshot_at(number: int, snapshot: bytes, day: list[tuple[str, str]]) -> bytes:
    """What the exchange would answer later: the snapshot with the differences up to a number."""
    book = OrderBook(decode_snapshot(snapshot), is_futures=False)
    for _, line in day:
        difference = msgspec.json.decode(line[line.index('"data":') + 7 : -1], type=DepthDifference)
        if difference.last <= number:
            book.apply(difference)
    bids, asks = book.top(1_000)
    return json.dumps({"lastUpdateId": number, "bids": bids, "asks": asks}).encode()


async def test_books__recorded_day__publish_what_the_exchange_would(
    day: list[tuple[str, str]],
    binance: SimulatedBinance,
    publisher: LivePublisher,
    nats_subject: str,
    supervised: Supervised,
    listen: Callable[[str], Any],
    market_data: Path,
) -> None:
    arrivals = await listen(f"{nats_subject}.>")
    (source,) = sources(
        binance, publisher, f"{nats_subject}.>", BINANCE_BOOK_LEVELS="100", BINANCE_STREAMS="depth20@100ms"
    )
    async with supervised(source):
        await eventually(lambda: binance.streams == [DIFFERENCES])
        for stream, line in day[:3]:
            await binance.send_line(stream, line)
        await eventually(lambda: binance.snapshot_requests == [{"symbol": "BTCUSDT", "limit": "1000"}])
        for stream, line in day[3:]:
            await binance.send_line(stream, line)
        last = json.loads(day[-1][1])["data"]["u"]
        await eventually(lambda: bool(arrivals.messages) and arrivals.of_stream(BUILT)[-1]["lastUpdateId"] == last)
    native = {
        json.loads(line)["data"]["lastUpdateId"]: json.loads(line)["data"]
        for _, line in islice(recorded(market_data / "market/spot-20240808.jsonl.gz", "btcusdt@depth20@100ms"), 300)
    }
    found = arrivals.of_stream(BUILT)
    assert len(found) > 100
    for data in found:
        partial = native[data["lastUpdateId"]]
        assert (data["bids"][:20], data["asks"][:20]) == (partial["bids"], partial["asks"])
        assert len(data["bids"]) == len(data["asks"]) == 100
    assert {subject for subject, _ in arrivals.messages} == {f"{nats_subject}.BTCUSDT"}
    assert source.status.missed == 0


async def test_books__gap__are_built_anew_from_another_snapshot(
    day: list[tuple[str, str]],
    binance: SimulatedBinance,
    publisher: LivePublisher,
    nats_subject: str,
    supervised: Supervised,
    listen: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(depth, "RETRY_SECONDS", 0.05)
    arrivals = await listen(nats_subject)
    (source,) = sources(binance, publisher, nats_subject, BINANCE_BOOK_LEVELS="100", BINANCE_STREAMS="depth20@100ms")
    snapshot = binance.snapshots["BTCUSDT"]
    async with supervised(source):
        await eventually(lambda: binance.streams == [DIFFERENCES])
        lines = iter(day)
        await send_until(binance, lines, lambda: bool(arrivals.messages))
        requests = len(binance.snapshot_requests)
        *_, first_after = islice(lines, 10)
        await binance.send_line(*first_after)
        await eventually(lambda: source.status.missed == 1)
        later = json.loads(first_after[1])["data"]["u"]
        binance.snapshots["BTCUSDT"] = snapshot_at(later, snapshot, day)
        await send_until(binance, lines, lambda: arrivals.of_stream(BUILT)[-1]["lastUpdateId"] > later)
    assert arrivals.of_stream(BUILT)[-1]["lastUpdateId"] > later
    assert source.status.missed == 1
    assert len(binance.snapshot_requests) > requests
    assert source.status.failures == 0


@pytest.mark.parametrize("status", [429, 418, 500])
async def test_books__snapshot_refused__is_asked_for_again_after_the_wait(
    status: int,
    day: list[tuple[str, str]],
    binance: SimulatedBinance,
    publisher: LivePublisher,
    nats_subject: str,
    supervised: Supervised,
    listen: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(depth, "RETRY_SECONDS", 0.05)
    arrivals = await listen(nats_subject)
    (source,) = sources(binance, publisher, nats_subject, BINANCE_BOOK_LEVELS="100", BINANCE_STREAMS="depth20@100ms")
    async with supervised(source):
        await eventually(lambda: binance.streams == [DIFFERENCES])
        binance.refusals.append((status, {"Retry-After": "1"}))
        for stream, line in day[:3]:
            await binance.send_line(stream, line)
        await eventually(lambda: len(binance.snapshot_requests) == 2)
        for stream, line in day[3:20]:
            await binance.send_line(stream, line)
        await eventually(lambda: len(arrivals.messages) >= 10)
    assert source.status.failures == 0


async def test_books__asked_to_wait__ask_for_no_snapshot_over_a_new_connection_either(
    day: list[tuple[str, str]],
    binance: SimulatedBinance,
    publisher: LivePublisher,
    nats_subject: str,
    supervised: Supervised,
) -> None:
    (source,) = sources(binance, publisher, nats_subject, BINANCE_BOOK_LEVELS="100", BINANCE_STREAMS="depth20@100ms")
    async with supervised(source):
        await eventually(lambda: binance.streams == [DIFFERENCES])
        binance.refusals.append((418, {"Retry-After": "3600"}))
        await binance.send_line(*day[0])
        await eventually(lambda: source.status.rate_limited == 1)
        assert source.status.rate_limit_seconds == 3600
        await binance.drop()
        await eventually(lambda: binance.opened == 2 and binance.streams == [DIFFERENCES])
        for stream, line in day[1:20]:
            await binance.send_line(stream, line)
        await eventually(lambda: source.status.messages == 20)
        await asyncio.sleep(2 * depth.SNAPSHOT_INTERVAL_SECONDS)
    assert len(binance.snapshot_requests) == 1


async def test_books__gap_of_futures__is_counted_once(
    binance: SimulatedBinance, publisher: LivePublisher, nats_subject: str, supervised: Supervised
) -> None:
    binance.snapshots["BTCUSDT"] = b'{"lastUpdateId": 10, "bids": [["1", "1"]], "asks": [["2", "1"]]}'
    (source,) = sources(
        binance,
        publisher,
        nats_subject,
        BINANCE_MARKETS="usdm",
        BINANCE_USDM_TOPIC=nats_subject,
        BINANCE_BOOK_LEVELS="100",
        BINANCE_STREAMS="depth20@100ms",
    )
    async with supervised(source):
        await eventually(lambda: binance.streams == [DIFFERENCES])
        for first, last, previous in ((9, 11, 8), (12, 13, 11), (16, 17, 15)):
            update = {"e": "depthUpdate", "E": last, "T": last, "s": "BTCUSDT", "U": first, "u": last, "pu": previous}
            await binance.send(DIFFERENCES, update | {"b": [["1", "2"]], "a": []})
        await eventually(lambda: source.status.messages == 3)
    assert source.status.missed == 1

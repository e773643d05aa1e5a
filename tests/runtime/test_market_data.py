"""Market data that cannot be, over NATS into a running runtime: set aside by name, and trading goes on."""

import json
import time
from collections.abc import Callable
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from realtime_runtime.app import App
from tests.runtime.conftest import Environ, RunningApp, get_json
from tests.runtime.market import is_listening
from tests.waiting import eventually

ON = {"ORDERBOOK_SKEW_MIN_SIGNAL_INTERVAL_SECONDS": "0", "TRADE_MOMENTUM_MOMENTUM_WINDOW": "5"}
SLOW_OFF = {"STRATEGY_ENABLED_ICEBERG_DETECTOR": "false"}
Message = tuple[str, dict[str, Any]]


def now_ms(shift_ms: int = 0) -> int:
    return time.time_ns() // 1_000_000 + shift_ms


def trade(price: float = 60_000.0, *, shift_ms: int = 0, **members: Any) -> Message:
    at = now_ms(shift_ms)
    data = {"e": "trade", "E": at, "T": at, "s": "BTCUSDT", "p": str(price), "q": "1", "m": False, **members}
    return "btcusdt@trade", data


def undated_book(mid: float = 60_000.0, bid_quantity: str = "1") -> Message:
    levels = {"bids": [[str(mid - 1), bid_quantity]], "asks": [[str(mid + 1), "1"]]}
    return "btcusdt@depth20@100ms", {"lastUpdateId": 1, **levels}


def dated_book(mid: float = 60_000.0, *, shift_ms: int = 0, **members: Any) -> Message:
    levels = {"b": [[str(mid - 1), "9"]], "a": [[str(mid + 1), "1"]]}
    return "btcusdt@depth20@100ms", {"e": "depthUpdate", "E": now_ms(shift_ms), "s": "BTCUSDT", **levels, **members}


async def send(client: Client, environ: Environ, *messages: Message) -> None:
    for stream, data in messages:
        body = json.dumps({"stream": stream, "data": data}, separators=(",", ":"))
        await client.publish(environ["NATS_CONSUMER_TOPIC"], body.encode())
    await client.request(environ["NATS_CONSUMER_TOPIC"], b"", timeout=30)


async def counters(app: App) -> dict[str, Any]:
    _, body = await get_json(app, "/info")
    found: dict[str, Any] = body["runtime"]["counters"]
    return found


CASES: dict[str, tuple[Callable[[], list[Message]], str]] = {
    "a book of another symbol": (lambda: [undated_book(3_000.0, "9")] * 20, "implausible"),
    "prints of the insurance fund": (
        lambda: [trade(54_000.0 - n, X="INSURANCE_FUND") for n in range(20)],
        "no_market_trade",
    ),
    "trades far off": (lambda: [trade(30_000.0), trade(), trade(90_000.0), trade()], "implausible"),
    "differences labelled as books": (lambda: [dated_book(U=10, u=12)] * 5, "depth_diff"),
    "books of the future": (lambda: [dated_book(shift_ms=120_000)] * 5, "untimely"),
}


@pytest.mark.parametrize("name", CASES)
async def test_runtime__market_data_that_cannot_be__is_set_aside_by_name(
    name: str, shared_servers: Environ, running_app: RunningApp
) -> None:
    make, outcome = CASES[name]
    client = await nats.connect(shared_servers["NATS_URL"])
    async with running_app(shared_servers | ON | SLOW_OFF) as app:
        await is_listening(app)
        await send(client, shared_servers, trade(), undated_book())
        await send(client, shared_servers, *make())
        found = await counters(app)
        counted = found[outcome]
        assert (sum(counted.values()) if isinstance(counted, dict) else counted) >= 1
        assert (found["signals"], found["bad_input"], found["malformed"]) == ({}, 0, 0)
        await send(client, shared_servers, trade(), undated_book(bid_quantity="9"))
        await eventually(lambda: app.runtime.engine.counters.signals == {("orderbook_skew", "buy"): 1})
    await client.close()


@pytest.mark.parametrize("shift_ms", [120_000, -120_000], ids=["clock behind", "clock ahead"])
async def test_runtime__clock_that_is_wrong__trades_on_no_undated_book(
    shift_ms: int, shared_servers: Environ, running_app: RunningApp
) -> None:
    """The clock of the test's own host cannot be set: the exchange's is, which is the same to the runtime."""
    client = await nats.connect(shared_servers["NATS_URL"])
    async with running_app(shared_servers | ON | SLOW_OFF) as app:
        await is_listening(app)
        for quantity in ("1", "9") * 10:
            await send(client, shared_servers, trade(shift_ms=shift_ms), undated_book(bid_quantity=quantity))
        found = await counters(app)
        assert found["untimely"]["depth"] == 20
        assert found["untimely"]["trade"] + found["stale"] == 20
        assert (found["signals"], found["bad_input"]) == ({}, 0)
        await send(client, shared_servers, trade(), undated_book(), undated_book(bid_quantity="9"))
        await eventually(lambda: app.runtime.engine.counters.signals == {("orderbook_skew", "buy"): 1})
    await client.close()

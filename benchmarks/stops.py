"""From the press of a halt to the last signal that leaves: ``python -m benchmarks.stops``.

A strategy signals some hundred times a second; each halt stops everything, over the site or over NATS, and a resume
starts it again. The time is that of the last signal that arrives here, so it includes the signal's own way.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from benchmarks.measure import machine, noise, table
from benchmarks.site import PREFIX
from benchmarks.stack import Stack, running_stack
from strategy_core.configuration.halts import SIGNATURE_HEADER, Halt, Scope, signature_of, wire_request

STOPS = 100
SECRET = "a secret of the benchmark"  # noqa: S105  (as it says)
TURN_SECONDS = 0.002
QUIET_SECONDS = 0.25
PATIENCE_SECONDS = 30.0
START_MS = 1_700_000_000_000
REPLAY = {"Replay": "1"}
STRATEGY = "/api/v1/strategies/orderbook_skew"
Stop = Callable[[], Awaitable[None]]


def main() -> None:
    """Run everything and print it."""
    print(machine())
    with running_stack(environ={"HALT_SECRET": SECRET}) as stack:
        ready = {"parameters": {"min_signal_interval_seconds": 0}, "changed_by": "bench"}
        stack.site.request("PATCH", f"{STRATEGY}/config", json=ready).raise_for_status()
        times = asyncio.run(_measure(stack))
    rows = [
        (name, *(f"{sorted(found)[min(len(found) - 1, len(found) * each // 100)]:.1f}" for each in (50, 99, 100)))
        for name, found in times.items()
    ]
    print(table((f"ms from the press to the last signal, {STOPS} halts each", "p50", "p99", "max"), rows))
    print("Asked: p99 50 ms through the site, 20 ms through NATS.")
    print(noise())


async def _measure(stack: Stack) -> dict[str, list[float]]:
    """By way: for each halt the milliseconds until the last signal had arrived."""
    client = await nats.connect(stack.nats.url)
    arrivals: list[float] = []

    async def note(message: Msg) -> None:
        arrivals.append(time.perf_counter())

    await client.subscribe("cio.intent.trading.>", cb=note)
    market = asyncio.create_task(_publish(client))
    try:
        return {
            "POST /api/v1/halt": await _stops(stack, arrivals, lambda: _over_site(stack)),
            "NATS control.….halt": await _stops(stack, arrivals, lambda: _over_nats(client)),
        }
    finally:
        market.cancel()
        with suppress(asyncio.CancelledError):
            await market
        await client.close()


async def _publish(client: Client) -> None:
    """A balanced book and one that leans to the bids, by turns: each of the latter makes the strategy buy."""
    for number in count():
        for at, bid_quantity in ((2 * number, 1.0), (2 * number + 1, 9.0)):
            book = {"e": "depthUpdate", "E": START_MS + 1_000 * at, "s": "BTCUSDT", "a": [["100.01", "1"]]}
            book["b"] = [["100.00", str(bid_quantity)]]
            payload = json.dumps({"stream": "btcusdt@depth20@100ms", "data": book}).encode()
            await client.publish("binance.websocket.data", payload, headers=REPLAY)
        await asyncio.sleep(TURN_SECONDS)


async def _stops(stack: Stack, arrivals: list[float], stop: Stop) -> list[float]:
    found = []
    for _ in range(STOPS):
        await _until(lambda: bool(arrivals) and time.perf_counter() - arrivals[-1] < 5 * TURN_SECONDS)
        pressed = time.perf_counter()
        await stop()
        await _until(lambda: time.perf_counter() - arrivals[-1] > QUIET_SECONDS)
        found.append(max(0.0, arrivals[-1] - pressed) * 1_000)
        await _ask(stack, "/api/v1/resume", {"scope": {}, "changed_by": "bench", "reason": "measured"})
    return found


async def _over_site(stack: Stack) -> None:
    await _ask(stack, "/api/v1/halt", {"scope": {}, "changed_by": "bench", "reason": "measured"})


async def _over_nats(client: Client) -> None:
    now = datetime.now(UTC).isoformat()
    halt = Halt(id=str(uuid4()), scope=Scope(), at=now, by="bench", reason="measured", channel="nats")
    body = wire_request(halt)
    headers = {SIGNATURE_HEADER: signature_of(body, SECRET.encode())}
    await client.request(f"control.{PREFIX}.halt", body, timeout=PATIENCE_SECONDS, headers=headers)


async def _ask(stack: Stack, path: str, document: dict[str, Any]) -> None:
    response = await asyncio.to_thread(stack.site.post, path, json=document)
    response.raise_for_status()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110  (signals that do not come set no event)
            await asyncio.sleep(TURN_SECONDS)


if __name__ == "__main__":
    main()

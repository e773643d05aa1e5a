"""The whole stack on an exchange that cuts it off again and again: `make soak` for ten minutes, here for less."""

import asyncio
import os
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.conftest import Installation
from tests.faults.processes import ChildProcess, RuntimeProcess
from tests.faults.soak import STREAMS, MemoryLog, RestlessExchange, number_of
from tests.feeds.conftest import recorded
from tests.feeds.servers.binance import SimulatedBinance
from tests.feeds.servers.exchanges import SimulatedExchanges
from tests.waiting import eventually

SECONDS = float(os.environ.get("SOAK_SECONDS") or 40)
CUT_SECONDS = float(os.environ.get("SOAK_CUT_SECONDS") or 8)
CHANGE_SECONDS = 5.0
STEP_SECONDS = 1.0
# Half a second of backoff at first; the rest is for machines that are busy with other things.
LONGEST_AWAY_SECONDS = 10.0
# What allocators and caches may still take after the first quarter.
GROWTH_SHARE, GROWTH_MB = 0.03, 4.0


@pytest.mark.timeout(int(SECONDS) * 2 + 240)
async def test_stack__exchange_cuts_it_off__loses_what_was_in_flight_and_no_memory(
    installation: Installation, market_data: Path, tmp_path: Path
) -> None:
    arrived: set[int] = set()

    async def take(message: Msg) -> None:
        arrived.add(number_of(message.data))

    client = await nats.connect(installation.nats.url)
    await client.subscribe("binance.websocket.data", cb=take)
    received_before = received(installation.runtime)
    lines = list(islice(recorded(market_data / "market/spot-20240808.jsonl.gz", *STREAMS), 5_000))
    async with SimulatedBinance() as server, SimulatedExchanges() as others:
        exchange = RestlessExchange(server, lines)
        with feed_of(installation, server, others, tmp_path) as feed:
            await eventually(lambda: server.streams and others.subscriptions["coinbase"])
            memory = MemoryLog(feed=feed.pid, runtime=installation.runtime.pid)
            playing = asyncio.create_task(exchange.play())
            sequence = await disturb(installation, exchange, others, memory)
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            last = max(exchange.sent_at)
            await eventually(lambda: last in arrived)
            await eventually(lambda: received(installation.runtime) - received_before >= len(arrived))
            events = feed.log_path.read_text()
    await client.close()
    in_flight, otherwise = exchange.lost(arrived)
    print(
        f"\nsoak: {SECONDS:g} s, {len(exchange.cut_at)} cuts, {len(exchange.sent_at):,} sent, "
        f"{len(arrived):,} arrived, {len(in_flight)} lost in flight, away for at most "
        f"{exchange.longest_away_seconds():.1f} s, MB in the second and last quarter: {memory.growth()}"
    )
    assert len(exchange.cut_at) >= 3
    assert otherwise == []
    assert exchange.longest_away_seconds() < LONGEST_AWAY_SECONDS
    assert arrived <= exchange.sent_at.keys()
    assert installation.runtime.sequence() == sequence
    assert "Traceback" not in events
    for name, (before, after) in memory.growth().items():
        assert after <= before * (1 + GROWTH_SHARE) + GROWTH_MB, name


async def disturb(
    installation: Installation, exchange: RestlessExchange, others: SimulatedExchanges, memory: MemoryLog
) -> int:
    """Cut the feed off and change the configuration for as long as it takes; returns the last change's sequence."""
    began = time.monotonic()
    next_cut, next_change = began + CUT_SECONDS, began
    sequence = changes = 0
    while (now := time.monotonic()) < began + SECONDS:
        memory.sample()
        await others.push_price("coinbase", "BTC", 61_837.0 + changes)
        if now >= next_change:
            changes += 1
            metadata = await asyncio.to_thread(installation.write, 5 + changes % 5)
            sequence, next_change = int(metadata["sequence"]), now + CHANGE_SECONDS
        if now >= next_cut:
            await exchange.cut()
            await others.drop("coinbase")
            next_cut = now + CUT_SECONDS
        await asyncio.sleep(STEP_SECONDS)
    await eventually(lambda: installation.runtime.sequence() == sequence)
    return sequence


def feed_of(
    installation: Installation, server: SimulatedBinance, others: SimulatedExchanges, directory: Path
) -> ChildProcess:
    """The live feed, on the simulated exchanges."""
    environment: dict[str, Any] = {
        "NATS_URL": installation.nats.url,
        "LOG_FORMAT": "json",
        "FEED_HEALTH_PORT": "0",
        "TRADING_SYMBOLS": "BTCUSDT",
        "FEED_SOURCES": "binance,exchanges",
        "PRICE_EXCHANGES": "coinbase",
        "PRICE_EXCHANGE_URLS": others.urls("coinbase"),
        "BINANCE_SPOT_WS_URL": server.url,
        "BINANCE_STREAMS": "depth20@100ms,trade",
    }
    command = (sys.executable, "-m", "realtime_runtime", "feed", "live")
    return ChildProcess(command, environment, directory / "feed.log")


def received(runtime: RuntimeProcess) -> float:
    """Messages that NATS has brought to the runtime."""
    answer = runtime.answer("/metrics")
    assert answer is not None
    name = "realtime_runtime_messages_received"
    (family,) = (each for each in text_string_to_metric_families(answer.text) if each.name == name)
    return float(family.samples[0].value)

"""What the live feed shows of itself: probes, numbers that move, and traces of what it publishes."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from nats.aio.msg import Msg
from prometheus_client.parser import text_string_to_metric_families

from embedded.servers import HOST, NatsServer, free_port
from tests.faults.processes import ChildProcess
from tests.feeds.servers.binance import SimulatedBinance
from tests.feeds.servers.http import JsonServer
from tests.feeds.test_binance import TRADE, trade
from tests.monitoring.collector import Collector, collecting
from tests.plain_http import NO_ROOTS
from tests.waiting import eventually

BINANCE = {"source": "binance.spot.public.1"}
DOMINANCE = {"source": "dominance"}


@dataclass
class Watched:
    """A live feed, what it hears from and tells to, and where it shows how it does."""

    url: str
    nats: NatsServer
    binance: SimulatedBinance
    collector: Collector

    async def get(self, path: str) -> httpx.Response | None:
        """The answer; None while nobody listens."""
        async with httpx.AsyncClient(verify=NO_ROOTS) as client:
            try:
                return await client.get(f"{self.url}{path}", timeout=10)
            except httpx.TransportError:
                return None

    async def shows(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        answer = await self.get("/metrics")
        assert answer is not None
        families = text_string_to_metric_families(answer.text)
        samples = [each for family in families for each in family.samples if each.name == f"realtime_feed_{name}"]
        return sum(each.value for each in samples if labels.items() <= each.labels.items())

    async def state(self) -> tuple[int, Any] | None:
        """Status and body of /ready."""
        answer = await self.get("/ready")
        return None if answer is None else (answer.status_code, answer.json())


@pytest.fixture
async def watched(fresh_nats: NatsServer, tmp_path: Path) -> AsyncIterator[Watched]:
    """A feed of trades and of a dominance that asks to be left alone, started while NATS is away."""
    url = fresh_nats.url
    fresh_nats.stop()
    async with SimulatedBinance() as binance, JsonServer() as web:
        web.refusals.append((429, {"Retry-After": "600"}, b""))
        with collecting() as collector:
            port = free_port()
            environ = {
                "NATS_URL": url, "FEED_HEALTH_PORT": str(port), "LOG_FORMAT": "json", "TRADING_SYMBOLS": "BTCUSDT",
                "FEED_SOURCES": "binance,dominance", "BINANCE_STREAMS": "trade", "COINGECKO_URL": web.url,
                "BINANCE_SPOT_WS_URL": binance.url, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            }  # fmt: skip
            command = (sys.executable, "-m", "realtime_runtime", "feed", "live")
            with ChildProcess(command, environ, tmp_path / "feed.log"):
                yield Watched(f"http://{HOST}:{port}", fresh_nats, binance, collector)


async def test_feed_live__without_nats__lives_and_is_not_ready(watched: Watched) -> None:
    status, report = await eventually(watched.state)
    assert (status, report["status"]) == (503, "starting")
    assert await watched.shows("nats_connected") == 0
    answer = await watched.get("/healthz")
    assert (answer is not None and answer.status_code) == 200


async def test_feed_live__watched__shows_numbers_that_move_and_its_state(watched: Watched) -> None:
    watched.nats.start()
    await play(watched)

    async def is_told() -> bool:
        return await watched.shows("published_total", kind="binance") == 3 and bool(
            await watched.shows("backoff_seconds", **DOMINANCE)
        )

    await eventually(is_told)
    assert await watched.shows("messages_total", **BINANCE, outcome="taken") == 3
    assert await watched.shows("messages_total", **BINANCE, outcome="garbage") == 1
    assert await watched.shows("missed_total", **BINANCE) == 1
    assert await watched.shows("starts_total", **BINANCE) == 2
    assert await watched.shows("silent_seconds", **BINANCE) < await watched.shows("silence_limit_seconds", **BINANCE)
    assert await watched.shows("rate_limited_total", **DOMINANCE) == 1
    assert await watched.shows("rate_limit_wait_seconds_total", **DOMINANCE) == 600
    assert (await watched.shows("nats_connected"), await watched.shows("lost_total")) == (1, 0)
    status, report = await eventually(watched.state)
    assert (status, report["status"]) == (200, "degraded")
    assert {name for name, check in report["checks"].items() if check["status"] != "ok"} == {"dominance"}
    watched.nats.stop()

    async def is_cut_off() -> bool:
        return not await watched.shows("nats_connected")

    await eventually(is_cut_off)


async def test_feed_live__traced__a_message_carries_the_trace_of_its_publication(watched: Watched) -> None:
    watched.nats.start()
    messages: list[Msg] = []

    async def take(message: Msg) -> None:
        messages.append(message)

    client = await nats.connect(watched.nats.url)
    await client.subscribe("binance.websocket.data", cb=take)
    await client.flush()
    await play(watched)
    await eventually(lambda: len(messages) == 3)
    await client.close()
    traces = [(message.headers or {}).get("traceparent", "") for message in messages]
    assert traces[0], "the first message, then one a second"
    told = {tuple(trace.split("-")[1:3]) for trace in traces if trace}
    spans = await eventually(lambda: len(found := watched.collector.named("market.publish")) == len(told) and found)
    assert {(span.trace_id, span.span_id) for span in spans} == told
    assert spans[0].service == "realtime-strategies-feed"


async def play(watched: Watched) -> None:
    """Two trades with one missing between them, garbage, a lost connection, and a trade."""
    await eventually(lambda: watched.binance.streams == [TRADE], 60)
    await watched.binance.send(TRADE, trade(1))
    await watched.binance.send(TRADE, trade(3))
    await watched.binance.send_raw("garbage")

    async def has_taken() -> bool:
        return bool(await watched.shows("messages_total", **BINANCE, outcome="garbage"))

    await eventually(has_taken)
    await watched.binance.drop()
    await eventually(lambda: watched.binance.streams == [TRADE])
    await watched.binance.send(TRADE, trade(4))

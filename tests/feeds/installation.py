"""A runtime and a live feed as processes of their own, on servers that speak for the outside world."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.servers import NatsServer, Valkey
from tests.faults.processes import ChildProcess, RuntimeProcess
from tests.feeds.servers.binance import SimulatedBinance
from tests.feeds.servers.exchanges import SimulatedExchanges
from tests.feeds.servers.http import Answer, JsonServer
from tests.waiting import eventually

TOPIC = "binance.websocket.data"
INTENTS = "cio.intent.trading"


@dataclass
class Installation:
    """The outside world and what runs on it."""

    binance: SimulatedBinance
    exchanges: SimulatedExchanges
    web: JsonServer
    runtime: RuntimeProcess
    feed: ChildProcess

    def events(self) -> str:
        """What the feed has logged."""
        return self.feed.log_path.read_text()


@asynccontextmanager
async def installed(
    directory: Path,
    nats: NatsServer,
    valkey: Valkey,
    prefix: str,
    *,
    environ: Mapping[str, str],
    answers: Mapping[str, Answer],
) -> AsyncIterator[Installation]:
    """Start all of it, with HTTP ``answers`` by path; at the end everything must end by itself."""
    own = {"NATS_URL": nats.url, "LOG_FORMAT": "json", "TRADING_SYMBOLS": "BTCUSDT", "FEED_HEALTH_PORT": "0"}
    redis = {"REDIS_URL": valkey.url, "REDIS_KEY_PREFIX": prefix}
    async with SimulatedBinance() as binance, SimulatedExchanges() as exchanges, JsonServer() as web:
        web.answers |= answers
        outside = {
            "BINANCE_SPOT_WS_URL": binance.url,
            "BINANCE_SPOT_REST_URL": binance.rest_url,
            "PRICE_EXCHANGE_URLS": exchanges.urls("coinbase", "kraken", "bybit", "okx", "bitstamp"),
            "COINGECKO_URL": web.url,
            "COINMETRICS_URL": web.url,
        }
        command = (sys.executable, "-m", "realtime_runtime", "feed", "live")
        feed = ChildProcess(command, {**own, **outside, **environ}, directory / "feed.log")
        with RuntimeProcess({**own, **redis, **environ}, directory) as runtime:
            # What is news once, as a dominance, is missed by a runtime that listens a moment later.
            await eventually(lambda: runtime.status() is not None, 90)
            with feed:
                await eventually(lambda: len(binance.streams) > 0, 90)
                yield Installation(binance, exchanges, web, runtime, feed)
                feed.end()
            runtime.end()

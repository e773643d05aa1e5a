"""From servers that speak as the outside world does, through the live feed and NATS, to signals."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path
from typing import Any

import nats
import pytest

from embedded.servers import NatsServer, Valkey
from tests.feeds.conftest import Arrivals, recorded
from tests.feeds.installation import INTENTS, Installation, installed
from tests.feeds.servers.http import Answer
from tests.feeds.test_binance import TRADE
from tests.feeds.test_onchain import METRICS, day
from tests.waiting import eventually

# The import of ccxt in the feed's process alone takes up to 20 s of computing.
pytestmark = pytest.mark.slow
DOMINANCE = "/api/v3/global"
GAP = 1.01
ENVIRON = {
    "PRICE_EXCHANGES": "coinbase,kraken",
    "BINANCE_STREAMS": "trade",
    "STRATEGY_ENABLED_ONCHAIN_METRICS": "true",
    "ONCHAIN_INTERVAL_SECONDS": "1",
    "DOMINANCE_INTERVAL_SECONDS": "1",
}


@pytest.fixture
async def installation(
    fresh_nats: NatsServer, valkey: Valkey, redis_prefix: str, tmp_path: Path, market_data: Path
) -> AsyncIterator[Installation]:
    answers: dict[str, Answer] = {
        DOMINANCE: global_answer(market_data, share=55.0, age_seconds=1_200),
        METRICS: {"data": []},
    }
    async with installed(tmp_path, fresh_nats, valkey, redis_prefix, environ=ENVIRON, answers=answers) as running:
        yield running


async def test_strategies__on_other_data__signal_end_to_end(
    installation: Installation, fresh_nats: NatsServer, market_data: Path
) -> None:
    client = await nats.connect(fresh_nats.url)
    signals = Arrivals()
    await client.subscribe(f"{INTENTS}.>", cb=signals.take)
    await client.flush()
    pump = asyncio.create_task(_pump(installation, market_data))

    def by_strategy() -> dict[str, Any]:
        return {document["strategy_id"]: document for document in signals.documents}

    try:
        await eventually(
            lambda: installation.web.asked(DOMINANCE) >= 2 and "cross_exchange_spread" in by_strategy(), 120
        )
        # The news come only now, when the runtime is known to have a price to trade them at: each comes once.
        outflow = {"FlowInExNtv": "40000.5", "FlowOutExNtv": "60000.5"}
        installation.web.answers[METRICS] = {"data": [day("btc", ago, **outflow) for ago in range(30, 0, -1)]}
        installation.web.answers[DOMINANCE] = global_answer(market_data, share=61.0, age_seconds=0)
        await eventually(lambda: "btc_dominance" in by_strategy(), 60)
        await eventually(lambda: "onchain_metrics" in by_strategy(), 60)
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        await client.close()
    found = by_strategy()
    assert found["cross_exchange_spread"]["metadata"]["spread_percent"] == pytest.approx(1.0, abs=0.3)
    assert (found["btc_dominance"]["action"], found["btc_dominance"]["metadata"]["dominance_percent"]) == ("buy", 61.0)
    assert (found["onchain_metrics"]["action"], found["onchain_metrics"]["metadata"]["pattern"]) == (
        "buy",
        "accumulation",
    )
    assert all(document["metadata"].get("source") != "simulated" for document in signals.documents)


async def _pump(installation: Installation, market_data: Path) -> None:
    """Recorded trades of BTCUSDT as if they were made now, and Coinbase one percent above them."""
    await eventually(lambda: bool(installation.exchanges.subscriptions["coinbase"]), 90)
    for _, line in islice(recorded(market_data / "market/spot-20240808.jsonl.gz", TRADE), 10_000):
        data = json.loads(line)["data"]
        now = time.time_ns() // 1_000_000
        await installation.binance.send(TRADE, data | {"E": now, "T": now})
        await installation.exchanges.push_price("coinbase", "BTC", round(float(data["p"]) * GAP, 2))
        await asyncio.sleep(0.05)


def global_answer(market_data: Path, *, share: float, age_seconds: int) -> Any:
    """CoinGecko's recorded answer with another share of bitcoin, made so many seconds ago."""
    document = json.loads((market_data / "payloads/coingecko_api_v3_global.json").read_text())
    document["data"]["updated_at"] = int(time.time()) - age_seconds
    document["data"]["market_cap_percentage"]["btc"] = share
    return document

"""Several runtimes, each a process of its own, share the symbols: no overlap, no gap, nothing moves without need."""

import asyncio
import json
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import pytest
import redis
from nats.aio.client import Client
from nats.aio.msg import Msg

from embedded.servers import HOST, NatsServer, Valkey, die_with_parent, free_port
from strategy_core.configuration import redis_keys, runtime_reports
from strategy_core.strategies.registry import STRATEGIES
from tests.clean_environment import clean_environment
from tests.conftest import PROJECT_ROOT
from tests.docs.blocks import blocks
from tests.runtime.market import REPLAY, START_MS, depth
from tests.waiting import PATIENCE_SECONDS, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STRATEGY = "orderbook_skew"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "BTCUSD_PERP", *(f"COIN{number}USDT" for number in range(37)))
TOPIC = "binance.websocket.data"
[PARTITIONS] = [block.text for block in blocks("docs/SCALING.md") if block.info == "conf"]
Share = frozenset[str]


@dataclass(frozen=True)
class Replica:
    """A running runtime."""

    port: int
    process: asyncio.subprocess.Process

    def text(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def get(self, path: str) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.text(path))
        return body

    def counters(self) -> dict[str, Any]:
        counters: dict[str, Any] = self.get("/info")["runtime"]["counters"]
        return counters

    @property
    def name(self) -> str:
        name: str = self.get("/info")["runtime"]["instance_id"]
        return name

    def symbol_count(self) -> int:
        """How many symbols it keeps state for."""
        lines = self.text("/metrics").splitlines()
        return int(float(next(line.split()[1] for line in lines if line.startswith("realtime_runtime_symbols "))))

    def is_subscribed(self) -> bool:
        try:
            ready = self.get("/ready")
        except OSError:
            return False
        return ready["status"] != "starting" and bool(ready["checks"]["nats"]["status"] == "ok")


class Exchange:
    """Starts replicas, gives every symbol a cause to buy, and keeps the signals that come of it."""

    def __init__(self, client: Client, environ: dict[str, str], directory: Path) -> None:
        self.bought: list[str] = []
        self._client = client
        self._environ = environ
        self._directory = directory
        self._time_ms = START_MS

    @classmethod
    async def open(cls, nats_url: str, environ: dict[str, str], directory: Path) -> "Exchange":
        client = await nats.connect(nats_url)
        exchange = cls(client, environ | {"NATS_URL": nats_url}, directory)
        await client.subscribe(f"{environ['NATS_TOPIC_INTENTS']}.>", cb=exchange._take)
        return exchange

    async def close(self) -> None:
        await self._client.close()

    async def replicas(self, stack: AsyncExitStack, count: int) -> list[Replica]:
        """All of ``count``, listening."""
        started = [await stack.enter_async_context(self.replica(ordinal, count)) for ordinal in range(count)]
        for replica in started:
            await eventually(replica.is_subscribed)
        return started

    @asynccontextmanager
    async def replica(self, ordinal: int, replicas: int) -> AsyncIterator[Replica]:
        """One of ``replicas``, its host named as a StatefulSet names its pods."""
        port = free_port()
        own = {
            "RUNTIME_REPLICAS": str(replicas),
            "HOSTNAME": f"runtime-{ordinal}",
            "HEALTH_CHECK_PORT": str(port),
            "CONFIG_SNAPSHOT_PATH": str(self._directory / f"snapshot-{ordinal}.json"),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "realtime_runtime", "run"),
            env=self._environ | own,
            cwd=PROJECT_ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        try:
            yield Replica(port, process)
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), 15)

    async def turn(self, replicas: Sequence[Replica], *, copies: int) -> Counter[str]:
        """A balanced book, then one that leans to the bids, for every symbol: how often each was bought.

        Returns when the replicas have taken each message ``copies`` times and have sent what they decided.
        """
        self.bought.clear()
        before = [replica.counters() for replica in replicas]
        for bid_quantity in (1.0, 9.0):
            self._time_ms += 1_000
            for symbol in SYMBOLS:
                payload = depth(symbol, bid_quantity=bid_quantity, time_ms=self._time_ms)
                await self._client.publish(f"{TOPIC}.{symbol}", payload, headers=REPLAY)
        await self._client.flush()
        wanted = sum(each["processed"] for each in before) + 2 * len(SYMBOLS) * copies
        await eventually(lambda: sum(replica.counters()["processed"] for replica in replicas) == wanted)
        decided = sum(signals_of(replica.counters()) for replica in replicas) - sum(map(signals_of, before))
        await eventually(lambda: len(self.bought) >= decided)
        return Counter(self.bought)

    async def quote_elsewhere(self) -> None:
        """A price of every symbol on another exchange, which every replica gets."""
        for symbol in SYMBOLS:
            price = {"exchange": "coinbase", "symbol": symbol, "price": "100.0", "ts": self._time_ms}
            await self._client.publish(f"market.price.{symbol}", json.dumps(price).encode(), headers=REPLAY)
        await self._client.flush()

    async def _take(self, message: Msg) -> None:
        self.bought.append(json.loads(message.data)["symbol"])


def signals_of(counters: dict[str, Any]) -> int:
    return sum(counters["signals"].values())


@pytest.fixture
def environ(valkey: Valkey, redis_prefix: str) -> dict[str, str]:
    """What all replicas have in common: one strategy, which may buy at every turn."""
    return {
        **clean_environment(),
        **{f"STRATEGY_ENABLED_{name.upper()}": str(name == STRATEGY).lower() for name in STRATEGIES},
        "ORDERBOOK_SKEW_MIN_SIGNAL_INTERVAL_SECONDS": "0",
        "REDIS_URL": valkey.url,
        "REDIS_KEY_PREFIX": redis_prefix,
        "NATS_CONSUMER_TOPIC": f"{TOPIC}.>",
        "NATS_TOPIC_INTENTS": "cio.intent.trading",
        "HEARTBEAT_INTERVAL_SECONDS": "0.2",
    }


@pytest.fixture
async def exchange(fresh_nats: NatsServer, environ: dict[str, str], tmp_path: Path) -> AsyncIterator[Exchange]:
    opened = await Exchange.open(fresh_nats.url, environ, tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
async def dealing_exchange(environ: dict[str, str], tmp_path: Path) -> AsyncIterator[Exchange]:
    """NATS itself deals the symbols out, one partition for each of four replicas."""
    config = tmp_path / "nats.conf"
    config.write_text(PARTITIONS)
    with NatsServer(tmp_path / "nats", arguments=("-c", str(config))) as server:
        topic = {"NATS_CONSUMER_TOPIC": "binance.share.{ordinal}.>"}
        opened = await Exchange.open(server.url, environ | topic, tmp_path)
        yield opened
        await opened.close()


@pytest.fixture
def shares_of(valkey: Valkey, redis_prefix: str) -> Callable[[Sequence[Replica]], list[Share]]:
    """The symbols that each replica says in its heartbeat to keep state for."""
    client, keys = redis.Redis.from_url(valkey.url), redis_keys.Keys(redis_prefix)

    def share(replica: Replica) -> Share:
        raw = client.get(keys.runtime(replica.name))
        return frozenset(runtime_reports.decode_heartbeat(raw).symbols) if isinstance(raw, bytes) else frozenset()

    def shares(replicas: Sequence[Replica]) -> list[Share]:
        # A heartbeat is some moments old; symbols are only ever added.
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(len(share(replica)) != replica.symbol_count() for replica in replicas):
            assert time.monotonic() < deadline, "the heartbeats lag behind"
            time.sleep(0.02)
        return [share(replica) for replica in replicas]

    return shares


ONCE = Counter(SYMBOLS)


def assert_dealt_out(shares: Sequence[Share]) -> None:
    """Every symbol is in exactly one share, and no share is empty."""
    assert all(shares)
    assert sorted(symbol for share in shares for symbol in share) == sorted(SYMBOLS)


@pytest.mark.parametrize("count", [2, 4])
async def test_replicas__of_one_topic__decide_on_each_symbol_exactly_once(
    exchange: Exchange, shares_of: Callable[[Sequence[Replica]], list[Share]], count: int
) -> None:
    async with AsyncExitStack() as stack:
        replicas = await exchange.replicas(stack, count)
        assert await exchange.turn(replicas, copies=count) == ONCE
        assert_dealt_out(shares_of(replicas))
        assert await exchange.turn(replicas, copies=count) == ONCE


async def test_replica__taken_away_and_brought_back__moves_no_other_symbol(
    exchange: Exchange, shares_of: Callable[[Sequence[Replica]], list[Share]]
) -> None:
    async with AsyncExitStack() as stack:
        replicas = await exchange.replicas(stack, 4)
        await exchange.turn(replicas, copies=4)
        before = shares_of(replicas)
        lost, others = replicas[1], [replicas[0], *replicas[2:]]
        lost.process.kill()
        await lost.process.wait()

        assert await exchange.turn(others, copies=3) == Counter(set(SYMBOLS) - before[1])
        assert shares_of(others) == [before[0], *before[2:]]

        replicas[1] = await stack.enter_async_context(exchange.replica(1, 4))
        await eventually(replicas[1].is_subscribed)
        assert await exchange.turn(replicas, copies=4) == ONCE
        assert shares_of(replicas) == before


async def test_replicas__halved_from_four__move_only_the_symbols_of_those_that_went(
    exchange: Exchange, shares_of: Callable[[Sequence[Replica]], list[Share]]
) -> None:
    shares = {}
    for count in (4, 2):
        async with AsyncExitStack() as stack:
            replicas = await exchange.replicas(stack, count)
            assert await exchange.turn(replicas, copies=count) == ONCE
            shares[count] = shares_of(replicas)
    assert shares[2] == [shares[4][0] | shares[4][2], shares[4][1] | shares[4][3]]


async def test_replicas__where_nats_deals_the_symbols_out__get_their_own_messages_only(
    dealing_exchange: Exchange, shares_of: Callable[[Sequence[Replica]], list[Share]]
) -> None:
    async with AsyncExitStack() as stack:
        replicas = await dealing_exchange.replicas(stack, 4)
        assert await dealing_exchange.turn(replicas, copies=1) == ONCE
        assert_dealt_out(shares_of(replicas))
        # The server and the replicas mean the same shares: nothing came to one that it had to set aside.
        assert [replica.counters()["foreign"] for replica in replicas] == [0, 0, 0, 0]

        # What is not dealt out comes to all, and counts only where the symbol's market is.
        await dealing_exchange.quote_elsewhere()
        await eventually(lambda: all(r.counters()["foreign"] + prices(r) == len(SYMBOLS) for r in replicas))
        assert [prices(replica) for replica in replicas] == [replica.symbol_count() for replica in replicas]
        assert sum(map(prices, replicas)) == len(SYMBOLS)


def prices(replica: Replica) -> int:
    taken: int = replica.counters()["decoded"].get("exchange_price", 0)
    return taken

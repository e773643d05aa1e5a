"""The books' analytics in Redis: current, bounded, mended where Redis has lost them, and only of own symbols."""

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis.asyncio

from embedded.servers import Valkey
from realtime_runtime.reporting.order_books import INTERVAL_SECONDS, MarketPublisher
from strategy_core.configuration.redis_keys import Keys
from strategy_core.market import analytics
from strategy_core.market.analytics import POINTS_KEPT, RECORD_BYTES, BookMetrics
from tests.engine.builders import futures_depth, make_engine
from tests.runtime.conftest import Environ, RunningApp
from tests.runtime.market import REPLAY, Market, depth, is_listening
from tests.waiting import eventually

START_MS = 1_700_000_000_000
BTC, ETH = "BTCUSDT", "ETHUSDT"


class Published:
    """An engine, its publisher, and a look into Redis."""

    def __init__(self, url: str, prefix: str, **options: Any) -> None:
        self.engine, _ = make_engine(**options)
        self.redis = redis.asyncio.Redis.from_url(url)
        self.keys = Keys(prefix)
        self.publisher = MarketPublisher(self.redis, self.keys, self.engine)

    def book(self, symbol: str = BTC, second: float = 0) -> None:
        payload = futures_depth(symbol, time_ms=START_MS + int(second * 1000))
        self.engine.market(payload, received_ms=1, is_replay=True)

    async def metrics(self, symbol: str = BTC) -> BookMetrics | None:
        raw = await self.redis.hget(self.keys.market, symbol)
        return None if raw is None else analytics.decode(raw)

    async def seconds(self, symbol: str = BTC) -> list[float]:
        """The seconds of the points that Redis holds."""
        records = await self.redis.get(self.keys.pressure(symbol)) or b""
        return [(point.time_ms - START_MS) / 1000 for point in analytics.read_points(records, "15m")]


@pytest.fixture
async def published(valkey: Valkey, redis_prefix: str) -> AsyncIterator[Callable[..., Published]]:
    opened: list[Published] = []

    def open_one(**options: Any) -> Published:
        opened.append(Published(valkey.url, redis_prefix, **options))
        return opened[-1]

    yield open_one
    for each in opened:
        await each.redis.aclose()


async def test_publish__many_books_of_a_symbol__writes_the_last_one_once(published: Callable[..., Published]) -> None:
    one = published()
    for tenth in range(30):
        one.book(second=tenth / 10)
    await one.publisher.publish()
    await one.publisher.publish()
    found, kept = await one.metrics(), one.engine.analytics()[BTC].book
    assert one.publisher.writes == 1
    assert found is not None
    assert kept is not None
    assert found == analytics.measure(BTC, kept, source="replay", published_ms=found.published_ms)
    assert (found.time_ms, await one.seconds()) == (START_MS + 2_900, [0, 1, 2])


def test_interval__as_promised__is_at_most_five_times_a_second() -> None:
    assert INTERVAL_SECONDS >= 1 / 5


async def test_history__second_by_second__is_appended_and_bounded(published: Callable[..., Published]) -> None:
    one = published()
    for second in range(3 * POINTS_KEPT):
        one.book(second=second)
        if second % 50 == 0:
            await one.publisher.publish()
            length = await one.redis.strlen(one.keys.pressure(BTC))
            assert min(second + 1, POINTS_KEPT) <= length / RECORD_BYTES <= 2 * POINTS_KEPT
    await one.publisher.publish()
    assert await one.seconds() == list(range(2 * POINTS_KEPT, 3 * POINTS_KEPT))
    assert await one.redis.ttl(one.keys.pressure(BTC)) > 0


async def test_history__lost_by_redis__is_whole_again_with_the_next_point(
    published: Callable[..., Published],
) -> None:
    one = published()
    for second in range(5):
        one.book(second=second)
        await one.publisher.publish()
    await one.redis.delete(one.keys.pressure(BTC), one.keys.market)
    one.book(second=5)
    await one.publisher.publish()
    await one.publisher.publish()
    assert await one.seconds() == list(range(6))
    assert await one.redis.hexists(one.keys.market, BTC)


async def test_history__replay_begins_anew__replaces_what_was_there(published: Callable[..., Published]) -> None:
    one = published()
    for second in (100, 101, 102, 7):
        one.book(second=second)
        await one.publisher.publish()
    assert await one.seconds() == [7]


async def test_symbol__forgotten_by_the_engine__is_deleted(published: Callable[..., Published]) -> None:
    one = published(max_symbols=1)
    for symbol in (BTC, ETH):
        one.book(symbol)
        await one.publisher.publish()
    assert (await one.metrics(BTC), await one.seconds(BTC)) == (None, [])
    assert await one.metrics(ETH) is not None


async def test_sweep__metrics_nobody_renews__are_deleted(published: Callable[..., Published]) -> None:
    one = published()
    one.book(ETH)
    await one.publisher.publish()
    found = await one.metrics(ETH)
    assert found is not None
    old = {**json.loads(analytics.encode(found)), "published_ms": int(time.time() * 1000) - 301_000}
    garbage = {BTC: json.dumps(old), "XRPUSDT": "not metrics", "SOLUSDT": '{"deep":' + "[" * 100_000}
    await one.redis.hset(one.keys.market, mapping=garbage)
    await one.publisher.sweep()
    assert await one.redis.hkeys(one.keys.market) == [ETH.encode()]


async def test_app__redis_away_and_back_empty__publishes_everything_again(
    environ: Environ, running_app: RunningApp, nats_server: Any, fresh_valkey: Valkey, redis_prefix: str
) -> None:
    variables = environ | {"REDIS_URL": fresh_valkey.url, "NATS_URL": nats_server.url}
    async with running_app(variables) as app:
        market = await Market.connect(variables)
        await is_listening(app)
        await market.turn()
        await eventually(lambda: app.runtime.market.writes)
        fresh_valkey.kill()
        await market.turn()
        await eventually(lambda: app.runtime.market.failures)
        fresh_valkey.start()
        client = redis.asyncio.Redis.from_url(fresh_valkey.url)

        async def is_whole() -> bool:
            # At first it may have only the points since Redis went.
            records = await client.get(Keys(redis_prefix).pressure(BTC))
            return records is not None and len(analytics.read_points(records, "15m")) == 4

        await eventually(is_whole)
        assert await client.hexists(Keys(redis_prefix).market, BTC)
        await client.aclose()
        await market.close()


async def test_replicas__all_symbols_reach_both__each_publishes_its_own(
    shared_servers: Environ, running_app: RunningApp, redis_prefix: str
) -> None:
    symbols = {f"S{number:03}USDT" for number in range(12)}
    names = [{"RUNTIME_REPLICAS": "2", "RUNTIME_ORDINAL": ordinal} for ordinal in ("0", "1")]
    async with running_app(shared_servers | names[0]) as first, running_app(shared_servers | names[1]) as second:
        market = await Market.connect(shared_servers)
        for app in (first, second):
            await is_listening(app)
        for symbol in symbols:
            payload = depth(symbol, bid_quantity=2.0, time_ms=START_MS)
            await market.client.publish(shared_servers["NATS_CONSUMER_TOPIC"], payload, headers=REPLAY)
        await eventually(lambda: first.runtime.market.writes + second.runtime.market.writes == len(symbols))
        found = await first.runtime.redis.hkeys(Keys(redis_prefix).market)
        assert {symbol.decode() for symbol in found} == symbols
        shares = [set(app.runtime.engine.analytics()) for app in (first, second)]
        assert shares[0].isdisjoint(shares[1])
        assert all(shares)
        await market.close()

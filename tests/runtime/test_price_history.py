"""The prices that the runtime keeps in Redis for charts: one a second, bounded, and never in the way of trading."""

import asyncio

import pytest
from redis.asyncio import Redis

from embedded.servers import Valkey
from realtime_runtime.reporting import price_history
from realtime_runtime.reporting.price_history import PriceHistory
from strategy_core.configuration import price_points, redis_keys
from strategy_core.configuration.price_points import PricePoint
from tests.runtime.conftest import Environ, RunningApp
from tests.runtime.market import START_MS, Market, is_listening
from tests.runtime.site import Site
from tests.waiting import eventually


class Prices:
    """What an engine knows of prices, set by hand."""

    def __init__(self) -> None:
        self.now: dict[str, PricePoint] = {}

    def last_prices(self) -> dict[str, PricePoint]:
        return self.now


async def stored(redis: Redis, prefix: str, symbol: str) -> list[PricePoint]:
    records = await redis.lrange(redis_keys.Keys(prefix).prices(symbol), 0, -1)
    return [price_points.decode_price(record) for record in records]


async def test_prices__of_a_running_runtime__are_kept_with_their_event_time(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    async with running_app(shared_servers) as app:
        market = await Market.connect(shared_servers)
        await is_listening(app)
        await market.turn()
        await market.turn("ETHUSDT")
        await eventually(lambda: app.runtime.consumer.processed == 4)
        await eventually(lambda: app.runtime.prices.writes >= 2)
        assert (await stored(site.redis, site.keys.prefix, "BTCUSDT"))[-1] == PricePoint(START_MS + 2_000, 100.005)
        assert (await stored(site.redis, site.keys.prefix, "ETHUSDT"))[-1] == PricePoint(START_MS + 4_000, 100.005)
        await market.close()


async def test_store__each_event_once__bounded_and_with_an_end(
    valkey: Valkey, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_history, "POINTS_KEPT", 4)
    monkeypatch.setattr(price_history, "POINTS_BETWEEN_TRIMS", 3)
    prices = Prices()
    async with Redis.from_url(valkey.url) as redis:
        history = PriceHistory(redis, redis_keys.Keys(redis_prefix), prices)  # type: ignore[arg-type]  # all it asks for
        for number in range(10):
            prices.now = {"BTCUSDT": PricePoint(number, 1.0 + number), "ETHUSDT": PricePoint(7, 5.0)}
            await history.store()
            assert len(await stored(redis, redis_prefix, "BTCUSDT")) <= 4 + 3
        assert await stored(redis, redis_prefix, "BTCUSDT") == [PricePoint(n, 1.0 + n) for n in range(6, 10)]
        assert await stored(redis, redis_prefix, "ETHUSDT") == [PricePoint(7, 5.0)]
        assert await redis.ttl(redis_keys.Keys(redis_prefix).prices("BTCUSDT")) > 0
        assert history.writes == 11


async def test_run__redis_away__logs_it_once_and_goes_on(
    fresh_valkey: Valkey, redis_prefix: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(price_history, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(price_history, "RETRY_SECONDS", 0.01)
    prices = Prices()
    prices.now = {"BTCUSDT": PricePoint(1, 1.0)}
    async with Redis.from_url(fresh_valkey.url, retry=None, socket_timeout=1) as redis, asyncio.TaskGroup() as group:
        history = PriceHistory(redis, redis_keys.Keys(redis_prefix), prices)  # type: ignore[arg-type]  # all it asks for
        task = group.create_task(history.run())
        await eventually(lambda: history.writes == 1)
        fresh_valkey.stop()
        prices.now = {"BTCUSDT": PricePoint(2, 1.0)}
        await eventually(lambda: "prices.storing_failed" in caplog.text)
        fresh_valkey.start()
        written = history.writes

        def written_again() -> bool:
            prices.now = {"BTCUSDT": PricePoint(prices.now["BTCUSDT"].time_ms + 1, 1.0)}
            return history.writes > written

        await eventually(written_again)
        assert caplog.text.count("prices.storing_failed") == 1
        task.cancel()

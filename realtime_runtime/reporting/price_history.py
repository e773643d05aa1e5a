"""Keeps a price a second of each symbol in Redis, for charts. Off the hot path, best effort."""

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service_kit.outage import Outage
from strategy_core.configuration import price_points, redis_keys
from strategy_core.engine.engine import Engine

INTERVAL_SECONDS = 1.0
RETRY_SECONDS = 5.0
SYMBOLS_A_WRITE = 25
"""Few enough that the messages which come meanwhile wait less than a millisecond."""
POINTS_KEPT = 900
POINTS_BETWEEN_TRIMS = 60
TTL_SECONDS = 3_600

_AWAY = (RedisError, OSError, TimeoutError)


class PriceHistory:
    """Appends the last price of every symbol that an event was seen of, at most one a second.

    A list holds the last POINTS_KEPT prices and at most POINTS_BETWEEN_TRIMS more; it is gone TTL_SECONDS after the
    last trim. Nothing is stored while ``is_owner`` denies that the share is this runtime's.
    """

    def __init__(
        self, redis: Redis, keys: redis_keys.Keys, engine: Engine, *, is_owner: Callable[[], bool] = lambda: True
    ) -> None:
        self.writes = 0
        self._redis = redis
        self._keys = keys
        self._engine = engine
        self._is_owner = is_owner
        self._stored: dict[str, tuple[int, int]] = {}
        self._outage = Outage("prices.storing_failed")

    async def run(self) -> None:
        """Store for ever; while Redis is away, prices are not kept."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            if not self._is_owner():
                continue
            try:
                await self.store()
            except _AWAY as exception:
                self._outage.failed(exception)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._outage.worked()

    async def store(self) -> None:
        """Append what is new; raises what redis-py raises."""
        prices = self._engine.last_prices()
        self._stored = {symbol: stored for symbol, stored in self._stored.items() if symbol in prices}
        due = ((symbol, point) for symbol, point in prices.items() if self._is_new(symbol, point))
        while batch := list(islice(due, SYMBOLS_A_WRITE)):
            await self._append(batch)

    def _is_new(self, symbol: str, point: price_points.PricePoint) -> bool:
        stored = self._stored.get(symbol)
        return stored is None or stored[0] != point.time_ms

    async def _append(self, batch: list[tuple[str, price_points.PricePoint]]) -> None:
        pipeline: Any = self._redis.pipeline(transaction=False)
        for symbol, point in batch:
            key = self._keys.prices(symbol)
            _, count = self._stored.get(symbol, (0, 0))
            pipeline.rpush(key, price_points.encode_price(point))
            if count % POINTS_BETWEEN_TRIMS == 0:
                pipeline.ltrim(key, -POINTS_KEPT, -1)
                pipeline.expire(key, TTL_SECONDS)
            self._stored[symbol] = point.time_ms, count + 1
        await pipeline.execute()
        self.writes += len(batch)

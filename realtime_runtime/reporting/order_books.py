"""Puts the books' analytics into Redis, off the hot path. Best effort: trading never waits for it."""

import asyncio
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service_kit.outage import Outage
from strategy_core.configuration import redis_keys
from strategy_core.engine.engine import Engine
from strategy_core.market.analytics import (
    KEPT_SECONDS,
    POINTS_KEPT,
    RECORD_BYTES,
    PressureHistory,
    SymbolAnalytics,
    encode,
    measure,
)
from strategy_core.market.book import Book
from strategy_core.market.decoding import UNREADABLE

INTERVAL_SECONDS = 0.2
RETRY_SECONDS = 1.0
SYMBOLS_A_WRITE = 8
"""Few enough that the messages which come meanwhile wait well under a millisecond."""
HISTORY_TTL_SECONDS = 3_600
REWRITE_SECONDS = 600.0
SWEEP_SECONDS = 600.0

_AWAY = (RedisError, OSError, TimeoutError)


class _Published:
    """What Redis holds of a symbol. ``points`` is -1 where that is not known."""

    __slots__ = ("added", "book", "history", "points", "rewritten_at")

    def __init__(self) -> None:
        self.book: Book | None = None
        self.history: PressureHistory | None = None
        self.added = 0
        self.points = -1
        self.rewritten_at = 0.0


class MarketPublisher:
    """Writes the metrics of every symbol that has a new book, at most once in INTERVAL_SECONDS.

    Histories are appended to, and now and then written anew: that keeps them short and alive, and mends what Redis
    has lost. Nothing is written while ``is_owner`` denies that the share is this runtime's. ``writes`` counts the
    symbols written, ``failures`` the attempts that Redis did not take.
    """

    def __init__(
        self, redis: Redis, keys: redis_keys.Keys, engine: Engine, *, is_owner: Callable[[], bool] = lambda: True
    ) -> None:
        self.writes = 0
        self.failures = 0
        self._redis = redis
        self._keys = keys
        self._engine = engine
        self._is_owner = is_owner
        self._published: dict[str, _Published] = {}
        self._swept_at = -SWEEP_SECONDS
        self._outage = Outage("market.publication_failed")

    async def run(self) -> None:
        """Publish for ever; while Redis is away, try again once a second."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            if not self._is_owner():
                self._published.clear()
                continue
            try:
                await self.publish()
                await self.sweep()
            except _AWAY as exception:
                self.failures += 1
                self._outage.failed(exception)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._outage.worked()

    async def publish(self) -> None:
        """Write what is new, and delete what the engine has forgotten; raises what redis-py raises."""
        known = self._engine.analytics()
        due = (
            (symbol, analytics)
            for symbol, analytics in known.items()
            if (published := self._published.get(symbol)) is None or published.book is not analytics.book
        )
        while batch := dict(islice(due, SYMBOLS_A_WRITE)):
            await self._write(batch)
        if forgotten := [symbol for symbol in self._published if symbol not in known]:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hdel(self._keys.market, *forgotten)
            pipeline.delete(*map(self._keys.pressure, forgotten))
            await pipeline.execute()
            for symbol in forgotten:
                del self._published[symbol]

    async def _write(self, batch: dict[str, SymbolAnalytics]) -> None:
        now_ms, source = int(time.time() * 1000), self._engine.market_source
        pipeline = self._redis.pipeline(transaction=False)
        metrics: dict[Any, Any] = {}
        expected: list[tuple[_Published, int]] = []
        for symbol, analytics in batch.items():
            book, published = analytics.book, self._published.setdefault(symbol, _Published())
            if book is not None:
                metrics[symbol] = encode(measure(symbol, book, source=source, published_ms=now_ms))
            answer = self._append(pipeline, symbol, published, analytics.history)
            if answer is not None:
                expected.append((published, answer))
            published.book = book
        pipeline.hset(self._keys.market, mapping=metrics)
        try:
            answers = (await pipeline.execute())[:-1]
        except _AWAY:
            for symbol in batch:
                self._published[symbol] = _Published()
            raise
        for (published, answer), found in zip(expected, answers, strict=True):
            # Another length: Redis has lost the beginning, or somebody else writes there. It is written anew with the
            # next pass, also where no new book comes.
            if found != answer:
                published.book, published.points = None, -1
        self.writes += len(batch)

    def _append(self, pipeline: Any, symbol: str, published: _Published, history: PressureHistory) -> int | None:
        """Queue the command that brings the history in Redis up to date: what it must answer, None without any."""
        new = history.added - published.added
        is_other = published.history is not history or published.points < 0
        if not is_other and not new:
            return None
        key = self._keys.pressure(symbol)
        published.history, published.added = history, history.added
        is_due = time.monotonic() - published.rewritten_at > REWRITE_SECONDS
        if is_other or is_due or published.points + new > 2 * POINTS_KEPT:
            records = history.tail(POINTS_KEPT)
            published.points, published.rewritten_at = len(records) // RECORD_BYTES, time.monotonic()
            pipeline.set(key, records, ex=HISTORY_TTL_SECONDS)
            return True
        published.points += new
        pipeline.append(key, history.tail(new))
        return published.points * RECORD_BYTES

    async def sweep(self) -> None:
        """Every SWEEP_SECONDS delete the metrics that nobody renews, of symbols that no runtime has any more."""
        if time.monotonic() - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = time.monotonic()
        oldest_ms = (time.time() - KEPT_SECONDS) * 1000
        gone = []
        async for symbol, raw in self._redis.hscan_iter(self._keys.market, count=SYMBOLS_A_WRITE):
            if _published_ms(raw) < oldest_ms:
                gone.append(symbol)
        if gone:
            await self._redis.hdel(self._keys.market, *gone)


class _Age(msgspec.Struct):
    published_ms: int


_decode_age = msgspec.json.Decoder(_Age).decode


def _published_ms(raw: bytes) -> int:
    """0 for what cannot be read."""
    try:
        return _decode_age(raw).published_ms
    except UNREADABLE:
        return 0

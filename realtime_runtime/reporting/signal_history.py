"""Keeps the latest signals in a capped Redis stream, for display. Best effort: what goes to NATS never waits for it."""

import asyncio
from collections import deque
from itertools import islice

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service_kit.outage import Outage
from strategy_core.configuration import redis_keys

BATCH = 500
# A write costs some 0.4 ms whatever it holds, and nobody sees a fifth of a second in a list.
GATHERING_SECONDS = 0.2
RETRY_SECONDS = 1.0


class SignalHistory:
    """Signals on their way to the stream, at most as many as the stream itself keeps. ``lost`` counts the others."""

    def __init__(self, redis: Redis, keys: redis_keys.Keys) -> None:
        self.lost = 0
        self.stored = 0
        self._redis = redis
        self._stream = keys.signals
        self._waiting: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._outage = Outage("signals.history_failed")

    def add(self, payload: bytes) -> None:
        """Append a signal as JSON; never waits."""
        if len(self._waiting) >= redis_keys.SIGNALS_CAP:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(payload)
        self._filled.set()

    async def run(self) -> None:
        """Write what waits, for ever, five times a second at most; while Redis is away it goes on waiting."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(GATHERING_SECONDS)
            self._filled.clear()
            while self._waiting:
                if not await self._store_batch():
                    await asyncio.sleep(RETRY_SECONDS)

    async def flush(self) -> None:
        """Write what waits now, in one attempt each."""
        while self._waiting and await self._store_batch():
            continue

    async def _store_batch(self) -> bool:
        batch = list(islice(self._waiting, BATCH))
        pipeline = self._redis.pipeline(transaction=False)
        for payload in batch:
            pipeline.xadd(
                self._stream, {redis_keys.STREAM_FIELD: payload}, maxlen=redis_keys.SIGNALS_CAP, approximate=True
            )
        try:
            await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as exception:
            self._outage.failed(exception)
            return False
        self._outage.worked()
        # While it was written the oldest may have been given up for newer ones.
        for payload in batch:
            if self._waiting and self._waiting[0] is payload:
                self._waiting.popleft()
        self.stored += len(batch)
        return True

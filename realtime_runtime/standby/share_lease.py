"""The lease of a share in Redis."""

from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import WatchError

from realtime_runtime.standby.share import LEASE_SECONDS, Holder
from strategy_core.market.decoding import UNREADABLE

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Holder)


class RedisLease:
    """One key that ends by itself; it changes hands only where it is free or its owner is named.

    An unreadable value counts as no lease.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    async def read(self) -> Holder | None:
        return _holder(await self._redis.get(self._key))

    async def take(self, holder: Holder, *, instead_of: Holder | None = None) -> Holder:
        replaceable = {holder.token} if instead_of is None else {holder.token, instead_of.token}
        async with self._redis.pipeline(transaction=True) as pipeline:
            await pipeline.watch(self._key)
            owner = _holder(await pipeline.get(self._key))
            if owner is not None and owner.token not in replaceable:
                return owner
            pipeline.multi()  # type: ignore[no-untyped-call]  # redis-py gives it no types
            pipeline.set(self._key, _encode(holder), px=round(LEASE_SECONDS * 1000))
            try:
                await pipeline.execute()
            except WatchError:
                # Another runtime wrote in between: the answer is the one that has it now.
                return await self.read() or holder
        return holder

    async def release(self, holder: Holder) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            await pipeline.watch(self._key)
            owner = _holder(await pipeline.get(self._key))
            if owner is None or owner.token != holder.token:
                return
            pipeline.multi()  # type: ignore[no-untyped-call]  # redis-py gives it no types
            pipeline.delete(self._key)
            try:
                await pipeline.execute()
            except WatchError:
                return


def _holder(raw: Any) -> Holder | None:
    if raw is None:
        return None
    try:
        return _decoder.decode(raw)
    except UNREADABLE:
        return None

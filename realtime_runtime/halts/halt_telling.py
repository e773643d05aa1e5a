"""Passes halts on that reached this runtime without the site: to Redis, where the site finds them, and over NATS."""

import asyncio

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from realtime_runtime.halts.halt_paths import HaltPaths
from realtime_runtime.halts.halts_in_force import HaltsInForce
from service_kit.outage import Outage
from strategy_core.configuration import redis_keys
from strategy_core.configuration.halts import TOLD_CAP, Halt

RETRY_SECONDS = 1.0


class HaltTeller:
    """Tells until Redis and NATS have taken it; what a restart interrupts is found with the next complete read."""

    def __init__(self, redis: Redis, keys: redis_keys.Keys, halting: HaltsInForce, paths: HaltPaths) -> None:
        self._redis = redis
        self._stream = keys.told_halts
        self._halting = halting
        self._paths = paths
        self._outage = Outage("halts.telling_failed")

    async def run(self) -> None:
        """Tell for ever, as there is news."""
        while True:
            await self._halting.news.wait()
            self._halting.news.clear()
            while self._halting.untold or self._halting.unshared:
                shared, told = await asyncio.gather(self._share(), self._tell())
                if not (shared and told):
                    await asyncio.sleep(RETRY_SECONDS)

    async def _share(self) -> bool:
        for halt in list(self._halting.unshared.values()):
            if not await self._paths.share(halt):
                return False
            self._halting.unshared.pop(halt.id, None)
        return True

    async def _tell(self) -> bool:
        for halt in list(self._halting.untold.values()):
            if not await self._write(halt):
                return False
            self._halting.untold.pop(halt.id, None)
        return True

    async def _write(self, halt: Halt) -> bool:
        payload = msgspec.json.encode(halt)
        try:
            await self._redis.xadd(self._stream, {redis_keys.STREAM_FIELD: payload}, maxlen=TOLD_CAP, approximate=True)
        except (RedisError, OSError, TimeoutError) as exception:
            self._outage.failed(exception)
            return False
        self._outage.worked()
        return True

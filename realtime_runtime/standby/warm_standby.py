"""What follows from the role of a runtime: a standby keeps warm, listens to the holder's signals, emits nothing."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from nats import errors
from redis.asyncio import Redis
from redis.exceptions import RedisError

from realtime_runtime.messaging.bus import Bus
from realtime_runtime.messaging.outgoing import Emission
from realtime_runtime.standby.share import RENEW_SECONDS, Role, ShareKeeper
from realtime_runtime.standby.share_voice import SignalListener
from strategy_core.configuration import redis_keys
from strategy_core.engine.engine import Engine
from strategy_core.engine.last_signals import LastSignals

HISTORY_PAGE = 500

log = structlog.get_logger(__name__)


class Standby:
    """Keeps the role, and the parts of the runtime in line with it.

    What the holder sent is taken from the history in Redis and from NATS. At a takeover the intervals between signals
    run from that, not from what this runtime decided and never sent.
    """

    def __init__(
        self,
        keeper: ShareKeeper,
        listener: SignalListener,
        last_signals: LastSignals,
        *,
        engine: Engine,
        set_emission: Callable[[Emission], None],
        bus: Bus,
        redis: Redis,
        keys: redis_keys.Keys,
    ) -> None:
        self.keeper = keeper
        self._listener = listener
        self.last_signals = last_signals
        self._engine = engine
        self._set_emission = set_emission
        self._bus = bus
        self._redis = redis
        self._keys = keys
        self._listens = self._has_history = False
        keeper.on_change = self._follow

    @property
    def is_holder(self) -> bool:
        """Whether this runtime trades its share."""
        return self.keeper.role is Role.HOLDER

    @property
    def is_standby(self) -> bool:
        """Whether another runtime trades its share."""
        return self.keeper.role is Role.STANDBY

    async def run(self) -> None:
        """Keep the role for ever; ask for it as soon as NATS can answer."""
        await self._bus.attempted.wait()
        while True:
            await self.keeper.step()
            await self._listen()
            await asyncio.sleep(RENEW_SECONDS)

    async def withdraw(self) -> None:
        """Give the share up in good order. Raises what redis-py raises."""
        await self.keeper.withdraw()

    def _follow(self, before: Role, role: Role) -> None:
        if role is Role.HOLDER:
            if before is Role.STANDBY:
                self._engine.restore_intervals(self.last_signals.emitted)
            self._set_emission(Emission.OPEN)
        else:
            self._set_emission(Emission.WITHHELD)
            self._has_history = False

    async def _listen(self) -> None:
        """Listen to the holder while this is a standby, and only then; what fails is tried again at the next turn."""
        if not self.is_standby:
            if self._listens:
                await self._listener.stop()
                self._listens = False
            return
        try:
            if not self._listens:
                await self._listener.start()
                self._listens = True
            if not self._has_history:
                await self._read_history()
                self._has_history = True
        except (errors.Error, RedisError, OSError, TimeoutError) as exception:
            log.debug("standby.listening_failed", error=str(exception))

    async def _read_history(self) -> None:
        """Take in what was sent before this runtime listened, newest first, as far as Redis still has it."""
        end = "+"
        while True:
            entries: Any = await self._redis.xrevrange(self._keys.signals, max=end, count=HISTORY_PAGE)
            for _, fields in entries:
                self.last_signals.note(fields.get(redis_keys.STREAM_FIELD.encode(), b""))
            if len(entries) < HISTORY_PAGE:
                return
            end = f"({entries[-1][0].decode()}"

"""Tells the site every few seconds that this runtime lives, and what it does."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from realtime_runtime.config.client import ConfigClient
from realtime_runtime.messaging.intake import Intake
from realtime_runtime.settings import Settings
from service_kit.outage import Outage
from service_kit.timings import WAIT_BOUNDS, Histogram
from service_kit.version import VERSION
from strategy_core.configuration import redis_keys, runtime_reports, wire_documents, wire_json
from strategy_core.configuration.halts import ids_of
from strategy_core.engine.engine import Engine

log = structlog.get_logger(__name__)


class Consumption(Protocol):
    """What the reports want of `realtime_runtime.consumer.Consumer`."""

    @property
    def processed(self) -> int:
        """Messages processed since the start."""

    @property
    def signals(self) -> int:
        """Signals sent since the start."""

    def take_worst_lag_ms(self) -> float:
        """The longest wait of a message in the intake since the last call, in milliseconds."""


class HeartbeatWriter:
    """Writes ``<prefix>:runtime:<instance>`` with a time to live. ``messages_per_second`` is of the last interval.

    ``redis_latency`` is of the writes that Redis has taken; ``longest_lag_ms`` is that of all heartbeats since it was
    set to 0.
    """

    def __init__(
        self,
        redis: Redis,
        settings: Settings,
        config: ConfigClient,
        engine: Engine,
        intake: Intake,
        consumption: Consumption,
        *,
        is_standby: Callable[[], bool],
    ) -> None:
        self.started_at = datetime.now(UTC)
        self.messages_per_second = 0.0
        self.lag_ms = 0.0
        self.longest_lag_ms = 0.0
        self.redis_latency = Histogram(WAIT_BOUNDS)
        self._redis = redis
        self._settings = settings
        self._config = config
        self._engine = engine
        self._intake = intake
        self._consumption = consumption
        self._is_standby = is_standby
        self._key = redis_keys.Keys(settings.redis_key_prefix).runtime(settings.instance_id)
        self._measured_at = time.monotonic()
        self._processed = 0
        self._outage = Outage("heartbeat.failed")

    async def run(self) -> None:
        """Write for ever, one heartbeat an interval. Without Redis there is nobody to tell, and nothing is kept."""
        while True:
            self._measure()
            await self._write(wire_json.encode(self.compose()))
            await asyncio.sleep(self._settings.heartbeat_interval_seconds)

    async def withdraw(self) -> None:
        """Take the heartbeat back: this runtime ends in good order."""
        try:
            await self._redis.delete(self._key)
        except (RedisError, OSError, TimeoutError) as exception:
            log.debug("heartbeat.withdrawal_failed", error=str(exception))

    def compose(self) -> runtime_reports.Heartbeat:
        """What holds now."""
        settings, engine = self._settings, self._engine
        return runtime_reports.Heartbeat(
            instance_id=settings.instance_id,
            host=settings.host,
            version=VERSION,
            started_at=self.started_at.isoformat(timespec="milliseconds"),
            sent_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            sequence=self._config.live.applied,
            lag_ms=round(self.lag_ms, 3),
            messages_per_second=round(self.messages_per_second, 1),
            symbols=engine.symbols_seen(),
            strategies=self._config.live.enabled_strategies(),
            errors=engine.counters.errors,
            dropped=self._intake.dropped,
            signals=self._consumption.signals,
            config_stale_seconds=round(self._config.stale_seconds, 3),
            market_source=engine.market_source,
            replica=f"{settings.ordinal}/{settings.replicas}",
            halts=ids_of(self._config.live.active.halts.held),
            standby=self._is_standby(),
            refused=len(self._config.live.refused),
            formats=wire_documents.FORMATS,
        )

    def _measure(self) -> None:
        now, processed = time.monotonic(), self._consumption.processed
        elapsed = now - self._measured_at
        self.messages_per_second = (processed - self._processed) / elapsed if elapsed > 0 else 0.0
        self.lag_ms = self._consumption.take_worst_lag_ms()
        self.longest_lag_ms = max(self.longest_lag_ms, self.lag_ms)
        self._measured_at, self._processed = now, processed

    async def _write(self, payload: bytes) -> None:
        started = time.perf_counter()
        try:
            await self._redis.set(self._key, payload, ex=self._settings.heartbeat_ttl_seconds)
        except (RedisError, OSError, TimeoutError) as exception:
            self._outage.failed(exception)
        else:
            self._outage.worked()
            self.redis_latency.observe(time.perf_counter() - started)

"""What this runtime did in the last minute: one line in the log each minute, and the same under /info."""

import asyncio
import time
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import structlog

from realtime_runtime.config.client import ConfigClient
from realtime_runtime.messaging.bus import Bus
from realtime_runtime.messaging.intake import Intake
from realtime_runtime.reporting.heartbeat import Consumption, HeartbeatWriter
from strategy_core.engine.engine import Engine

INTERVAL_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """What happened within ``seconds``, and (from ``queued`` on) how things stand at their end.

    ``lag_ms``: the longest that a message waited between its receipt and its processing, as the heartbeats of that
    time say. ``dropped``: the oldest messages, given up because the queue was full. ``errors``: messages that could
    not be used, and exceptions out of strategies. ``signals`` by ``<strategy>:<action>``. ``changes`` of the
    configuration were taken in.
    """

    seconds: float
    messages: int
    messages_per_second: float
    by_kind: Mapping[str, int]
    lag_ms: float
    dropped: int
    errors: int
    signals: Mapping[str, int]
    signals_sent: int
    signals_dropped: int
    changes: int
    queued: int
    signals_waiting: int
    symbols: int
    sequence: int
    config_stale_seconds: float
    market_source: str
    is_connected_to_nats: bool


class _Totals(NamedTuple):
    """Counts since the start, at one moment."""

    at: float
    processed: int
    dropped: int
    errors: int
    sent: int
    given_up: int
    changed: int
    by_kind: dict[str, int]
    signals: dict[str, int]


class ActivityReporter:
    """Measures from one report to the next. ``latest`` is the last report, None before the first minute is over."""

    def __init__(
        self,
        config: ConfigClient,
        engine: Engine,
        intake: Intake,
        bus: Bus,
        consumption: Consumption,
        heartbeat: HeartbeatWriter,
    ) -> None:
        self.latest: Activity | None = None
        self._config = config
        self._engine = engine
        self._intake = intake
        self._bus = bus
        self._consumption = consumption
        self._heartbeat = heartbeat
        self._before = self._totals(time.monotonic())

    async def run(self) -> None:
        """Report for ever, once a minute."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            self.report(time.monotonic())

    def report(self, now: float) -> None:
        """Log what happened since the report before, and begin anew. ``now`` is the monotonic clock."""
        self.latest = self.measure(now)
        self._before = self._totals(now)
        self._heartbeat.longest_lag_ms = 0.0
        log.info("runtime.heartbeat", **msgspec.to_builtins(self.latest))

    def measure(self, now: float) -> Activity:
        """What happened since the report before."""
        before, totals = self._before, self._totals(now)
        seconds = max(now - before.at, 1e-3)
        messages = totals.processed - before.processed
        return Activity(
            seconds=round(seconds, 1),
            messages=messages,
            messages_per_second=round(messages / seconds, 1),
            by_kind=_rises(before.by_kind, totals.by_kind),
            lag_ms=round(self._heartbeat.longest_lag_ms, 3),
            dropped=totals.dropped - before.dropped,
            errors=totals.errors - before.errors,
            signals=_rises(before.signals, totals.signals),
            signals_sent=totals.sent - before.sent,
            signals_dropped=totals.given_up - before.given_up,
            changes=totals.changed - before.changed,
            queued=len(self._intake.messages),
            signals_waiting=self._bus.outbox_size,
            symbols=len(self._engine.symbols_seen()),
            sequence=self._config.live.sequence,
            config_stale_seconds=round(self._config.stale_seconds, 3),
            market_source=self._engine.market_source,
            is_connected_to_nats=self._bus.is_connected,
        )

    def _totals(self, at: float) -> _Totals:
        counters = self._engine.counters
        return _Totals(
            at=at,
            processed=self._consumption.processed,
            dropped=self._intake.dropped,
            errors=counters.errors,
            sent=self._bus.signals_sent,
            given_up=self._bus.signals_dropped,
            changed=self._config.counters.changes,
            by_kind=dict(counters.decoded),
            signals={f"{strategy_id}:{action}": count for (strategy_id, action), count in counters.signals.items()},
        )


def _rises(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What has risen, by how much."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}

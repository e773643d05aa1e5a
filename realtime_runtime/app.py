"""Runs a runtime: starts its parts in order, one task group, and ends them in order."""

import asyncio
import signal
import time
from collections.abc import Coroutine
from typing import Any

import structlog

from realtime_runtime.assembly import Runtime, assemble
from realtime_runtime.health import HealthServer
from realtime_runtime.settings import Settings
from service_kit.cancellation import cancel
from service_kit.shutdown import on_signals
from service_kit.version import VERSION

FIRST_CONFIG_SECONDS = 1.0
# The steps of the end come to less than the 10 seconds that are promised, even where each takes all its time.
STOP_INTAKE_SECONDS = 1.0
FINISH_SECONDS = 2.5
FLUSH_SECONDS = 2.5
CLOSE_SECONDS = 1.5
END_SECONDS = 9.9
FAILURE_POLL_SECONDS = 1.0
FAILURE_LOG_SECONDS = 60.0
FAILED = 1

log = structlog.get_logger(__name__)


class DeadTaskError(Exception):
    """A task that should run for ever has returned."""


class App:
    """One runtime from start to end. ``run`` returns after ``stop``; a dead task raises an ExceptionGroup from it."""

    def __init__(self, settings: Settings) -> None:
        self.runtime: Runtime = assemble(settings)
        self.health = HealthServer(self.runtime)
        self.started = asyncio.Event()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Have ``run`` end in good order, within 10 seconds."""
        self._stop.set()

    async def run(self) -> None:
        """Start, trade until ``stop``, end: intake first, then what is queued, then signals, then connections."""
        runtime = self.runtime
        self._log_start()
        # Before anything can be told to halt, and long before anything is traded on.
        runtime.halting.load()
        await self.health.start()
        runtime.config.load_snapshot()
        try:
            async with asyncio.TaskGroup() as group:
                tasks: list[asyncio.Task[None]] = []
                try:
                    await self._start(group, tasks)
                    await self._stop.wait()
                    await self._wind_up()
                finally:
                    await cancel(tasks)
        finally:
            await self._close()

    async def _start(self, group: asyncio.TaskGroup, tasks: list[asyncio.Task[None]]) -> None:
        """Start the tasks: configuration first, so that not one message is traded on under another one."""
        runtime = self.runtime

        def start(name: str, coroutine: Coroutine[Any, Any, None]) -> None:
            tasks.append(group.create_task(_for_ever(name, coroutine), name=name))

        start("halts.file", runtime.halting.run())
        start("halts.tell", runtime.halt_teller.run())
        start("config.read", runtime.config.run())
        start("config.expiry", runtime.config.run_expiry())
        start("config.snapshots", runtime.config.run_snapshots())
        tasks.append(group.create_task(runtime.config.run_cold_start(), name="config.cold_start"))
        await self._await_first_config()
        start("engine.consume", runtime.consumer.run())
        start("pauses.watch", runtime.pauses.run())
        start("nats.connection", runtime.bus.run())
        start("share.keep", runtime.standby.run())
        start("signals.outbox", runtime.bus.run_outbox())
        start("signals.history", runtime.history.run())
        start("heartbeat", runtime.heartbeat.run())
        start("heartbeat.log", runtime.activity.run())
        start("market.metrics", runtime.market.run())
        start("market.prices", runtime.prices.run())
        start("strategies.failures", self._report_failures())
        self.started.set()
        log.info("runtime.started", health_port=self.health.port, instance_id=runtime.settings.instance_id)

    async def _await_first_config(self) -> None:
        """Give Redis a moment, so that trading starts on the live configuration where there is one."""
        try:
            async with asyncio.timeout(FIRST_CONFIG_SECONDS):
                await self.runtime.config.attempted.wait()
        except TimeoutError:
            self.runtime.config.attempted.set()

    async def _wind_up(self) -> None:
        """No more intake; then what is queued; then the signals that came of it."""
        runtime = self.runtime
        log.info("runtime.stopping", queued=len(runtime.intake.messages), signals_waiting=runtime.bus.outbox_size)
        await _bounded("stop intake", runtime.bus.stop_intake(), STOP_INTAKE_SECONDS)
        await _bounded("process the queued messages", runtime.consumer.finish(), FINISH_SECONDS)
        await _bounded("flush signals", _flush(runtime), FLUSH_SECONDS)

    async def _close(self) -> None:
        """Close what holds connections or files, whatever came before."""
        runtime = self.runtime
        await asyncio.gather(
            _bounded("save the snapshot", runtime.config.save_snapshot(), CLOSE_SECONDS),
            _bounded("answer the last changes", runtime.config.flush_acks(), CLOSE_SECONDS),
            _bounded("withdraw the heartbeat", runtime.heartbeat.withdraw(), CLOSE_SECONDS),
            _bounded("give the share up", runtime.standby.withdraw(), CLOSE_SECONDS),
            _bounded("close NATS", runtime.bus.close(), CLOSE_SECONDS),
            _bounded("close the health server", self.health.stop(), CLOSE_SECONDS),
        )
        await _bounded("close Redis", runtime.redis.aclose(), CLOSE_SECONDS)
        log.info(
            "runtime.stopped",
            processed=runtime.consumer.processed,
            signals=runtime.consumer.signals,
            signals_sent=runtime.bus.signals_sent,
            signals_unsent=runtime.bus.outbox_size,
        )

    async def _report_failures(self) -> None:
        """Log each strategy that raises, at most once a minute, with the latest exception."""
        logged_at: dict[str, float] = {}
        while True:
            await asyncio.sleep(FAILURE_POLL_SECONDS)
            now = time.monotonic()
            for failure in self.runtime.engine.take_failures():
                if now - logged_at.get(failure.strategy_id, -FAILURE_LOG_SECONDS) < FAILURE_LOG_SECONDS:
                    continue
                logged_at[failure.strategy_id] = now
                log.error(
                    "strategy.failed",
                    strategy_id=failure.strategy_id,
                    symbol=failure.symbol,
                    failures=self.runtime.engine.counters.strategy_errors.get(failure.strategy_id, 0),
                    exc_info=failure.exception,
                )

    def _log_start(self) -> None:
        settings = self.runtime.settings
        log.info(
            "runtime.starting",
            version=VERSION,
            instance_id=settings.instance_id,
            environment=settings.environment,
            replica=f"{settings.ordinal}/{settings.replicas}",
            strategies=self.runtime.config.live.enabled_strategies(),
        )
        for problem in settings.environment_problems:
            log.error("environment.ignored", variable=problem.variable, message=problem.message)
        for each in settings.unread_variables:
            log.warning("environment.unread", variable=each.variable, message=each.message)


async def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; returns the process's exit code. A second signal ends the process at once."""
    app = App(settings)

    def stop(number: signal.Signals) -> None:
        log.info("runtime.signal", signal=number.name)
        app.stop()

    on_signals(stop, within_seconds=END_SECONDS)
    try:
        await app.run()
    except (ExceptionGroup, OSError) as exception:
        causes = exception.exceptions if isinstance(exception, ExceptionGroup) else (exception,)
        reasons = [f"{type(cause).__name__}: {cause}" for cause in causes]
        # What the system refuses (a port that is taken) is no defect that a traceback would help to find.
        trace = None if isinstance(exception, OSError) else exception
        log.critical("runtime.failed", reasons=reasons, exc_info=trace)
        return FAILED
    return 0


async def _for_ever(name: str, coroutine: Coroutine[Any, Any, None]) -> None:
    await coroutine
    raise DeadTaskError(f"the task {name} has ended")


async def _bounded(step: str, coroutine: Coroutine[Any, Any, Any], seconds: float) -> None:
    """Run one step of the shutdown; late or failed, the next one still gets its turn."""
    try:
        async with asyncio.timeout(seconds):
            await coroutine
    except Exception as exception:
        log.error("runtime.shutdown_step_failed", step=step, error=f"{type(exception).__name__}: {exception}")


async def _flush(runtime: Runtime) -> None:
    await runtime.bus.flush()
    await runtime.history.flush()

"""Keeps a source of live data running: starts it again after each failure and each silence, and tells how it does."""

import asyncio
import math
import time
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from service_kit.backoff import Backoff
from service_kit.cancellation import cancellable

BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_LAST_SECONDS = 60.0
# A source that has been heard for this long is well: its next failure starts the backoff anew.
HEALTHY_SECONDS = 5.0
SILENCE_CHECKS = 4
# What a source may take for its end, when it is asked to.
GOODBYE_SECONDS = 1.0
SKEW_WARNING_MS = 5_000

log = structlog.get_logger(__name__)


class FeedError(Exception):
    """A source cannot go on as it is; the supervisor starts it again."""


class RateLimitedError(FeedError):
    """The other side asks to be left alone for ``retry_after_seconds``."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(f"{message}; asked to wait {retry_after_seconds:g} s")
        self.retry_after_seconds = retry_after_seconds


class SilenceError(FeedError):
    """Nothing came from a source for longer than it may be silent."""


@dataclass(slots=True)
class Status:
    """What a source did since the process started.

    ``missed`` counts what the exchange's own numbering shows to be missing, ``repeated`` what came twice or late and
    was left out, ``implausible`` figures that cannot be, ``no_market_trades`` prints of an insurance fund or the like;
    neither is published. ``skew_ms`` is the exchange's clock minus ours, of the latest message that carries a time.
    ``backoff_seconds`` is the wait before the next start that it is in, 0 while it runs. ``figure_at`` is when the
    other side made its latest figure, in Unix seconds, 0 where it sends none with a time of its own.
    """

    name: str
    messages: int = 0
    starts: int = 0
    failures: int = 0
    missed: int = 0
    repeated: int = 0
    garbage: int = 0
    implausible: int = 0
    no_market_trades: int = 0
    skew_ms: int = 0
    rate_limited: int = 0
    rate_limit_seconds: float = 0.0
    backoff_seconds: float = 0.0
    last_error: str = ""
    figure_at: float = 0.0
    figure_limit_seconds: float = math.inf
    heard_at: float = field(default_factory=time.monotonic)
    begun_at: float = 0.0
    is_skew_logged: bool = False

    def begin(self) -> None:
        """From now on the source may be silent for as long as it may at all: it starts, or is ready only now."""
        self.begun_at = time.monotonic()

    def heard(self) -> None:
        """Something came that shows the source alive."""
        self.heard_at = time.monotonic()

    def left_alone(self, seconds: float) -> None:
        """The other side has asked to be left alone, and is for so long."""
        self.rate_limited += 1
        self.rate_limit_seconds += seconds

    def figure_age(self) -> float:
        """Seconds since the latest figure was made, 0 before the first; above ``figure_limit_seconds`` it is stale."""
        return time.time() - self.figure_at if self.figure_at else 0.0

    def event_time(self, time_ms: int) -> None:
        """Compare the time of an event with our clock; warns once while they are more than 5 s apart."""
        self.skew_ms = time_ms - time.time_ns() // 1_000_000
        is_skewed = abs(self.skew_ms) > SKEW_WARNING_MS
        if is_skewed and not self.is_skew_logged:
            log.warning("feed.clock_skewed", source=self.name, skew_ms=self.skew_ms)
        self.is_skew_logged = is_skewed


class Source(Protocol):
    """Runs until it fails; tells ``status`` of what comes. ``silence_seconds``: how long nothing may come."""

    status: Status
    silence_seconds: float

    async def run(self) -> None:
        """Deliver for ever; raises when it cannot."""


async def supervise(source: Source, backoff: Backoff | None = None) -> None:
    """Run a source for ever. Whatever it fails with is logged, counted, and followed by another start."""
    backoff = backoff or Backoff(BACKOFF_FIRST_SECONDS, BACKOFF_LAST_SECONDS)
    status = source.status
    while True:
        status.starts += 1
        started = time.monotonic()
        status.begin()
        try:
            await cancellable(_run_watched(source), name=status.name, again_seconds=GOODBYE_SECONDS)
            error: Exception = FeedError("it ended by itself")
        except Exception as exception:
            error = root_cause(exception)
        if status.heard_at - started > HEALTHY_SECONDS:
            backoff.reset()
        wait = backoff.next_wait()
        if isinstance(error, RateLimitedError):
            wait = max(wait, error.retry_after_seconds)
            status.left_alone(wait)
        status.failures += 1
        status.last_error = f"{type(error).__name__}: {error}"
        log.warning("feed.source_failed", source=status.name, error=status.last_error, wait_seconds=round(wait, 2))
        status.backoff_seconds = wait
        await asyncio.sleep(wait)
        status.backoff_seconds = 0.0


def root_cause(error: Exception) -> Exception:
    """The first exception inside groups; one that asks to wait comes before others."""
    while isinstance(error, ExceptionGroup):
        inner = error.exceptions
        error = next((each for each in inner if isinstance(each, RateLimitedError)), inner[0])
    return error


async def _run_watched(source: Source) -> None:
    """Run a source until it ends; raises SilenceError where it delivers nothing for too long."""
    async with asyncio.TaskGroup() as group:
        watchdog = group.create_task(_watch(source), name=f"{source.status.name}.watchdog")
        await source.run()
        watchdog.cancel()


async def _watch(source: Source) -> None:
    while True:
        await asyncio.sleep(source.silence_seconds / SILENCE_CHECKS)
        silent = time.monotonic() - max(source.status.heard_at, source.status.begun_at)
        if silent > source.silence_seconds:
            raise SilenceError(f"nothing came for {silent:.1f} s")

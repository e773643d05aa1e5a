"""The live feed: every source under a supervisor of its own, one task group, one connection to NATS."""

import asyncio
import signal
import time

import structlog

from realtime_runtime.feeds.live.live_feed import LiveFeed, assemble
from realtime_runtime.feeds.live.live_health import FeedHealthServer
from realtime_runtime.feeds.live.live_settings import LiveSettings
from realtime_runtime.feeds.publishing import connected
from realtime_runtime.feeds.supervision import supervise
from service_kit.nats_connection import NatsLostError
from service_kit.shutdown import on_signals

STATUS_SECONDS = 60.0
# With a second each for the sources to say goodbye, and for NATS and the server to be closed, all has ended within 5.
FLUSH_SECONDS = 1
END_SECONDS = 4.9
FAILED = 1

log = structlog.get_logger(__name__)


async def run(settings: LiveSettings) -> int:
    """Feed until SIGTERM or SIGINT; returns the process's exit code. A second signal ends the process at once."""
    work = asyncio.create_task(_feed(settings), name="live-feed")

    def stop(number: signal.Signals) -> None:
        log.info("feed.signal", signal=number.name)
        work.cancel()

    on_signals(stop, within_seconds=END_SECONDS)
    try:
        await work
    except asyncio.CancelledError:
        log.info("feed.stopped")
        return 0
    except (ExceptionGroup, OSError) as exception:
        causes = exception.exceptions if isinstance(exception, ExceptionGroup) else (exception,)
        log.critical("feed.failed", reasons=[f"{type(cause).__name__}: {cause}" for cause in causes])
        return FAILED
    return FAILED


async def _feed(settings: LiveSettings) -> None:
    """Connect and run all sources; ends by cancellation only, or when NATS is lost for good."""
    closed = asyncio.Event()
    server = FeedHealthServer(settings.feed.health_port)
    await server.start()
    try:
        async with connected(
            settings.feed.nats_url,
            name="feed-live",
            access=settings.feed.nats_access,
            flush_seconds=FLUSH_SECONDS,
            closed=closed,
        ) as client:
            feed = server.feed = assemble(settings, client)
            names = [source.status.name for source in feed.sources]
            log.info("feed.started", sources=names, symbols=len(settings.feed.symbols), health_port=server.port)
            async with asyncio.TaskGroup() as group:
                for source in feed.sources:
                    group.create_task(supervise(source), name=source.status.name)
                group.create_task(_report(feed), name="feed.report")
                group.create_task(_fail_when(closed), name="feed.nats")
    finally:
        await server.stop()


async def _report(feed: LiveFeed) -> None:
    """Say once a minute how each source does."""
    counted = {source.status.name: 0 for source in feed.sources}
    while True:
        await asyncio.sleep(STATUS_SECONDS)
        now = time.monotonic()
        publishers = feed.publishers.values()
        log.info("feed.status", published=sum(p.published for p in publishers), lost=sum(p.lost for p in publishers))
        for source in feed.sources:
            status = source.status
            log.info(
                "feed.source_status",
                source=status.name,
                messages_per_second=round((status.messages - counted[status.name]) / STATUS_SECONDS, 1),
                silent_seconds=round(now - status.heard_at, 1),
                missed=status.missed,
                repeated=status.repeated,
                garbage=status.garbage,
                failures=status.failures,
                skew_ms=status.skew_ms,
                last_error=status.last_error,
            )
            counted[status.name] = status.messages


async def _fail_when(closed: asyncio.Event) -> None:
    await closed.wait()
    raise NatsLostError

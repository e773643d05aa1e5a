"""How feeds reach NATS: one connection that is never given up, subjects, and the mark of data of another time."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from nats import errors
from nats.aio.client import Client

from realtime_runtime.feeds.report import say
from service_kit import tracing
from service_kit.cancellation import cancellable
from service_kit.nats_connection import CheckedClient, NatsAccess, lasting

# With this header the runtime does not measure a message's age against the clock.
REPLAY_HEADERS = {"Replay": "1"}
FLUSH_TIMEOUT_SECONDS = 5
# Room for what is published during a reconnect: two windows of the largest usual messages are 10 MB.
PENDING_BYTES = 32 * 1024 * 1024
TRACE_SECONDS = 1.0
KEEP_SECONDS = 5.0
"""For how long of an outage prices are kept: longer than NATS takes to restart."""


def subject_for(topic: str, symbol: str) -> str:
    """The subject of a symbol's market messages: the topic, or ``<topic>.<SYMBOL>`` where the topic ends in ``.>``.

    Messages of a whole market have no symbol and go to ``<topic>.ALL``.
    """
    base = topic.removesuffix(".>")
    return topic if base == topic else f"{base}.{symbol or 'ALL'}"


class LivePublisher:
    """Publishes live messages as they come.

    While NATS is away they wait in the client's buffer of 32 MB. What does not fit is lost, counted and said once an
    outage, and so is everything after ``keep_seconds`` of it, with what has waited by then: spot books bear no time,
    and after the outage runtimes would take them for new. Where this process traces, one message in TRACE_SECONDS
    carries the trace of its publication in its header ``traceparent``; runtimes go on with it.
    """

    def __init__(self, client: CheckedClient, *, keep_seconds: float = math.inf) -> None:
        self._client = client
        self._keep_seconds = keep_seconds
        self._away_since = math.inf
        self._waiting: Counter[str] = Counter()
        self._is_losing = False
        self._is_traced = tracing.is_on()
        self._next_trace_at = 0.0
        self.published = 0
        self.lost = 0

    async def publish(self, subject: str, payload: bytes) -> None:
        """Publish one message; never raises for a server that is away."""
        is_away = not self._client.is_connected
        if is_away and self._is_too_late():
            self._lose("NATS is away: live messages are given up until it is back")
            return
        try:
            if self._is_traced and time.monotonic() >= self._next_trace_at:
                await self._publish_traced(subject, payload)
            else:
                await self._client.publish(subject, payload)
        except errors.OutboundBufferLimitError:
            self._lose("NATS is away and the buffer is full: live messages are being lost")
            return
        self.published += 1
        if is_away:
            self._waiting[subject] += 1
        elif self._away_since != math.inf:
            self._is_losing = False
            self._away_since = math.inf
            self._waiting.clear()

    def _is_too_late(self) -> bool:
        """Whether the outage has lasted too long for what waits; gives that up, the first time that it has."""
        now = time.monotonic()
        self._away_since = min(self._away_since, now)
        if now - self._away_since < self._keep_seconds:
            return False
        if self._waiting:
            self._client.discard_unsent(self._waiting.keys())
            self.published -= self._waiting.total()
            self.lost += self._waiting.total()
            self._waiting.clear()
        return True

    def _lose(self, what_happens: str) -> None:
        self.lost += 1
        if not self._is_losing:
            self._is_losing = True
            say(what_happens)

    async def _publish_traced(self, subject: str, payload: bytes) -> None:
        self._next_trace_at = time.monotonic() + TRACE_SECONDS
        attributes = {"messaging.system": "nats", "messaging.destination.name": subject}
        with tracing.span("market.publish", kind="producer", attributes=attributes):
            await self._client.publish(subject, payload, headers={"traceparent": tracing.traceparent()})


@asynccontextmanager
async def connected(
    url: str,
    *,
    name: str,
    access: NatsAccess,
    flush_seconds: int = FLUSH_TIMEOUT_SECONDS,
    closed: asyncio.Event | None = None,
) -> AsyncIterator[CheckedClient]:
    """A connection to NATS that waits for the server as long as it takes, at first and again, and says so once.

    On leaving, what was published is flushed, in ``flush_seconds`` at most; what a server that is away never took is
    lost with a message. ``closed`` is set when the client gives the connection up for good.
    """
    client = CheckedClient()
    said = ""

    async def say_once(error: Exception) -> None:
        nonlocal said
        text = f"NATS: {type(error).__name__} {error}".rstrip()
        if text != said:
            said = text
            say(f"{text}; trying again until it works")

    async def reconnected() -> None:
        nonlocal said
        said = ""
        say("NATS: connected again")

    async def note_closed() -> None:
        if closed is not None:
            closed.set()

    connecting = client.connect(
        url,
        name=name,
        pending_size=PENDING_BYTES,
        error_cb=say_once,
        reconnected_cb=reconnected,
        closed_cb=note_closed,
        **lasting(access),
    )
    await cancellable(connecting, name="nats.connect")
    try:
        yield client
    finally:
        await _leave(client, flush_seconds)


async def _leave(client: Client, flush_seconds: int) -> None:
    # Closing writes what is still pending, too: into a connection that is gone, during a reconnect. For that
    # asyncio raises an OSError, uvloop a RuntimeError.
    for leave in (partial(client.flush, flush_seconds), client.close):
        try:
            await leave()
        except (errors.Error, OSError, RuntimeError) as error:
            say(f"NATS is away, the last messages may not have been sent: {type(error).__name__}")

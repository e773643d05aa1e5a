"""How feeds reach NATS: one connection that is never given up, subjects, and the mark of data of another time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from nats import errors
from nats.aio.client import Client

from realtime_runtime.feeds.report import say
from realtime_runtime.nats_access import CheckedClient, NatsAccess

# With this header the runtime does not measure a message's age against the clock.
REPLAY_HEADERS = {"Replay": "1"}
CONNECT_TIMEOUT_SECONDS = 2
FLUSH_TIMEOUT_SECONDS = 5
# Room for what is published during a reconnect: two windows of the largest usual messages are 10 MB.
PENDING_BYTES = 32 * 1024 * 1024


def subject_for(topic: str, symbol: str) -> str:
    """The subject of a symbol's market messages: the topic, or ``<topic>.<SYMBOL>`` where the topic ends in ``.>``.

    Messages of a whole market have no symbol and go to ``<topic>.ALL``.
    """
    base = topic.removesuffix(".>")
    return topic if base == topic else f"{base}.{symbol or 'ALL'}"


@asynccontextmanager
async def connected(url: str, *, name: str, access: NatsAccess) -> AsyncIterator[Client]:
    """A connection to NATS that waits for the server as long as it takes, at first and again, and says so once.

    On leaving, what was published is flushed; what a server that is away never took is lost with a message.
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

    await client.connect(
        url,
        name=name,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        reconnect_time_wait=1,
        max_reconnect_attempts=-1,
        pending_size=PENDING_BYTES,
        error_cb=say_once,
        reconnected_cb=reconnected,
        **access.options(),
    )
    try:
        yield client
    finally:
        # Closing writes what is still pending, too: into a connection that is gone, during a reconnect.
        for leave in (partial(client.flush, FLUSH_TIMEOUT_SECONDS), client.close):
            try:
                await leave()
            except (errors.Error, OSError) as error:
                say(f"NATS is away, the last messages may not have been sent: {type(error).__name__}")

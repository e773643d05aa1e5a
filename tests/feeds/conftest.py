"""Fixtures of the live feeds' tests: a publisher to a real NATS server, and what arrives there."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg

from embedded.servers import NatsServer
from realtime_runtime.feeds.publishing import LivePublisher, connected
from realtime_runtime.feeds.supervision import Source, supervise
from service_kit.backoff import Backoff
from service_kit.nats_connection import NatsAccess
from tests.feeds.servers.binance import SimulatedBinance

STOP_SECONDS = 5.0
Supervised = Callable[[Source], AbstractAsyncContextManager[None]]


class Arrivals:
    """What came over NATS, in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []

    async def take(self, message: Msg) -> None:
        """The subscription's callback."""
        self.messages.append((message.subject, message.data))

    @property
    def documents(self) -> list[Any]:
        return [json.loads(payload) for _, payload in self.messages]

    def of_stream(self, name: str) -> list[Any]:
        """The data of the market messages of one stream."""
        return [document["data"] for document in self.documents if document.get("stream") == name]


@pytest.fixture
async def publisher(nats_server: NatsServer) -> AsyncIterator[LivePublisher]:
    """Publishes to the session's NATS."""
    async with connected(nats_server.url, name="tested-feed", access=NatsAccess()) as client:
        yield LivePublisher(client)


@pytest.fixture
async def listen(nats_server: NatsServer) -> AsyncIterator[Callable[[str], Any]]:
    """Subscribes: ``arrivals = await listen("subject.>")``."""
    client = await nats.connect(nats_server.url)

    async def subscribe(subject: str) -> Arrivals:
        arrivals = Arrivals()
        await client.subscribe(subject, cb=arrivals.take)
        await client.flush()
        return arrivals

    yield subscribe
    await client.close()


@pytest.fixture
async def binance() -> AsyncIterator[SimulatedBinance]:
    """A simulated exchange of this test's own."""
    async with SimulatedBinance() as server:
        yield server


@pytest.fixture
def supervised() -> Supervised:
    """Runs a source under its supervisor, with short waits; it must end within 5 s when it is asked to."""

    @asynccontextmanager
    async def run(source: Source) -> AsyncIterator[None]:
        task = asyncio.create_task(supervise(source, Backoff(first_seconds=0.02, last_seconds=0.05)))
        try:
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(task, return_exceptions=True)

    return run


def recorded(path: Path, *streams: str) -> Iterator[tuple[str, str]]:
    """(stream, line as on the wire) of a recording's messages, without the time that was added to them."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            stream = line[len('{"stream":"') : line.index('"', len('{"stream":"'))]
            if not streams or stream in streams:
                yield stream, line[: line.rindex(',"ts":')] + "}"

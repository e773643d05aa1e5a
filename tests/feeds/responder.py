"""A stand-in for a runtime: takes the messages of a topic and answers its progress as a runtime does."""

import asyncio
from typing import Self

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from realtime_runtime.messaging.progress import Progress


class Responder:
    """Counts what it gets. While ``is_open`` is not set it takes messages and processes none, like a busy runtime.

    ``most_waiting`` is the greatest number of messages that it ever had taken and not processed. ``lose`` of the
    messages are counted as dropped; after ``mute_after`` messages it answers no more.
    """

    def __init__(self, url: str, topic: str, name: str = "a", *, lose: int = 0, mute_after: int | None = None) -> None:
        self.payloads: list[bytes] = []
        self.subjects: set[str] = set()
        self.headers: set[str] = set()
        self.waiting = 0
        self.most_waiting = 0
        self.is_open = asyncio.Event()
        self.is_open.set()
        self._url = url
        self._topic = topic
        self._name = name
        self._lose = lose
        self._mute_after = mute_after
        self._queue: asyncio.Queue[Msg] = asyncio.Queue()
        self._client = Client()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._client = await nats.connect(self._url)
        await self._client.subscribe(self._topic, cb=self._take)
        await self._client.flush()
        self._task = asyncio.create_task(self._work(), name=f"responder-{self._name}")
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._client.close()

    async def _take(self, message: Msg) -> None:
        self._queue.put_nowait(message)
        self.waiting += bool(message.data)
        self.most_waiting = max(self.most_waiting, self.waiting)

    async def _work(self) -> None:
        while True:
            message = await self._queue.get()
            if message.data:
                await self.is_open.wait()
                self.waiting -= 1
                self.payloads.append(message.data)
                self.subjects.add(message.subject)
                self.headers |= {f"{name}: {value}" for name, value in (message.headers or {}).items()}
            if message.reply and (self._mute_after is None or len(self.payloads) < self._mute_after):
                await self._client.publish(message.reply, msgspec.json.encode(self._progress()))

    def _progress(self) -> Progress:
        """The counters start at 1,000: a runtime has had other messages before."""
        count = len(self.payloads)
        lost = self._lose if count else 0
        return Progress(self._name, received=1_000 + count, processed=1_000 + count - lost, dropped=lost, errors=7)

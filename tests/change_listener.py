"""Another service that is told of changes over NATS, and keeps what it hears in a JetStream stream."""

import asyncio
from typing import NamedTuple

import msgspec
import nats
from nats.js.api import RawStreamMsg

from embedded.servers import NatsServer
from strategy_core.configuration import change_stream

STREAM = "CHANGES"


class Told(NamedTuple):
    """One message as it came."""

    subject: str
    id: str
    change: change_stream.ChangeEvent
    traceparent: str


class ChangeListener:
    """Listens from its making on, also over a restart of the server. A message under an id that came is dropped."""

    def __init__(self, server: NatsServer) -> None:
        self._url = server.url
        asyncio.run(self._listen())

    def told(self) -> list[Told]:
        """What was heard so far, in the order of its coming."""
        return [
            Told(
                message.subject or "",
                (message.headers or {})["Nats-Msg-Id"],
                msgspec.json.decode(message.data or b"", type=change_stream.ChangeEvent),
                (message.headers or {}).get("traceparent", ""),
            )
            for message in asyncio.run(self._read())
        ]

    def count(self) -> int:
        """How many were heard so far."""
        return asyncio.run(self._last())

    def sequences(self) -> list[int]:
        """The sequences of the changes that were heard of, in the order of their coming."""
        return [told.change.sequence for told in self.told()]

    async def _listen(self) -> None:
        client = await nats.connect(self._url)
        await client.jetstream().add_stream(name=STREAM, subjects=[f"{change_stream.CHANGES_SUBJECT}.>"])
        await client.close()

    async def _last(self) -> int:
        client = await nats.connect(self._url)
        last: int = (await client.jetstream().stream_info(STREAM)).state.last_seq
        await client.close()
        return last

    async def _read(self) -> list[RawStreamMsg]:
        client = await nats.connect(self._url)
        stream = client.jetstream()
        last = (await stream.stream_info(STREAM)).state.last_seq
        messages = [await stream.get_msg(STREAM, number) for number in range(1, last + 1)]
        await client.close()
        return messages

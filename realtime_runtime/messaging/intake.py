"""The bounded queue between the bus and the engine. Full, it gives up the oldest message: fresh prices count."""

import asyncio
from collections import deque
from collections.abc import Sequence

import msgspec

from strategy_core.market.event_kinds import ObservationKind


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message on its way to the engine. ``received_ms`` is the host's clock in Unix milliseconds.

    ``observation`` is the kind that its subject brings; None: a market message in its envelope. ``symbol`` is set where
    the subject names it; ``reply`` is where progress is to be reported ("": nowhere); ``traceparent`` is the trace that
    the message belongs to ("": none, or this process does not trace).
    """

    observation: ObservationKind | None
    payload: bytes
    received_ms: int
    is_replay: bool
    symbol: str | None
    reply: str
    traceparent: str = ""


class Intake:
    """First in, first out, at most ``limit`` messages. ``dropped`` counts the oldest ones given up.

    ``unanswered`` holds the reply subjects of dropped messages: their senders wait for an answer all the same.
    """

    __slots__ = ("_arrival", "_limit", "dropped", "messages", "received", "unanswered")

    def __init__(self, limit: int) -> None:
        self.messages: deque[Message] = deque()
        self.unanswered: deque[str] = deque(maxlen=limit)
        self.received = 0
        self.dropped = 0
        self._limit = limit
        self._arrival = asyncio.Event()

    def put(self, arrived: Sequence[Message]) -> None:
        """Append messages in their order; never waits and never raises."""
        messages = self.messages
        messages.extend(arrived)
        self.received += len(arrived)
        while len(messages) > self._limit:
            oldest = messages.popleft()
            self.dropped += 1
            if oldest.reply:
                self.unanswered.append(oldest.reply)
        self._arrival.set()

    async def wait(self) -> None:
        """Return as soon as there is a message."""
        while not self.messages:
            self._arrival.clear()
            await self._arrival.wait()

"""Market messages, taken straight out of the bytes that nats-server sends."""

import re
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from nats.aio.client import Client
from nats.protocol.parser import HMSG_RE, MSG_RE, Parser

from realtime_runtime.messaging.intake import Message
from realtime_runtime.messaging.message_traces import trace_of
from service_kit import tracing
from service_kit.nats_connection import CheckedClient
from strategy_core.market.event_kinds import ObservationKind

KNOWN_LIMIT = 4_096
_END = b"\r\n"
_MESSAGES = (b"MSG", b"HMSG")
_REPLAY_HEADER = re.compile(rb"\r\nReplay:[ \t]*1[ \t]*\r\n")
T = TypeVar("T")


class _Start(NamedTuple):
    """What the first line of a message says, but for its size."""

    observation: ObservationKind | None
    symbol: str | None
    reply: str
    headers_size: int


class MessageParser(Parser):
    """nats-py's parser, past which the messages of the subscriptions in ``observations`` go to ``put``.

    By subject it says what they bring; None: market messages.

    The library's own way (two patterns, four changes of its buffer and a coroutine a message) costs more than most
    strategies. All else is left to it: control lines, other subscriptions, what is malformed. Leans on ``buf``,
    ``parse`` and ``reset`` of the pinned version's parser and on ``_subs`` of its client;
    tests/runtime/test_nats_messages.py holds it against the plain ones.
    """

    def __init__(self, client: Client, put: Callable[[list[Message]], None]) -> None:
        self.observations: dict[str, ObservationKind | None] = {}
        self._put = put
        self._is_traced = tracing.is_on()
        # A stream's messages all start alike.
        self._starts: dict[bytes, _Start] = {}
        self._sizes: dict[bytes, int] = {}
        self._resets = 0
        super().__init__(client)

    def reset(self) -> None:
        """Begin anew, on a new connection."""
        self._resets += 1
        super().reset()

    def forget(self) -> None:
        """Hand nothing over any more."""
        self.observations.clear()
        self._starts.clear()

    async def parse(self, data: bytes = b"") -> None:
        """Take in what the server has sent; raises ProtocolError."""
        if self.buf:
            data = bytes(self.buf) + data
            self.buf.clear()
        at, resets = 0, self._resets
        while (at := self._hand_over(data, at)) < len(data):
            end = _frame_end(data, at)
            if end > len(data):
                self.buf.extend(data[at:])
                return
            await super().parse(data[at:end])
            if self._resets != resets:
                # What is left came over a connection that is given up.
                return
            at = end

    def _hand_over(self, data: bytes, at: int) -> int:
        """Hand over the messages that stand at ``at``; returns where they end: at something else, or at a part."""
        starts, sizes, find = self._starts, self._sizes, data.find
        received_ms, end_of_data = int(time.time() * 1000), len(data)
        messages: list[Message] = []
        seen_headers, is_replay, trace = b"", False, ""
        while (end := find(_END, at)) >= 0:
            line, _, token = data[at:end].rpartition(b" ")
            start = starts.get(line) or self._start(line)
            size = sizes.get(token)
            if size is None:
                size = self._size(token)
            if start is None or size is None:
                break
            begin = end + 2
            payload_at, end = begin + start.headers_size, begin + size
            if end + 2 > end_of_data:
                break
            payload = data[payload_at:end]
            headers = data[begin:payload_at]
            if headers != seen_headers:
                seen_headers, is_replay = headers, _REPLAY_HEADER.search(headers) is not None
            if self._is_traced:
                trace = trace_of(payload, headers)
            kind, symbol, reply = start.observation, start.symbol, start.reply
            messages.append(Message(kind, payload, received_ms, is_replay, symbol, reply, trace))
            at = end + 2
        if messages:
            self._put(messages)
        return at

    def _start(self, line: bytes) -> _Start | None:
        """What the first line of a message says; None where that is not one of ours."""
        fields = line.split()
        operation, headers_size = fields[0] if fields else b"", b"0"
        if operation == b"HMSG":
            headers_size = fields.pop()
        if operation not in _MESSAGES or not 3 <= len(fields) <= 4 or not (fields[2] + headers_size).isdigit():
            return None
        subscription = self.nc._subs.get(int(fields[2]))
        if subscription is None or subscription.subject not in self.observations:
            return None
        observation = self.observations[subscription.subject]
        symbol = None
        if observation is None and subscription.subject.endswith(".>"):
            # Only there the symbol is what the subject goes on with.
            symbol = fields[1][len(subscription.subject) - 1 :].decode(errors="replace").upper()
        reply = fields[3].decode(errors="replace") if len(fields) == 4 else ""
        start = _Start(observation, symbol, reply, int(headers_size))
        if not reply:
            _keep(self._starts, line, start)
        return start

    def _size(self, token: bytes) -> int | None:
        """A size in bytes as it stands on the wire; None for what is no number."""
        if not token.isdigit():
            return None
        return _keep(self._sizes, token, int(token))


class MarketClient(CheckedClient):
    """nats-py's client with such a parser."""

    def __init__(self, put: Callable[[list[Message]], None]) -> None:
        super().__init__()
        self._ps = self.messages = MessageParser(self, put)


def _keep(known: dict[bytes, T], key: bytes, value: T) -> T:
    """Remember a value, for as long as what is known is not too much."""
    if len(known) >= KNOWN_LIMIT:
        known.clear()
    known[key] = value
    return value


def _frame_end(data: bytes, at: int) -> int:
    """Where what stands at ``at`` ends, a message with all its payload; beyond ``data`` where it is not all there."""
    end = data.find(_END, at)
    if end < 0:
        return len(data) + 1
    end += len(_END)
    line = data[at:end]
    message = MSG_RE.match(line) or HMSG_RE.match(line)
    return end if message is None else end + int(message.groups()[-1]) + len(_END)

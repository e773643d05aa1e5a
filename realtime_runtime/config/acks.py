"""The runtime's answers to changes, on their way to the stream ``<prefix>:acks``: none lost, none twice."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import structlog
from redis.exceptions import NoPermissionError

from realtime_runtime.config.connection import Command
from strategy_core.configuration import redis_keys, runtime_reports, wire_json

PENDING_ACKS = 1_000
ACKS_RECALLED = 2_000

log = structlog.get_logger(__name__)


class AckOutbox:
    """Answers that Redis has not confirmed yet, at most 1,000. ``lost``: those that it will never take.

    ``answered`` is the last sequence that this instance has answered or is about to.
    """

    def __init__(self, stream: str, instance_id: str) -> None:
        self.answered = 0
        self.lost = 0
        self._stream = stream
        self._instance_id = instance_id
        self._waiting: deque[runtime_reports.Ack] = deque(maxlen=PENDING_ACKS)

    def __bool__(self) -> bool:
        """Whether answers are waiting."""
        return bool(self._waiting)

    def add(
        self,
        sequence: int,
        *,
        is_applied: bool = True,
        latency_ms: float | None = None,
        error: str | None = None,
        field: str | None = None,
    ) -> None:
        """An answer for the next exchange with Redis. ``error``: why it was rejected, or what of it was left out."""
        self.answered = max(self.answered, sequence)
        if len(self._waiting) == PENDING_ACKS:
            self.lost += 1
        self._waiting.append(
            runtime_reports.Ack(
                sequence=sequence,
                instance_id=self._instance_id,
                status="applied" if is_applied else "rejected",
                error=error,
                latency_ms=latency_ms,
                field=field,
            )
        )

    def commands(self) -> list[Command]:
        """What sends all that wait; its replies go to `take_off`."""
        return [
            (
                "XADD",
                self._stream,
                "MAXLEN",
                "~",
                redis_keys.ACKS_CAP,
                "*",
                redis_keys.STREAM_FIELD,
                wire_json.encode(ack),
            )
            for ack in self._waiting
        ]

    def take_off(self, replies: Sequence[Any]) -> None:
        """Drop what Redis took. What it refuses for now (no memory, a replica) is sent again."""
        refused = []
        for reply in replies:
            ack = self._waiting.popleft()
            if isinstance(reply, NoPermissionError):
                self.lost += 1
            elif isinstance(reply, Exception):
                refused.append(ack)
        self._waiting.extendleft(reversed(refused))

    def recall_command(self) -> Command:
        """What asks for the newest answers of all; its reply goes to `recall`."""
        return ("XREVRANGE", self._stream, "+", "-", "COUNT", ACKS_RECALLED)

    def recall(self, reply: Any) -> None:
        """Leave out what this instance has answered already, on a connection that broke or in an earlier life."""
        if isinstance(reply, Exception):
            log.info("acks.unreadable", error=str(reply))
            return
        decoded = [_decode(fields) for _, fields in reply]
        own = [ack for ack in decoded if ack is not None and ack.instance_id == self._instance_id]
        answered = {_subject(ack) for ack in own}
        self._waiting = deque((ack for ack in self._waiting if _subject(ack) not in answered), PENDING_ACKS)
        self.answered = max((ack.sequence for ack in (*own, *self._waiting)), default=self.answered)


def _subject(ack: runtime_reports.Ack) -> tuple[int, str, str | None]:
    """What there is to be one answer to."""
    return ack.sequence, ack.status, ack.field


def _decode(fields: Sequence[bytes]) -> runtime_reports.Ack | None:
    """None for what is no answer of any runtime: not ours to judge."""
    pairs = dict(zip(fields[::2], fields[1::2], strict=True))
    try:
        return runtime_reports.decode_ack(pairs.get(redis_keys.STREAM_FIELD.encode(), b""))
    except wire_json.WireError:
        return None

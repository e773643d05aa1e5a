"""The complete read of what Redis holds of the configuration: everything at one instant, and what of it is missing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis.exceptions import NoPermissionError, RedisError

from realtime_runtime.config import wire
from realtime_runtime.config.connection import Command, RedisConnection, refuse_error

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CompleteRead:
    """Documents by field as of ``sequence`` (None: none is published), and the newest entry of the stream.

    ``written`` are the fields that were ever written and not deleted, None where this user of Redis may not read them.
    ``is_told``: the newest entry is a notice of the site that this is all there is.
    ``policy`` is Redis' maxmemory-policy, "" where it cannot be read.
    """

    sequence: int | None
    documents: dict[str, bytes] = field(repr=False)
    written: frozenset[str] | None
    newest_id: bytes
    is_told: bool
    policy: str

    @property
    def is_empty(self) -> bool:
        """Whether Redis has nothing of ours: new, or emptied."""
        return self.sequence is None and not self.documents and not self.written

    def lost(self, strategies: frozenset[str]) -> frozenset[str]:
        """The fields that must be there and are not; without their list, the global layers of ``strategies``."""
        if self.written:
            return self.written - self.documents.keys()
        return strategies - self.documents.keys()


async def read_all(
    connection: RedisConnection, keys: wire.Keys, others: Sequence[Command]
) -> tuple[CompleteRead, list[Any]]:
    """Read everything, and the replies to ``others``; raises RedisError. The caller bounds the time."""
    commands: list[Command] = [
        ("INFO", "memory"),
        # Apart from the transaction: a user of Redis from before this was read may not, and reads the rest.
        ("HKEYS", keys.sequences),
        ("MULTI",),
        ("GET", keys.sequence),
        ("HGETALL", keys.config),
        ("XREVRANGE", keys.changes, "+", "-", "COUNT", 1),
        ("EXEC",),
    ]
    memory, written, *replies = await connection.exchange([*commands, *others])
    replies, answers = replies[: len(replies) - len(others)], replies[len(replies) - len(others) :]
    for reply in replies:
        refuse_error(reply)
    published, flat, newest = replies[-1]
    sequence = sequence_of(published)
    found = CompleteRead(
        sequence=sequence,
        documents={_text(flat[at]): flat[at + 1] for at in range(0, len(flat), 2)},
        written=_written(written),
        newest_id=newest[0][0] if newest else b"0-0",
        is_told=bool(newest) and _is_notice(newest[0][1], sequence),
        policy=_policy(memory),
    )
    return found, answers


def sequence_of(reply: Any) -> int | None:
    """The published sequence, None where there is none; raises RedisError where it is no number."""
    published = refuse_error(reply)
    if published is None:
        return None
    try:
        return int(published)
    except ValueError:
        raise RedisError("the published sequence is not a number") from None


def _written(reply: Any) -> frozenset[str] | None:
    if isinstance(reply, NoPermissionError):
        return None
    return frozenset(_text(name) for name in refuse_error(reply))


def _is_notice(fields: Sequence[bytes], sequence: int | None) -> bool:
    try:
        change = wire.decode_change(wire.stream_payload(fields))
    except wire.WireError:
        return False
    return change.kind == "reload" and not change.is_partial and change.sequence == sequence


def _policy(reply: Any) -> str:
    if not isinstance(reply, bytes):
        return ""
    _, _, rest = reply.partition(b"maxmemory_policy:")
    return _text(rest.splitlines()[0]) if rest else ""


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")

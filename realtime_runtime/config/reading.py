"""The complete read of what Redis holds of the configuration: everything at one instant, and what of it is missing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis.exceptions import NoPermissionError, RedisError

from realtime_runtime.config.connection import Command, RedisConnection, refuse_error
from strategy_core.configuration import change_stream, redis_keys, wire_json

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
    connection: RedisConnection, keys: redis_keys.Keys, others: Sequence[Command]
) -> tuple[CompleteRead, list[Any]]:
    """Read everything, and the replies to ``others``; raises RedisError. The caller bounds the time."""
    memory, listing, exchanged, answers = await _exchange(connection, keys, others, is_listing=True)
    if isinstance(listing, NoPermissionError):
        # A user of Redis from before the list was read: a refused command voids the transaction.
        memory, listing, exchanged, answers = await _exchange(connection, keys, others, is_listing=False)
    for reply in exchanged:
        refuse_error(reply)
    published, flat, newest, *written = exchanged[-1]
    sequence = sequence_of(published)
    found = CompleteRead(
        sequence=sequence,
        documents={_text(flat[at]): flat[at + 1] for at in range(0, len(flat), 2)},
        written=frozenset(_text(name) for name in written[0]) if written else None,
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


async def _exchange(
    connection: RedisConnection, keys: redis_keys.Keys, others: Sequence[Command], *, is_listing: bool
) -> tuple[Any, Any, list[Any], list[Any]]:
    """The replies to INFO, to the list of what was written, to the whole transaction, and to ``others``."""
    listing: list[Command] = [("HKEYS", keys.sequences)] if is_listing else []
    transaction: list[Command] = [
        ("MULTI",),
        ("GET", keys.sequence),
        ("HGETALL", keys.config),
        ("XREVRANGE", keys.changes, "+", "-", "COUNT", 1),
        *listing,
        ("EXEC",),
    ]
    memory, *replies = await connection.exchange([("INFO", "memory"), *transaction, *others])
    size = len(transaction)
    return memory, replies[size - 2], replies[:size], replies[size:]


def _is_notice(fields: Sequence[bytes], sequence: int | None) -> bool:
    try:
        change = change_stream.decode_change(redis_keys.stream_payload(fields))
    except wire_json.WireError:
        return False
    return change.kind == "reload" and not change.is_partial and change.sequence == sequence


def _policy(reply: Any) -> str:
    if not isinstance(reply, bytes):
        return ""
    _, _, rest = reply.partition(b"maxmemory_policy:")
    return _text(rest.splitlines()[0]) if rest else ""


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")

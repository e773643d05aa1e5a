"""Verified positions of the history, compared with it later, so that a rewritten chain is found.

The hourly check keeps them in Redis, which not everyone who can write the database can write, and logs them. A copy of
the log, or what `verify_audit` printed, serves as well: ``parse`` reads both.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from strategy_config.history.chain import GENESIS
from strategy_config.redis import redis_client

MOST_KEPT = 1_000
_TEXT = re.compile(r"(?<![\w.])(\d{1,18})[ \t:]+([0-9a-f]{64})(?!\w)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A position up to which the history was found to hold, and the hash of its row."""

    position: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Witness:
    """What others than the store know of the history.

    ``sequence``: the last one that runtimes were told. ``relayed``: the highest that the relay's position was seen at.
    ``rewound``: the store's sequence was once behind the one told. ``is_replaced``: the history was replaced on purpose
    and Redis may be ahead of it until it was published. None: nobody knows.
    """

    checkpoints: tuple[Checkpoint, ...] = ()
    sequence: int | None = None
    relayed: int | None = None
    rewound: str | None = None
    is_replaced: bool = False


def parse(text: str) -> list[Checkpoint]:
    """The checkpoints in a text: "<position> <hash>", lines of the log, what `verify_audit` prints, JSON or not."""
    found: list[Checkpoint] = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            found.extend(Checkpoint(int(position), row_hash) for position, row_hash in _TEXT.findall(line))
            continue
        if isinstance(value, Mapping):
            inner = value.get("checkpoint", value)
            found.extend(_of_json(inner) if isinstance(inner, Mapping) else [])
    return found


def _of_json(value: Mapping[str, Any]) -> list[Checkpoint]:
    """Of an object with both members; what was kept before there were positions names the sequence, which was one."""
    position, row_hash = value.get("position", value.get("sequence")), value.get("hash")
    if isinstance(position, int) and isinstance(row_hash, str) and re.fullmatch("[0-9a-f]{64}", row_hash):
        return [Checkpoint(position, row_hash)]
    return []


def witness() -> Witness:
    """What Redis knows; raises RedisUnavailableError."""
    names = redis_client.keys()

    def read(client: Any) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        pipeline.lrange(_kept(), 0, -1)
        pipeline.get(names.sequence)
        pipeline.hgetall(_marks())
        answers: list[Any] = pipeline.execute()
        return answers

    kept, sequence, marks = redis_client.run(read, is_patient=True)
    relayed, rewound = marks.get(b"relayed"), marks.get(b"rewound")
    return Witness(
        checkpoints=tuple(parse("\n".join(line.decode(errors="replace") for line in kept))),
        sequence=int(sequence) if sequence is not None and sequence.isdigit() else None,
        relayed=int(relayed) if relayed is not None and relayed.isdigit() else None,
        rewound=None if rewound is None else rewound.decode(errors="replace"),
        is_replaced=b"replaced" in marks,
    )


def keep(found: Checkpoint, *, relayed: int, known: Iterable[Checkpoint], is_published: bool) -> None:
    """Remember a checkpoint that holds, and how far the relay was; raises RedisUnavailableError.

    ``is_published``: Redis is not ahead of the store, so that a replacement is over.
    """

    def write(client: Any) -> None:
        pipeline = client.pipeline()
        if found not in known:
            pipeline.lpush(_kept(), f"{found.position} {found.hash}")
            pipeline.ltrim(_kept(), 0, MOST_KEPT - 1)
        pipeline.hset(_marks(), "relayed", relayed)
        if is_published:
            pipeline.hdel(_marks(), "replaced")
        pipeline.execute()

    redis_client.run(write, is_patient=True)


def note_rewound(*, told: int, stored: int) -> None:
    """Remember that the store no longer knows sequences that runtimes were told; raises RedisUnavailableError."""
    if redis_client.run(lambda client: client.hdel(_marks(), "replaced"), is_patient=True):
        return
    text = f"runtimes received changes up to sequence {told}, the database ended at {stored} later"
    redis_client.run(lambda client: client.hsetnx(_marks(), "rewound", text), is_patient=True)


def forget() -> None:
    """Forget all of it, when the history was replaced on purpose; raises RedisUnavailableError."""

    def write(client: Any) -> None:
        pipeline = client.pipeline()
        pipeline.delete(_kept(), _marks(), verified_key())
        pipeline.hset(_marks(), "replaced", 1)
        pipeline.execute()

    redis_client.run(write, is_patient=True)


def verified_key() -> str:
    """How far the history page has verified."""
    return f"{redis_client.keys().prefix}:history-verified"


def _kept() -> str:
    return f"{redis_client.keys().prefix}:history-checkpoints"


def _marks() -> str:
    return f"{redis_client.keys().prefix}:history-marks"

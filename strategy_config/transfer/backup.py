"""The whole store as one file, and back: the same on every store, so that it also moves from one to another.

Gzip of JSON lines: a header, then one line a row as Django serializes it, the history last. Names stand for keys of
users, groups and permissions, because keys differ from store to store.
"""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, User
from django.core import serializers
from django.core.serializers.base import DeserializationError
from django.db.models import F, QuerySet

from strategy_config.history import chain, verification
from strategy_config.history.chain import Chain
from strategy_config.models import (
    ApiToken,
    ChangeSequence,
    ConfigAudit,
    Halt,
    RelayPosition,
    StrategyConfig,
    SymbolOverride,
)
from strategy_config.services import catalogue
from strategy_config.store import transactions

FORMAT = "realtime-strategies-backup-2"
# Before rows of the history had positions: each has its sequence for it.
_FORMER_FORMAT = "realtime-strategies-backup-1"
# In the order in which they can be written again: names that others refer to come first.
_STATE = (Group, User, ApiToken, StrategyConfig, SymbolOverride, Halt, RelayPosition)


class BackupError(Exception):
    """The file or the store cannot be used for this; says why."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backup holds: ``position`` and ``hash`` are the checkpoint of its history."""

    position: int
    sequence: int
    hash: str
    rows: int


def write(path: Path) -> Summary:
    """Write the store as it is at one moment. Writers wait while the layers are read, not while the history is.

    The file appears under its name when it is complete. Raises StoreUnavailableError, OSError.
    """
    (position, sequence, head_hash), lines = chain.write(_read_state)
    summary = Summary(position, sequence, head_hash, len(lines) + position)
    unfinished = path.with_name(f"{path.name}.part")
    # It holds digests of passwords and tokens: only the owner may read it.
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    with gzip.open(unfinished, "wb") as file:
        file.write(_line({"format": FORMAT, **asdict(summary)}))
        file.writelines(lines)
        file.writelines(_history(position))
    unfinished.replace(path)
    return summary


@transactions.store_errors()
def restore(path: Path) -> verification.Verification:
    """Write the file's rows into a store without a history; answers how far the chain then holds.

    Raises BackupError where the file is not whole or the store is not empty; StoreUnavailableError. What was begun
    and has failed is left as it is: take an empty store again.
    """
    _refuse_used_store()
    try:
        with gzip.open(path, "rb") as file:
            header = json.loads(file.readline())
            if not isinstance(header, dict) or header.get("format") not in {FORMAT, _FORMER_FORMAT}:
                raise BackupError(f"{path} is not a backup of this product.")
            written = _write_all(serializers.deserialize("jsonl", (line.decode() for line in file)), header)
    except (EOFError, gzip.BadGzipFile, ValueError, DeserializationError) as exception:
        raise BackupError(f"{path} cannot be read as a backup: {exception}") from exception
    if written != header["rows"]:
        raise BackupError(f"{path} declares {header['rows']} rows, but holds {written}.")
    catalogue.sync_catalogue()
    return verification.verify()


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"


def _read_state(end: Chain) -> tuple[tuple[int, int, str], list[bytes]]:
    lines = [line for model in _STATE for line in _serialized(model.objects.order_by("pk"))]
    return (end.position, end.sequence, end.hash), lines


def _history(position: int) -> Iterator[bytes]:
    """Rows up to ``position`` are never changed, so that no writer has to wait while they are read."""
    for first in range(1, position + 1, chain.BATCH_SIZE):
        last = min(first + chain.BATCH_SIZE - 1, position)
        batch = ConfigAudit.objects.filter(position__gte=first, position__lte=last).order_by("position")
        with transactions.store_errors():
            lines = _serialized(batch)
        yield from lines


def _serialized(rows: QuerySet[Any]) -> list[bytes]:
    text: str = serializers.serialize("jsonl", rows, use_natural_foreign_keys=True, use_natural_primary_keys=True)
    return text.encode().splitlines(keepends=True)


def _refuse_used_store() -> None:
    if ConfigAudit.objects.exists() or SymbolOverride.objects.exists() or StrategyConfig.objects.exclude(version=0):
        raise BackupError("This database has a history. Restore into an empty one: another database, after `migrate`.")


def _write_all(rows: Iterable[Any], header: dict[str, Any]) -> int:
    """Row by row, since rows are found by the names of those before them. The end of the chain is written last."""
    StrategyConfig.objects.all().delete()
    written = 0
    history: list[ConfigAudit] = []
    for row in rows:
        written += 1
        if not isinstance(row.object, ConfigAudit):
            row.save()
            continue
        if row.object.position is None:
            row.object.position = row.object.sequence
        history.append(row.object)
        if len(history) == chain.BATCH_SIZE:
            ConfigAudit.objects.bulk_create(history)
            history.clear()
    ConfigAudit.objects.bulk_create(history)
    if written == header["rows"]:
        ChangeSequence.objects.filter(pk=ChangeSequence.ONLY_ID).update(
            value=header["sequence"],
            head_hash=header["hash"],
            position=header.get("position", header["sequence"]),
            position_hash=header["hash"],
            identities=F("identities") + 1,
        )
    return written

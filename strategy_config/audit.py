"""The history: a chain of rows, each with the SHA-256 of its content and of its predecessor's hash."""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import F

from strategy_config import lookups, selectors, transactions
from strategy_config.live_rows import LastChanges
from strategy_config.models import ChangeSequence, ConfigAudit
from strategy_config.resolution import iso

GENESIS = "0" * 64
BATCH_SIZE = 1_000


@dataclass(frozen=True, slots=True)
class BadRow:
    """The first row of the history that does not hold, and what is wrong with it."""

    sequence: int
    problem: str


@dataclass(frozen=True, slots=True)
class Verification:
    """How far the history holds: ``sequence`` and ``hash`` are the checkpoint to keep elsewhere."""

    rows: int
    sequence: int
    hash: str
    bad: BadRow | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A sequence up to which the history was found to hold, and the hash of its row."""

    sequence: int = 0
    hash: str = GENESIS


class ReadRow(NamedTuple):
    """A row of the history as it is read by the hundred thousand, where instances of the model cost more than the rest.

    The names are those of the model's fields.
    """

    sequence: int
    changed_at: datetime
    strategy_id: str
    symbol: str
    action: str
    version: int
    changed_by: str
    actor: str
    channel: str
    request_id: str
    reason: str
    changes: list[dict[str, Any]]
    old_parameters: dict[str, Any] | None
    new_parameters: dict[str, Any] | None
    previous_hash: str
    hash: str
    id: uuid.UUID


def content(row: ConfigAudit | ReadRow) -> dict[str, Any]:
    """Everything in the row but ``hash`` itself, as JSON types."""
    return {
        "id": str(row.id),
        "sequence": row.sequence,
        "strategy_id": row.strategy_id,
        "symbol": row.symbol,
        "action": str(row.action),
        "version": row.version,
        "old_parameters": canonical(row.old_parameters),
        "new_parameters": canonical(row.new_parameters),
        "changes": canonical(row.changes),
        "changed_by": row.changed_by,
        "actor": row.actor,
        "channel": row.channel,
        "request_id": row.request_id,
        "changed_at": iso(row.changed_at),
        "reason": row.reason,
        "previous_hash": row.previous_hash,
    }


def content_hash(row: ConfigAudit) -> str:
    """The SHA-256 of the row's content in canonical JSON."""
    text = json.dumps(content(row), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Chain:
    """The end of the history, locked for the transaction that is open: open one first.

    The lock is on the one row that all writers share, so they come one after another.
    """

    def __init__(self) -> None:
        is_counted = connection.vendor == "mongodb"
        if is_counted:
            # A read locks nothing there; a write makes all but one writer conflict before they have done any work.
            ChangeSequence.objects.filter(pk=ChangeSequence.ONLY_ID).update(value=F("value") + 1)
        head = lookups.find(ChangeSequence, is_locked=True, id=ChangeSequence.ONLY_ID)
        if head is None:
            raise ChangeSequence.DoesNotExist("The history has no beginning: run migrate.")
        self._head = head
        self._next = head.value if is_counted else head.value + 1
        self._hash = head.head_hash
        self.rows: list[ConfigAudit] = []

    @property
    def next_sequence(self) -> int:
        """The sequence of the row that comes next."""
        return self._next

    def append(self, row: ConfigAudit) -> None:
        """Write ``row``, which lacks only its place in the chain."""
        self._link(row)
        lookups.insert(row)

    def append_all(self, rows: Sequence[ConfigAudit]) -> None:
        """Write many rows at once, in their order."""
        for row in rows:
            self._link(row)
        ConfigAudit.objects.bulk_create(rows, batch_size=BATCH_SIZE)

    def close(self) -> None:
        """Leave the end of the chain to the next writer; where nothing was appended it is where it was."""
        self._head.value, self._head.head_hash = self._next - 1, self._hash
        lookups.update(self._head, "value", "head_hash")

    def _link(self, row: ConfigAudit) -> None:
        row.sequence = self._next
        row.previous_hash = self._hash
        row.hash = content_hash(row)
        self.rows.append(row)
        self._next += 1
        self._hash = row.hash


@transactions.store_errors()
def verify(from_sequence: int = 0, *, progress: Callable[[int, int], None] | None = None) -> Verification:
    """Walk the history from ``from_sequence`` to its end; stops at the first row that does not hold.

    Checks each content hash, each link, that no sequence and no version of a layer is missing, that the end is the
    one that the writers know, and that each layer is in force as its last row says (the bad row is then that one).
    From a sequence above 1 on, the first row is trusted to be the right successor, and layers that have not been
    changed since are not compared. ``progress`` is called with (rows done, rows in all).
    """
    try:
        live_sequence, strategies, symbols = selectors.all_layers()
    except ValueError as exception:
        return Verification(0, 0, GENESIS, BadRow(0, f"live row: unreadable: {exception}"))
    head = ChangeSequence.objects.get(pk=ChangeSequence.ONLY_ID)
    first = max(from_sequence, 1)
    if first > head.value + 1:
        problem = f"missing: the history ends at {head.value}, before the row to begin with"
        return Verification(0, head.value, head.head_hash, BadRow(head.value + 1, problem))
    expected = first
    previous_hash = GENESIS if first == 1 else None
    changes = LastChanges(is_whole=first == 1)
    live_changes = LastChanges(is_whole=first == 1)
    total = max(head.value - first + 1, 0)
    for row in _rows(first, head.value):
        bad = row if isinstance(row, BadRow) else _judge(row, expected, previous_hash, changes)
        if isinstance(row, BadRow) or bad is not None:
            return Verification(expected - first, expected - 1, previous_hash or GENESIS, bad)
        changes.add(row)
        if row.sequence <= live_sequence:
            live_changes.add(row)
        previous_hash = row.hash
        expected += 1
        if progress is not None:
            progress(expected - first, total)
    bad = None
    if expected <= head.value:
        bad = BadRow(expected, f"missing: the history ends at {expected - 1}, {head.value} rows were written")
    elif (previous_hash or head.head_hash) != head.head_hash:
        bad = BadRow(head.value, "hash: the writers know another hash of the last row")
    elif (extra := _first_after(head.value)) is not None:
        bad = BadRow(extra, f"unexpected: only {head.value} rows were written")
    elif (difference := live_changes.first_difference([*strategies, *symbols])) is not None:
        bad = BadRow(difference.sequence, difference.problem)
    return Verification(expected - first, expected - 1, previous_hash or head.head_hash, bad)


@transactions.store_errors()
def verify_next(after: Checkpoint, *, limit: int) -> Verification:
    """Walk up to ``limit`` rows on from a checkpoint; ``sequence`` and ``hash`` of the answer are the next one.

    Versions are compared within these rows only.
    """
    head = ChangeSequence.objects.get(pk=ChangeSequence.ONLY_ID)
    sequence, known_hash, bad = after.sequence, after.hash, None
    changes = LastChanges(is_whole=sequence == 0)
    for row in _rows(sequence + 1, min(head.value, sequence + limit)):
        bad = row if isinstance(row, BadRow) else _judge(row, sequence + 1, known_hash, changes)
        if isinstance(row, BadRow) or bad is not None:
            break
        changes.add(row)
        sequence, known_hash = row.sequence, row.hash
    is_whole_rest = head.value <= after.sequence + limit
    if bad is None and is_whole_rest and (sequence, known_hash) != (head.value, head.head_hash):
        bad = BadRow(head.value, f"the end: {head.value} rows were written, {sequence} are there as they were")
    return Verification(sequence - after.sequence, sequence, known_hash, bad)


def _rows(first: int, last: int) -> Iterator[ConfigAudit | BadRow]:
    """The rows from ``first`` to ``last`` in order, read in batches. A row that cannot be read ends it as a BadRow.

    A batch is a range of sequences, not a number of rows: MongoDB would sort all that follow for each batch.
    """
    size = BATCH_SIZE
    while first <= last:
        following = ConfigAudit.objects.filter(sequence__gte=first, sequence__lte=last).order_by("sequence")
        try:
            batch = list(following.filter(sequence__lt=first + size))
        except ValueError as exception:
            if size == 1:
                yield BadRow(first, f"unreadable: {exception}")
                return
            size = 1
            continue
        yield from batch
        if batch:
            first += size
            continue
        # Rows are missing, perhaps very many.
        next_found = following.values_list("sequence", flat=True).first()
        if next_found is None:
            return
        first = next_found


def _first_after(sequence: int) -> int | None:
    """A row beyond the end that no writer knows. A change committed a moment ago is no such row."""
    with transactions.atomic():
        # Locked: on PostgreSQL the second query could see what was committed after the first.
        value = ChangeSequence.objects.select_for_update().get(pk=ChangeSequence.ONLY_ID).value
        rows = ConfigAudit.objects.filter(sequence__gt=max(value, sequence)).order_by("sequence")
        return rows.values_list("sequence", flat=True).first()


def _judge(row: ConfigAudit, expected: int, previous_hash: str | None, before: LastChanges) -> BadRow | None:
    """``before`` are the changes before the row; in a whole history every layer begins with version 1."""
    if row.sequence != expected:
        return BadRow(expected, f"gap: this row is missing, the next one is {row.sequence}")
    if content_hash(row) != row.hash:
        return BadRow(row.sequence, "content hash: the row is not what was written")
    if previous_hash is not None and row.previous_hash != previous_hash:
        return BadRow(row.sequence, "link: its predecessor is not the row that it was written after")
    known = before.version_of((row.strategy_id, row.symbol))
    if known is not None and row.version != known + 1:
        layer = f"{row.strategy_id} {row.symbol or 'global'}"
        return BadRow(row.sequence, f"version gap: version {row.version} of {layer} follows version {known}")
    return None


def canonical(value: Any) -> Any:
    """A JSON value with numbers as in RFC 8785: 1.0 is 1, because not every store keeps them apart."""
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is dict:
        return {name: canonical(inner) for name, inner in value.items()}
    return [canonical(inner) for inner in value] if kind is list else value

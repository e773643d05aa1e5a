"""The end of the history: a chain of rows, each with the SHA-256 of its content and of its predecessor's hash.

Whatever is written goes through ``write``: it opens the transaction and the end of the chain, and sees that what was
committed is not written again.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import F, QuerySet

from strategy_config.history import audit_rows
from strategy_config.history.origins import Origin
from strategy_config.models import ChangeSequence, ConfigAudit
from strategy_config.resolution import work_limit
from strategy_config.store import compiled_queries, transactions

GENESIS = "0" * 64
BATCH_SIZE = 1_000
T = TypeVar("T")


class Chain:
    """The end of the history, locked for the transaction that is open: ``write`` makes it.

    The lock is on the one row that all writers share, so they come one after another. Rows are written by ``close``.
    """

    def __init__(self, identity: uuid.UUID) -> None:
        is_counted = connection.vendor == "mongodb"
        if is_counted:
            # A read locks nothing there; a write makes all but one writer conflict before they have done any work.
            ChangeSequence.objects.filter(pk=ChangeSequence.ONLY_ID).update(position=F("position") + 1)
        head = compiled_queries.find(ChangeSequence, is_locked=True, id=ChangeSequence.ONLY_ID)
        if head is None:
            raise ChangeSequence.DoesNotExist("The history has no beginning: run migrate.")
        head.position -= is_counted
        if head.position_hash != head.head_hash:
            head.position = _adopt(head.position)
        self._identity = identity
        self._head = head
        self._position = head.position
        self._sequence = head.value
        self.rows: list[ConfigAudit] = []

    @property
    def position(self) -> int:
        """The position of the last row, those that are yet to be written included."""
        return self._position

    @property
    def sequence(self) -> int:
        """The last sequence, as above."""
        return self._sequence

    @property
    def hash(self) -> str:
        """The hash of the last row that others know."""
        return self._head.head_hash

    @property
    def next_sequence(self) -> int:
        """The sequence of the change of a layer that comes next."""
        return self._sequence + 1

    def append(self, row: ConfigAudit, *, keeps_id: bool = False) -> None:
        """Add the change of a layer; ``row`` lacks only its place in the chain, and its id unless it ``keeps_id``."""
        self._sequence += 1
        row.sequence = self._sequence
        self._place(row, keeps_id=keeps_id)

    def append_object(
        self,
        *,
        kind: str,
        object_id: object,
        action: str,
        version: int | None = None,
        origin: Origin,
        changes: Sequence[Mapping[str, Any]] = (),
        is_told: bool = False,
    ) -> ConfigAudit:
        """Add an act on something that is no layer; ``changes`` are {parameter, old, new} of its members.

        ``version`` None: the one after that of its last row. ``is_told``: runtimes must learn of it, so that it gets a
        sequence.
        """
        if version is None:
            version = self._last_version(kind, str(object_id)) + 1
        row = ConfigAudit(
            object_kind=kind,
            object_id=str(object_id),
            object_version=version,
            action=action,
            changes=[dict(change) for change in changes],
            changed_by=origin.changed_by,
            actor=origin.actor,
            channel=origin.channel,
            request_id=origin.request_id,
            changed_at=origin.at,
            reason=origin.reason,
        )
        if is_told:
            self.append(row)
        else:
            self._place(row)
        return row

    def close(self) -> None:
        """Write the rows, and leave the end of the chain to the next writer."""
        previous_hash = self._head.head_hash
        for row in self.rows:
            row.set_id = self._identity if len(self.rows) > 1 else None
            audit_rows.seal(row)
            row.previous_hash = previous_hash
            previous_hash = row.hash = audit_rows.content_hash(row)
        if len(self.rows) == 1:
            compiled_queries.insert(self.rows[0])
        elif self.rows:
            ConfigAudit.objects.bulk_create(self.rows, batch_size=BATCH_SIZE)
        self._head.position, self._head.value = self._position, self._sequence
        self._head.position_hash = self._head.head_hash = previous_hash
        compiled_queries.update(self._head, "position", "value", "head_hash", "position_hash")

    def _last_version(self, kind: str, object_id: str) -> int:
        rows = ConfigAudit.objects.filter(object_kind=kind, object_id=object_id)
        stored = rows.order_by("-object_version").values_list("object_version", flat=True).first()
        here = [row.object_version or 0 for row in self.rows if (row.object_kind, row.object_id) == (kind, object_id)]
        return max([stored or 0, *here])

    def _place(self, row: ConfigAudit, *, keeps_id: bool = False) -> None:
        if not self.rows and not keeps_id:
            row.id = self._identity
        self._position += 1
        row.position = self._position
        row._state.adding = True
        self.rows.append(row)


def write(change: Callable[[Chain], T]) -> T:
    """Run ``change``, which appends to the chain what it does, in one transaction; answers what it answered.

    Again where another writer was in the way, and where a commit was not answered: then it is first looked whether
    the first row, under the identity that all attempts share, is there. If so, the answer is that of the attempt which
    wrote it. Raises StoreUnavailableError.
    """
    identity = uuid.uuid4()
    attempts: list[tuple[Chain, T]] = []

    def use_case() -> T:
        with transactions.atomic():
            chain = Chain(identity)
            stored = _stored(attempts)
            answer = change(chain) if stored is None else stored[1]
            chain.close()
            if chain.rows:
                attempts.append((chain, answer))
            return answer

    written = transactions.run(use_case, is_repeatable=True)
    work_limit.lift()
    return written


def head() -> ChangeSequence:
    """The end of the history as it is stored, where every row has its position."""
    found = ChangeSequence.objects.get(pk=ChangeSequence.ONLY_ID)
    if found.position_hash != found.head_hash and ConfigAudit.objects.filter(position=None).exists():
        write(lambda end: None)
        found = ChangeSequence.objects.get(pk=ChangeSequence.ONLY_ID)
    return found


def _stored(attempts: Sequence[tuple[Chain, T]]) -> tuple[Chain, T] | None:
    """The attempt whose commit succeeded, although its answer was lost."""
    for chain, answer in attempts:
        first = chain.rows[0]
        row = compiled_queries.find(ConfigAudit, id=first.id)
        if row is not None and row.hash == first.hash:
            return chain, answer
    return None


def _adopt(position: int) -> int:
    """Give the rows that a release without positions has written since their positions; answers the last one.

    During an upgrade both releases write. The hash of such a row does not cover its position.
    """
    rows: QuerySet[ConfigAudit] = QuerySet(ConfigAudit)  # not the model's own, which refuses updates
    for row_id in rows.filter(position=None).order_by("sequence").values_list("id", flat=True):
        position += 1
        rows.filter(pk=row_id).update(position=position)
    return position

"""Whether the history holds: every row as it was written, none missing, and what is in force as it says."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from strategy_config.history import chain, snapshots
from strategy_config.history.audit_rows import content_hash, redacted_texts, row_name
from strategy_config.history.chain import GENESIS
from strategy_config.history.checkpoints import Checkpoint, Witness
from strategy_config.history.live_rows import LastChanges
from strategy_config.history.snapshots import LiveState
from strategy_config.models import ChangeSequence, ConfigAudit
from strategy_config.resolution import work_limit
from strategy_config.store import transactions

NOBODY = Witness()
_SEQUENCE = "sequence: the writers know {} as the last one, the history ends with {}"


@dataclass(frozen=True, slots=True)
class BadRow:
    """The first row of the history that does not hold, and what is wrong with it."""

    position: int
    problem: str


@dataclass(frozen=True, slots=True)
class Verification:
    """How far the history holds: ``position`` and ``hash`` are the checkpoint to keep elsewhere.

    ``redacted`` counts the rows that hold although texts were taken out of them.
    """

    rows: int
    position: int
    hash: str
    bad: BadRow | None
    redacted: int = 0


class _Walk:
    """A way along the chain, row by row: what the rows so far lead to."""

    def __init__(self, first: int, known_hash: str | None, against: Sequence[Checkpoint] = ()) -> None:
        """From the row at ``first`` on; ``known_hash`` is that of the row before it, None where it is not known."""
        is_whole = first == 1
        self._against: dict[int, set[str]] = defaultdict(set)
        for checkpoint in against:
            self._against[checkpoint.position].add(checkpoint.hash)
        self._first = first
        self.position = first - 1
        self.hash = known_hash
        self.redacted = 0
        self.sequence = 0 if is_whole else None
        self.changes = LastChanges(is_whole=is_whole)

    def take(self, row: ConfigAudit | BadRow) -> BadRow | None:
        """The next row; what is wrong with it."""
        bad = row if isinstance(row, BadRow) else self._judge(row)
        if isinstance(row, BadRow) or bad is not None:
            return bad
        self.changes.add(row)
        self.position, self.hash = self.position + 1, row.hash
        self.redacted += bool(redacted_texts(row))
        if row.sequence is not None:
            self.sequence = row.sequence
        return None

    def beyond(self, head: ChangeSequence) -> BadRow | None:
        """Whether a checkpoint stands where the history does not reach any more."""
        farthest = max(self._against, default=0)
        if farthest <= head.position:
            return None
        return BadRow(head.position + 1, f"checkpoint: rows up to {farthest} were seen, the newest are missing")

    def result(self, bad: BadRow | None, head: ChangeSequence) -> Verification:
        """What was found on the way; ``head`` says the hash where no row was read."""
        rows = self.position - self._first + 1
        return Verification(rows, self.position, self.hash or head.head_hash, bad, self.redacted)

    def _judge(self, row: ConfigAudit) -> BadRow | None:
        """In a whole history every layer and every object begins with version 1."""
        expected = self.position + 1
        if row.position != expected:
            return BadRow(expected, f"gap: this row is missing, the next one is {row.position}")
        if content_hash(row) != row.hash:
            return BadRow(expected, "content hash: the row is not what was written")
        if self.hash is not None and row.previous_hash != self.hash:
            return BadRow(expected, "link: its predecessor is not the row before it")
        if row.sequence is not None and self.sequence is not None and row.sequence != self.sequence + 1:
            return BadRow(expected, f"sequence gap: sequence {row.sequence} follows sequence {self.sequence}")
        if row.hash not in self._against.get(expected, {row.hash}):
            return BadRow(expected, "checkpoint: a different row was there before, the history was rewritten")
        known = self.changes.version_of(row)
        version = row.version if row.object_kind is None else row.object_version
        if known is not None and version != known + 1:
            return BadRow(expected, f"version gap: version {version} of {row_name(row)} follows version {known}")
        return None


@transactions.store_errors()
def verify(
    from_position: int = 0, *, witness: Witness = NOBODY, progress: Callable[[int, int], None] | None = None
) -> Verification:
    """Walk the history from ``from_position`` to its end; stops at the first row that does not hold.

    Checks each content hash, each link, that no position, no sequence and no version is missing, that the end is the
    one that the writers know, what the ``witness`` saw (taken before this is called), and that each layer, token and
    halt is in force as its rows say (the bad row is then its last one). From a position above 1 on, the first row is
    trusted to be the right successor, and what has no row since is not compared. ``progress`` is called with (rows
    done, all).
    """
    try:
        live = snapshots.live_state()
    except ValueError as exception:
        return Verification(0, 0, GENESIS, BadRow(0, f"live row: unreadable: {exception}"))
    head = chain.head()
    first = max(from_position, 1)
    if first > head.position + 1:
        problem = f"missing: the history ends at {head.position}, before the row to begin with"
        return Verification(0, head.position, head.head_hash, BadRow(head.position + 1, problem))
    walk = _Walk(first, GENESIS if first == 1 else None, witness.checkpoints)
    live_changes = LastChanges(is_whole=first == 1)
    total = max(head.position - first + 1, 0)
    for row in _rows(first, head.position):
        work_limit.check()
        bad = walk.take(row)
        if isinstance(row, BadRow) or bad is not None:
            return walk.result(bad, head)
        if walk.position <= live.position:
            live_changes.add(row)
        if progress is not None:
            progress(walk.position - first + 1, total)
    bad = _wrong_end(walk, head) or walk.beyond(head) or _contradicted(witness, live, head)
    if bad is None and (difference := live_changes.first_difference(live)) is not None:
        bad = BadRow(difference.position, difference.problem)
    return walk.result(bad, head)


def _contradicted(witness: Witness, live: LiveState, head: ChangeSequence) -> BadRow | None:
    """What Redis and the relay saw that the history has no rows for."""
    if witness.sequence is not None and witness.sequence > head.value and not witness.is_replaced:
        problem = (
            f"redis: runtimes received changes up to sequence {witness.sequence}, the database ends at {head.value}"
        )
        return BadRow(head.position + 1, problem)
    if witness.rewound is not None:
        return BadRow(head.position + 1, f"redis: {witness.rewound}")
    if live.relayed > live.sequence:
        problem = f"relay: its position is {live.relayed}, the last sequence is {live.sequence}"
        return BadRow(head.position + 1, problem)
    if witness.relayed is not None and live.relayed < witness.relayed:
        problem = f"relay: its position is {live.relayed} and was {witness.relayed}: changes are announced twice"
        return BadRow(head.position, problem)
    return None


def _wrong_end(walk: _Walk, head: ChangeSequence) -> BadRow | None:
    """What differs between the last row of the walk and what the writers know of the end."""
    if walk.position < head.position:
        problem = f"missing: the history ends at {walk.position}, {head.position} rows were written"
        return BadRow(walk.position + 1, problem)
    if (walk.hash or head.head_hash) != head.head_hash:
        return BadRow(head.position, "hash: the writers know another hash of the last row")
    if walk.sequence is not None and walk.sequence != head.value:
        return BadRow(head.position, _SEQUENCE.format(head.value, walk.sequence))
    if (extra := _first_after(head.position)) is not None:
        return BadRow(extra, f"unexpected: only {head.position} rows were written")
    return None


@transactions.store_errors()
def verify_next(after: Checkpoint, *, limit: int) -> Verification:
    """Walk up to ``limit`` rows on from a checkpoint; ``position`` and ``hash`` of the answer are the next one.

    Versions are compared within these rows only.
    """
    head = chain.head()
    walk = _Walk(after.position + 1, after.hash)
    bad = None
    for row in _rows(after.position + 1, min(head.position, after.position + limit)):
        bad = walk.take(row)
        if bad is not None:
            break
    is_whole_rest = head.position <= after.position + limit
    if bad is None and is_whole_rest and (walk.position, walk.hash) != (head.position, head.head_hash):
        problem = f"the end: {head.position} rows were written, only {walk.position} verify"
        bad = BadRow(head.position, problem)
    if bad is None and is_whole_rest and walk.sequence not in {None, head.value}:
        bad = BadRow(head.position, _SEQUENCE.format(head.value, walk.sequence))
    return walk.result(bad, head)


def _rows(first: int, last: int) -> Iterator[ConfigAudit | BadRow]:
    """The rows from ``first`` to ``last`` in order, read in batches. A row that cannot be read ends it as a BadRow.

    A batch is a range of positions, not a number of rows: MongoDB would sort all that follow for each batch.
    """
    size = chain.BATCH_SIZE
    while first <= last:
        following = ConfigAudit.objects.filter(position__gte=first, position__lte=last).order_by("position")
        try:
            batch = list(following.filter(position__lt=first + size))
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
        next_found = following.values_list("position", flat=True).first()
        if next_found is None:
            return
        first = next_found


def _first_after(position: int) -> int | None:
    """A row beyond the end that no writer knows. A change committed a moment ago is no such row."""
    with transactions.atomic():
        # Locked: on PostgreSQL the second query could see what was committed after the first.
        head = ChangeSequence.objects.select_for_update().get(pk=ChangeSequence.ONLY_ID)
        rows = ConfigAudit.objects.filter(position__gt=max(head.position, position)).order_by("position")
        found = rows.values_list("position", flat=True).first()
        if (
            found is None
            and head.position_hash == head.head_hash
            and ConfigAudit.objects.filter(position=None).exists()
        ):
            found = head.position + 1
        return found

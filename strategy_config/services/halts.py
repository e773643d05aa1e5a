"""Halts and resumes as services: stored with their history in one transaction, then published.

A halt is in force until a resume names its id; nothing else ends it. One that reached a runtime without the site is
taken in by ``take_in_told``, once by its id. Called through `services`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4, uuid5

import structlog

from service_kit.tracing import traced
from strategy_config.exceptions import InvalidRequestError, NotFoundError, StoreUnavailableError
from strategy_config.history import chain, halt_rows
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Channel, Origin, reasoned_origin, stopping_origin
from strategy_config.models import STRATEGY_ID_LENGTH, ConfigAudit, Halt
from strategy_config.observed import runtimes
from strategy_config.publication import halt_telling, publisher
from strategy_config.redis import redis_client
from strategy_config.resolution import item_failures, resolution
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.selectors import selectors
from strategy_config.services import bulk_changes
from strategy_config.services.batches import OpenBatch
from strategy_config.services.import_plan import LayerKey
from strategy_core.configuration import halts as wire_halts
from strategy_core.configuration import wire
from strategy_core.configuration.halts import Scope
from strategy_core.strategies.registry import STRATEGIES

_RUNTIME = "runtime"
_COVERED_BY = "halt:"
_NOBODY_TOLD = (
    "The database is away, and the runtimes could not be told over Redis or NATS. Nothing was halted: halt each "
    "runtime on its own port (POST /halt with HALT_SECRET), or stop the runtimes."
)
_KNOWN_AS_RESUMED = "Runtimes know this halt as resumed; the store did not, as after a restore of an older backup."

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Halted:
    """A halt that is in force. ``switched_off``: layers switched off beside it, for runtimes without halts.

    ``sequence`` None: the store is away; runtimes were told over ``told_over``, and the clock stores it later.
    """

    halt: Halt
    sequence: int | None
    published: bool
    switched_off: int = 0
    told_over: tuple[str, ...] = ()

    @property
    def is_recorded(self) -> bool:
        """Whether it is in the store."""
        return self.sequence is not None


@dataclass(frozen=True, slots=True)
class Resumed:
    """The halts that were ended, and those that still are in force. ``switched_on``: layers that were restored."""

    ended: tuple[Halt, ...]
    remaining: tuple[Halt, ...]
    sequence: int
    published: bool
    switched_on: tuple[str, ...] = ()
    still_off: tuple[str, ...] = ()


@traced
def halt(*, scope: Scope, origin: Origin, halt_id: str | None = None) -> Halted:
    """Stop a strategy, a symbol, a strategy on a symbol, or everything, until exactly this halt is resumed.

    Texts that are too long are cut: a stop is not refused for its form. A strategy need not be in the code. While a
    runtime without halts is live, what is halted is switched off as well. While the store is away, the runtimes are
    told over Redis and NATS. An id that is taken by a halt of another scope makes way for one that follows from both.
    Raises InvalidSymbolError; InvalidRequestError where the halt of this id was resumed; StoreUnavailableError where
    nobody could be told.
    """
    origin = stopping_origin(origin)
    row = _new(scope, origin, halt_id)
    try:
        recorded, published = _record([row], [origin])
    except StoreUnavailableError:
        return _tell(row)
    except Exception:
        # A store that is not migrated yet, say: runtimes can be told all the same.
        logger.exception("halt.unrecorded", id=str(row.id))
        return _tell(row)
    if not recorded:
        known = selectors.halts_by_id([str(row.id)])[str(row.id)]
        if halt_rows.scope_of(known) != halt_rows.scope_of(row):
            return halt(scope=scope, origin=origin, halt_id=str(uuid5(row.id, str(halt_rows.scope_of(row)))))
        return _known(known)
    return Halted(row, recorded[-1].told_sequence, published, _cover([row], origin))


def halt_without_store(*, scope: Scope, origin: Origin) -> Halted:
    """As ``halt``, while the database is away: runtimes are told, and the worker stores it later."""
    return _tell(_new(scope, stopping_origin(origin), None))


def _new(scope: Scope, origin: Origin, halt_id: str | None) -> Halt:
    if scope.strategy_id is not None and len(scope.strategy_id) > STRATEGY_ID_LENGTH:
        raise InvalidRequestError(
            f"strategy_id must have at most {STRATEGY_ID_LENGTH} characters.", field="strategy_id"
        )
    return Halt(
        id=UUID(halt_id) if halt_id is not None else uuid4(),
        strategy_id=scope.strategy_id or "",
        symbol="" if scope.symbol is None else normalise_symbol(scope.symbol),
        at=origin.at,
        by=origin.changed_by,
        reason=origin.reason,
        channel=origin.channel,
    )


def _tell(row: Halt) -> Halted:
    told_over = halt_telling.tell(halt_rows.stored_record(row))
    if not told_over:
        raise StoreUnavailableError(_NOBODY_TOLD)
    return Halted(row, None, False, told_over=told_over)


def _known(row: Halt) -> Halted:
    """The halt that the caller has asked for before, under the same id."""
    if row.resumed_at is not None:
        raise InvalidRequestError(
            "The halt of this id was resumed and does not halt again: send a new id, or none.", field="id"
        )
    return Halted(row, row.sequence, publisher.is_published(row.sequence))


@traced
def resume(
    *, origin: Origin, ids: Sequence[str] | None = None, scope: Scope | None = None, restore: bool = False
) -> Resumed:
    """End the halts of these ids, or those in force that have exactly this scope, and no others.

    ``restore`` switches on again what was switched off beside them, where nobody has switched it since. The reason is
    required. Raises InvalidRequestError, NotFoundError where there is nothing of the kind to end,
    StoreUnavailableError.
    """
    origin = reasoned_origin(origin)
    if (ids is None) == (scope is None):
        raise InvalidRequestError("Give ids or scope, and not both.", field="ids")
    try:
        # A halt that a runtime took without the site can be resumed at once.
        take_in_told(at=origin.at)
    except redis_client.SharedCacheUnavailableError as exception:
        logger.info("halts.untold", error=str(exception))

    def change(end: Chain) -> tuple[list[Halt], list[str], list[str], list[ConfigAudit], dict[str, Any]]:
        chosen = _chosen(ids, scope)
        _end(end, chosen, origin)
        covered = _covered(chosen)
        states: dict[str, Any] = {}
        if restore and covered:
            batch = OpenBatch(end, {key.strategy_id for key in covered}, origin.at)
            for key in covered:
                bulk_changes.switch_layer(batch.layer(*key), origin, enabled=True)
            states = batch.touched()
        names = [str(key) for key in covered]
        return chosen, names if restore else [], [] if restore else names, list(end.rows), states

    ended, switched_on, still_off, rows, states = chain.write(change)
    published = publisher.publish(rows, states)
    return Resumed(
        tuple(ended),
        selectors.open_halts(),
        rows[-1].told_sequence,
        published,
        tuple(switched_on),
        tuple(still_off),
    )


def take_in_told(*, at: datetime) -> int:
    """Store the halts that reached runtimes without the site, each once by its id; answers how many were new.

    A halt that was resumed meanwhile is said to be so again. Raises SharedCacheUnavailableError,
    StoreUnavailableError.
    """
    _take_in_resumed(at)
    told, entry_ids = _told()
    if not told:
        return 0
    known = selectors.halts_by_id([halt.id for halt in told.values()])
    new = [halt for halt in told.values() if halt.id not in known]
    published = True
    if new:
        origins = [_origin_of(halt, at) for halt in new]
        rows = [_row_of(halt, origin) for halt, origin in zip(new, origins, strict=True)]
        published = _take_in(rows, origins)
        logger.warning("halts.taken_in", ids=[halt.id for halt in new])
    again = [row for row in known.values() if row.resumed_at is not None]
    if again:
        publisher.tell_resumed(again)
    if published and entry_ids:
        key = redis_client.keys().told_halts
        redis_client.run(lambda client: client.xdel(key, *entry_ids), is_patient=True)
    return len(new)


def _take_in(rows: Sequence[Halt], origins: Sequence[Origin]) -> bool:
    """Store them, each by itself where they cannot be stored as one; whether all are, and are published."""
    try:
        return _record(rows, origins)[1]
    except StoreUnavailableError:
        raise
    except Exception:
        logger.exception("halts.not_taken_in_as_one")
    published = [False] * len(rows)
    for number, (row, origin) in enumerate(zip(rows, origins, strict=True)):
        with item_failures.contained("halt", id=str(row.id)):
            published[number] = _record([row], [origin])[1]
    return all(published)


def _take_in_resumed(at: datetime) -> None:
    """Record as ended what runtimes know to have ended: a store restored from an older backup does not.

    A resumed id never halts again, so that the page would show a halt which no runtime obeys.
    """
    rows = {str(row.id): row for row in selectors.open_halts()}
    if not rows:
        return
    key = redis_client.keys().resumed
    when: Any = redis_client.run(lambda client: client.hmget(key, list(rows)), is_patient=True)
    ended = [row for row, found in zip(rows.values(), when, strict=True) if found is not None]
    if not ended:
        return
    origin = Origin(_RUNTIME, _RUNTIME, "runtime", request_id="", at=at, reason=_KNOWN_AS_RESUMED)
    origin = replace(origin, at=resolution.to_milliseconds(at))
    recorded = chain.write(lambda end: _end(end, [Halt.objects.get(pk=row.pk) for row in ended], origin))
    publisher.publish(recorded, {})
    logger.warning("halts.known_as_resumed", ids=[str(row.id) for row in ended])


def cover_old_runtimes(*, at: datetime) -> int:
    """Switch off what is halted while a runtime of a version without halts is live; answers how many layers."""
    rows = selectors.open_halts()
    if not rows:
        return 0
    first = rows[0]
    origin = Origin(first.by or _RUNTIME, _RUNTIME, "schedule", request_id="", at=at, reason=first.reason)
    return _cover(rows, stopping_origin(origin))


def _record(rows: Sequence[Halt], origins: Sequence[Origin]) -> tuple[list[ConfigAudit], bool]:
    """Store halts with their history and publish them; a halt that is there already is passed over."""

    def change(end: Chain) -> list[ConfigAudit]:
        there = set(Halt.objects.filter(pk__in=[row.id for row in rows]).values_list("id", flat=True))
        for row, origin in zip(rows, origins, strict=True):
            if row.id in there:
                continue
            end.append_object(
                kind=halt_rows.KIND,
                object_id=row.id,
                version=1,
                action=halt_rows.HALT,
                origin=origin,
                changes=_members(row),
                is_told=True,
            )
            row.sequence = end.sequence
            row.save(force_insert=True)
        return list(end.rows)

    recorded = chain.write(change)
    return recorded, not recorded or publisher.publish(recorded, {})


def _end(end: Chain, rows: Sequence[Halt], origin: Origin) -> list[ConfigAudit]:
    """Record that these halts have ended; answers all rows of the history so far."""
    for row in rows:
        row.resumed_at, row.resumed_by, row.resume_reason = origin.at, origin.changed_by, origin.reason
        end.append_object(
            kind=halt_rows.KIND,
            object_id=row.id,
            version=2,
            action=halt_rows.RESUME,
            origin=origin,
            changes=[{**each, "old": each["new"], "new": None} for each in _members(row)],
            is_told=True,
        )
        row.save()
    return list(end.rows)


def _cover(rows: Sequence[Halt], origin: Origin) -> int:
    """Switch off what these halts stop where a live runtime knows no halts; what fails of that is logged only."""
    switched = 0
    try:
        if all(beat.halts is not None for beat in runtimes.live_runtimes()):
            return 0
        for row in rows:
            marked = replace(origin, request_id=f"{_COVERED_BY}{row.id}")
            with item_failures.contained("halt", id=str(row.id)):
                keys = _keys_of(halt_rows.scope_of(row))
                switched += len(bulk_changes.stop_layers(keys=keys, origin=marked))
    except (redis_client.SharedCacheUnavailableError, StoreUnavailableError) as exception:
        logger.warning("halts.old_runtimes_uncovered", error=str(exception))
    return switched


def _keys_of(scope: Scope) -> list[LayerKey]:
    """The layers whose switch stops what the scope does."""
    ids = [*STRATEGIES, *selectors.removed_strategies()] if scope.strategy_id is None else [scope.strategy_id]
    return [LayerKey(strategy_id, scope.symbol) for strategy_id in ids]


def _covered(rows: Sequence[Halt]) -> list[LayerKey]:
    """The layers that were switched off beside these halts, and that nobody has switched since."""
    marks = [f"{_COVERED_BY}{row.id}" for row in rows]
    switches = (ConfigAudit.Action.ENABLE, ConfigAudit.Action.DISABLE)
    keys = []
    later = ConfigAudit.objects.filter(sequence__gt=min(row.sequence for row in rows))
    for found in later.filter(request_id__in=marks, action=ConfigAudit.Action.DISABLE):
        layer = ConfigAudit.objects.filter(strategy_id=found.strategy_id, symbol=found.symbol, action__in=switches)
        newest = layer.order_by("-sequence").first()
        if newest is not None and newest.pk == found.pk and resolution.is_known(found.strategy_id):
            keys.append(LayerKey(found.strategy_id, found.symbol or None))
    return keys


def _chosen(ids: Sequence[str] | None, scope: Scope | None) -> list[Halt]:
    in_force = {str(row.id): row for row in Halt.objects.filter(resumed_at=None)}
    if ids is None:
        found = [row for row in in_force.values() if halt_rows.scope_of(row) == scope]
        if not found:
            raise NotFoundError(f"No halt of exactly this scope ({scope}) is in force.")
        return found
    missing = [halt_id for halt_id in ids if halt_id not in in_force]
    if missing or not ids:
        raise NotFoundError(f"No such halt is in force: {', '.join(missing[:10]) or 'no id was given'}.")
    return [in_force[halt_id] for halt_id in dict.fromkeys(ids)]


def _told() -> tuple[dict[str, wire_halts.Halt], list[bytes]]:
    """What runtimes have told, and what Redis holds beside it, by id; with the ids of the stream's entries."""
    keys = redis_client.keys()

    def read(client: Any) -> Any:
        pipeline = client.pipeline(transaction=False)
        pipeline.xrange(keys.told_halts, count=wire_halts.TOLD_CAP)
        pipeline.hgetall(keys.halts)
        return pipeline.execute()

    entries, there = redis_client.run(read, is_patient=True)
    halts = wire_halts.read_halts(fields.get(wire.STREAM_FIELD.encode(), b"") for _, fields in entries)
    for field, raw in there.items():
        found = wire_halts.read_halt(raw, fallback_id=field.decode(errors="replace"))
        if found is not None:
            halts.append(found)
    return {halt.id: halt for halt in reversed(halts)}, [entry_id for entry_id, _ in entries]


def _row_of(halt: wire_halts.Halt, origin: Origin) -> Halt:
    return Halt(
        id=UUID(halt.id),
        strategy_id=halt.scope.strategy_id or "",
        symbol=halt.scope.symbol or "",
        at=_instant(halt.at) or origin.at,
        by=origin.changed_by,
        reason=origin.reason,
        channel=origin.channel,
    )


def _origin_of(halt: wire_halts.Halt, at: datetime) -> Origin:
    channel = cast(Channel, halt.channel or _RUNTIME)
    return stopping_origin(Origin(halt.by or _RUNTIME, _RUNTIME, channel, request_id="", at=at, reason=halt.reason))


def _members(row: Halt) -> list[dict[str, Any]]:
    return halt_rows.members(halt_rows.scope_of(row), resolution.iso(row.at) or "")


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return resolution.to_milliseconds(found)

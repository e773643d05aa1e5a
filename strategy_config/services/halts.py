"""Halts and resumes: stored with their history in one transaction, then published.

A halt is in force until a resume names its id; nothing else ends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

import structlog

from service_kit.tracing import traced
from strategy_config.exceptions import InvalidRequestError, NotFoundError, RedisUnavailableError, StoreUnavailableError
from strategy_config.history import chain, halt_rows
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin, reasoned_origin, stopping_origin
from strategy_config.models import STRATEGY_ID_LENGTH, Halt
from strategy_config.publication import halt_telling, publisher
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.selectors import known_halts
from strategy_config.services import switches
from strategy_config.services.halt_records import end_halts, record_halts
from strategy_config.services.old_runtimes import cover, covered_layers
from strategy_config.services.open_batch import OpenBatch
from strategy_config.services.told_halts import take_in_told
from strategy_core.configuration.halts import Scope

_RUNTIME = "runtime"
_NOBODY_TOLD = (
    "The database is down, and the runtimes could not be reached over Redis or NATS. Nothing was halted: halt each "
    "runtime on its own port (POST /halt with HALT_SECRET), or stop the runtimes."
)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Halted:
    """A halt that is in force. ``switched_off``: layers switched off beside it, for runtimes without halts.

    ``sequence`` None: the database is down; runtimes were informed over ``told_over``, and the worker stores it later.
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
        recorded, published = record_halts([row], [origin])
    except StoreUnavailableError:
        return _tell(row)
    except Exception:
        # For example a database that is not migrated yet: runtimes can still be informed.
        log.exception("halt.unrecorded", id=str(row.id))
        return _tell(row)
    if not recorded:
        known = known_halts.halts_by_id([str(row.id)])[str(row.id)]
        if halt_rows.scope_of(known) != halt_rows.scope_of(row):
            return halt(scope=scope, origin=origin, halt_id=str(uuid5(row.id, str(halt_rows.scope_of(row)))))
        return _known(known)
    return Halted(row, recorded[-1].told_sequence, published, cover([row], origin))


def halt_without_store(*, scope: Scope, origin: Origin) -> Halted:
    """Like ``halt``, while the database is down: runtimes are informed, and the worker stores it later."""
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
    except RedisUnavailableError as exception:
        log.info("halts.untold", error=str(exception))

    def attempt(end: Chain) -> tuple[OpenBatch, list[Halt], list[str]]:
        with OpenBatch(end, origin.at) as batch:
            chosen = _chosen(ids, scope)
            end_halts(end, chosen, origin)
            covered = covered_layers(chosen)
            if restore:
                batch.read(key.strategy_id for key in covered)
            for key in covered if restore else ():
                switches.switch_layer(batch.layer(key), origin, enabled=True)
        return batch, chosen, [str(key) for key in covered]

    batch, ended, covered = chain.write(attempt)
    published = batch.publish()
    return Resumed(
        tuple(ended),
        known_halts.open_halts(),
        batch.changes[-1].told_sequence,
        published,
        switched_on=tuple(covered if restore else ()),
        still_off=tuple(() if restore else covered),
    )


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

"""Accepted changes as other services read them."""

from strategy_config.history import halt_rows
from strategy_config.history.positions import last_sequence, relayed_sequence
from strategy_config.models import ConfigAudit
from strategy_config.resolution import instants
from strategy_config.store import transactions
from strategy_core.configuration import change_stream
from strategy_core.configuration.halts import Scope

_NOT_IN_EVENTS = ("old_parameters", "new_parameters", "salts", "redacted", "hash", "previous_hash")


@transactions.store_errors()
def changes_after(sequence: int, *, limit: int) -> tuple[list[change_stream.ChangeEvent], int]:
    """The first ``limit`` accepted changes after ``sequence``, oldest first, and the last sequence there is."""
    return _events_after(sequence, limit), last_sequence()


@transactions.store_errors()
def unrelayed_changes(*, limit: int) -> list[change_stream.ChangeEvent]:
    """The first ``limit`` accepted changes that were not announced to other services yet, oldest first."""
    return _events_after(relayed_sequence(), limit)


def _events_after(sequence: int, limit: int) -> list[change_stream.ChangeEvent]:
    rows = ConfigAudit.objects.filter(sequence__gt=sequence).order_by("sequence").defer(*_NOT_IN_EVENTS)[:limit]
    return [_event(row) for row in rows]


def _event(row: ConfigAudit) -> change_stream.ChangeEvent:
    is_halt = halt_rows.is_halt(row)
    scope = halt_rows.recorded_scope(row) if is_halt else Scope(strategy_id=row.strategy_id, symbol=row.symbol or None)
    return change_stream.ChangeEvent(
        sequence=row.told_sequence,
        strategy_id=scope.strategy_id,
        symbol=scope.symbol,
        action=row.action,
        version=row.version,
        changed_by=row.changed_by,
        reason=row.reason,
        changed_at=instants.iso(row.changed_at) or "",
        halt_id=row.object_id if is_halt else None,
    )

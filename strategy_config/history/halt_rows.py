"""What the history and the table of halts say of halts, as Redis and the runtimes read it."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from strategy_config.models import ConfigAudit, Halt
from strategy_config.resolution.instants import iso
from strategy_core.configuration import halts as wire_halts
from strategy_core.configuration import wire_json
from strategy_core.configuration.halts import Scope

KIND = "halt"
HALT, RESUME = "HALT", "RESUME"


def scope_of(row: Halt) -> Scope:
    """What the halt stops."""
    return Scope(strategy_id=row.strategy_id or None, symbol=row.symbol or None)


def members(scope: Scope, at: str) -> list[dict[str, Any]]:
    """What the history says of a halt's scope, and of the instant from which on it holds."""
    named = {"strategy_id": scope.strategy_id, "symbol": scope.symbol, "at": at}
    return [{"parameter": name, "old": None, "new": value} for name, value in named.items() if value is not None]


def recorded_scope(row: ConfigAudit) -> Scope:
    """The scope that a row of the history names."""
    named = {change["parameter"]: change["new"] or change["old"] for change in row.changes}
    return Scope(strategy_id=named.get("strategy_id"), symbol=named.get("symbol"))


def is_halt(row: ConfigAudit) -> bool:
    """Whether the row of the history is about a halt."""
    return row.object_kind == KIND


def record(row: ConfigAudit) -> wire_halts.Halt:
    """The halt that a row of the history set."""
    at = next((change["new"] for change in row.changes if change["parameter"] == "at"), None)
    return wire_halts.Halt(
        id=str(row.object_id),
        scope=recorded_scope(row),
        at=at or iso(row.changed_at) or "",
        by=row.changed_by,
        reason=row.reason,
        channel=row.channel,
    )


def stored_record(row: Halt) -> wire_halts.Halt:
    """The halt as a runtime reads it."""
    return wire_halts.Halt(
        id=str(row.id),
        scope=scope_of(row),
        at=iso(row.at) or "",
        by=row.by,
        reason=row.reason,
        channel=row.channel,
    )


def entry_members(row: ConfigAudit) -> dict[str, Any]:
    """What the stream's entry of a halt or a resume has beside what every entry has."""
    if row.action == RESUME:
        return {"kind": "resume", "ids": [str(row.object_id)]}
    return {"kind": "halt", "halts": [msgspec.Raw(wire_json.encode(record(row)))]}


def set_by(rows: Iterable[ConfigAudit]) -> list[tuple[str, bytes]]:
    """(id, record) of the halts that these rows set."""
    return [(str(row.object_id), wire_json.encode(record(row))) for row in rows if is_halt(row) and row.action == HALT]


def ended_by(rows: Iterable[ConfigAudit]) -> list[tuple[str, str]]:
    """(id, when) of the halts that these rows ended."""
    return [(str(row.object_id), iso(row.changed_at) or "") for row in rows if is_halt(row) and row.action == RESUME]


def in_force(rows: Sequence[Halt]) -> list[tuple[str, bytes]]:
    """As ``set_by``, of the table."""
    return [(str(row.id), wire_json.encode(stored_record(row))) for row in rows]


def ended(rows: Sequence[Halt]) -> list[tuple[str, str]]:
    """As ``ended_by``, of the table."""
    return [(str(row.id), iso(row.resumed_at) or "") for row in rows]

"""Halts and their ends, stored with their history and published."""

from collections.abc import Sequence
from typing import Any

from strategy_config.history import chain, halt_rows
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin
from strategy_config.models import ConfigAudit, Halt
from strategy_config.publication import publisher
from strategy_config.resolution import instants


def record_halts(rows: Sequence[Halt], origins: Sequence[Origin]) -> tuple[list[ConfigAudit], bool]:
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
                changes=halt_members(row),
                is_told=True,
            )
            row.sequence = end.sequence
            row.save(force_insert=True)
        return list(end.rows)

    recorded = chain.write(change)
    return recorded, not recorded or publisher.publish(recorded, {})


def end_halts(end: Chain, rows: Sequence[Halt], origin: Origin) -> list[ConfigAudit]:
    """Record that these halts have ended; answers all rows of the history so far."""
    for row in rows:
        row.resumed_at, row.resumed_by, row.resume_reason = origin.at, origin.changed_by, origin.reason
        end.append_object(
            kind=halt_rows.KIND,
            object_id=row.id,
            version=2,
            action=halt_rows.RESUME,
            origin=origin,
            changes=[{**each, "old": each["new"], "new": None} for each in halt_members(row)],
            is_told=True,
        )
        row.save()
    return list(end.rows)


def halt_members(row: Halt) -> list[dict[str, Any]]:
    return halt_rows.members(halt_rows.scope_of(row), instants.iso(row.at) or "")

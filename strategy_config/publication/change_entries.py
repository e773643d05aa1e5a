"""Accepted changes as entries of the stream: one by one, or as one where they must be swapped in together."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from service_kit import tracing
from strategy_config.history import halt_rows
from strategy_config.models import ConfigAudit
from strategy_config.redis import redis_client
from strategy_config.resolution.instants import iso
from strategy_core.configuration import change_stream, redis_keys, wire_json

EMBEDDED_LAYERS = 16
Layers = Sequence[tuple[str, int, bytes]]


class Told(NamedTuple):
    """``entries`` are (stream id, payload); ``apart`` (key, payload): sets that are too large for the stream."""

    entries: list[tuple[str, bytes]]
    apart: list[tuple[str, bytes]]


def told(changes: Sequence[ConfigAudit], layers: Layers, *, is_apart_allowed: bool = True) -> Told:
    """The entries of ``changes``, whose documents are ``layers`` as of the last of them.

    Where any of them belongs to a transaction of several, all between two halts are one set: their documents are of
    one instant, and a runtime that took them in one by one would trade on half of a later one.
    """
    encoded = {field: msgspec.Raw(document) for field, _, document in layers}
    found = Told([], [])
    is_set = any(change.set_id is not None for change in changes)
    for is_halt, group in groupby(changes, halt_rows.is_halt):
        rows = list(group)
        if is_set and not is_halt and len(rows) > 1:
            change, content = _set(rows, encoded)
            if is_apart_allowed and len(content.documents) > EMBEDDED_LAYERS:
                found.apart.append((redis_client.keys().change_set(change.sequence), wire_json.encode(content)))
            else:
                change = msgspec.structs.replace(change, content=content)
            found.entries.append(_encoded(change))
        else:
            found.entries.extend(_encoded(_entry(row, encoded)) for row in rows)
    return found


def reload_notice(sequence: int, *, is_partial: bool = False) -> tuple[str, bytes]:
    """Under an id that rises with the clock, so that a reader behind an earlier notice sees this one too."""
    now = time.time()
    parent = tracing.traceparent() or None
    change = change_stream.Change(
        sequence=sequence, kind="reload", is_partial=is_partial, published_at_ms=now * 1000, traceparent=parent
    )
    return f"{sequence}-{int(now * 1_000_000)}", wire_json.encode(change)


def _encoded(change: change_stream.Change) -> tuple[str, bytes]:
    return f"{change.sequence}-0", wire_json.encode(change)


def _set(
    rows: Sequence[ConfigAudit], encoded: Mapping[str, msgspec.Raw]
) -> tuple[change_stream.Change, change_stream.SetContent]:
    fields = dict.fromkeys(field for row in rows for field in _touched(row, encoded))
    members = [
        change_stream.SetMember(
            sequence=row.told_sequence,
            strategy_id=row.strategy_id,
            symbol=row.symbol or None,
            action=row.action,
            version=row.layer_version,
        )
        for row in rows
    ]
    change = _common_entry(rows[-1], kind="change", first_sequence=rows[0].told_sequence)
    return change, change_stream.SetContent(members=members, documents={field: encoded[field] for field in fields})


def _entry(change: ConfigAudit, encoded: Mapping[str, msgspec.Raw]) -> change_stream.Change:
    """The stream's entry of one change: with the documents where they are few, else with the names of their fields."""
    if halt_rows.is_halt(change):
        return _common_entry(change, **halt_rows.entry_members(change))
    fields = list(_touched(change, encoded))
    is_embedded = len(fields) <= EMBEDDED_LAYERS
    return _common_entry(
        change,
        kind="change",
        strategy_id=change.strategy_id,
        symbol=change.symbol or None,
        version=change.layer_version,
        documents={field: encoded[field] for field in fields} if is_embedded else {},
        fields=[] if is_embedded else fields,
    )


def _touched(change: ConfigAudit, encoded: Mapping[str, msgspec.Raw]) -> Iterator[str]:
    """The fields whose documents the change altered; one that cannot be made is left out of the entry."""
    own = redis_keys.field_name(change.strategy_id, change.symbol or None)
    if change.symbol:
        return (field for field in (own,) if field in encoded)
    return (field for field in encoded if field == own or field.startswith(f"{own}:"))


def _common_entry(change: ConfigAudit, **members: Any) -> change_stream.Change:
    """An entry with what all of them have."""
    return change_stream.Change(
        sequence=change.told_sequence,
        action=change.action,
        changed_by=change.changed_by,
        reason=change.reason or None,
        changed_at=iso(change.changed_at),
        published_at_ms=time.time() * 1000,
        request_id=change.request_id or None,
        traceparent=tracing.traceparent() or None,
        **members,
    )

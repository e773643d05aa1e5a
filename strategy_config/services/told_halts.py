"""Halts that reached runtimes without the site are taken in, once by their ids."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import structlog

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import chain
from strategy_config.history.origins import Channel, Origin, stopping_origin
from strategy_config.models import Halt
from strategy_config.publication import publisher
from strategy_config.redis import redis_client
from strategy_config.resolution import instants, item_failures
from strategy_config.selectors import known_halts
from strategy_config.services.halt_records import end_halts, record_halts
from strategy_core.configuration import halts as wire_halts
from strategy_core.configuration import redis_keys

_RUNTIME = "runtime"
_KNOWN_AS_RESUMED = "Runtimes know this halt as resumed; the store did not, as after a restore of an older backup."
log = structlog.get_logger(__name__)


def take_in_told(*, at: datetime) -> int:
    """Store the halts that reached runtimes without the site, each once by its id; answers how many were new.

    A halt that was resumed meanwhile is said to be so again. Raises RedisUnavailableError,
    StoreUnavailableError.
    """
    _take_in_resumed(at)
    told, entry_ids = _told()
    if not told:
        return 0
    known = known_halts.halts_by_id([halt.id for halt in told.values()])
    new = [halt for halt in told.values() if halt.id not in known]
    published = True
    if new:
        origins = [_origin_of(halt, at) for halt in new]
        rows = [_row_of(halt, origin) for halt, origin in zip(new, origins, strict=True)]
        published = _take_in(rows, origins)
        log.warning("halts.taken_in", ids=[halt.id for halt in new])
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
        return record_halts(rows, origins)[1]
    except StoreUnavailableError:
        raise
    except Exception:
        log.exception("halts.not_taken_in_as_one")
    published = [False] * len(rows)
    for number, (row, origin) in enumerate(zip(rows, origins, strict=True)):
        with item_failures.contained("halt", id=str(row.id)):
            published[number] = record_halts([row], [origin])[1]
    return all(published)


def _take_in_resumed(at: datetime) -> None:
    """Record as ended what runtimes know to have ended: a store restored from an older backup does not.

    A resumed id never halts again, so that the page would show a halt which no runtime obeys.
    """
    rows = {str(row.id): row for row in known_halts.open_halts()}
    if not rows:
        return
    key = redis_client.keys().resumed
    when: Any = redis_client.run(lambda client: client.hmget(key, list(rows)), is_patient=True)
    ended = [row for row, found in zip(rows.values(), when, strict=True) if found is not None]
    if not ended:
        return
    origin = Origin(_RUNTIME, _RUNTIME, "runtime", request_id="", at=at, reason=_KNOWN_AS_RESUMED)
    origin = replace(origin, at=instants.to_milliseconds(at))
    recorded = chain.write(lambda end: end_halts(end, [Halt.objects.get(pk=row.pk) for row in ended], origin))
    publisher.publish(recorded, {})
    log.warning("halts.known_as_resumed", ids=[str(row.id) for row in ended])


def _told() -> tuple[dict[str, wire_halts.Halt], list[bytes]]:
    """What runtimes have told, and what Redis holds beside it, by id; with the ids of the stream's entries."""
    keys = redis_client.keys()

    def read(client: Any) -> Any:
        pipeline = client.pipeline(transaction=False)
        pipeline.xrange(keys.told_halts, count=wire_halts.TOLD_CAP)
        pipeline.hgetall(keys.halts)
        return pipeline.execute()

    entries, there = redis_client.run(read, is_patient=True)
    halts = wire_halts.read_halts(fields.get(redis_keys.STREAM_FIELD.encode(), b"") for _, fields in entries)
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


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return instants.to_milliseconds(found)

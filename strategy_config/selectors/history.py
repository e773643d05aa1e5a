"""Reads of the history across all strategies: filtered, paged, version against version. Selectors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Any

from django.db.models import Q, QuerySet

from strategy_config.exceptions import NotFoundError
from strategy_config.history import verification
from strategy_config.history.audit_rows import ReadRow
from strategy_config.history.checkpoints import Checkpoint, verified_key
from strategy_config.history.verification import Verification
from strategy_config.models import ConfigAudit
from strategy_config.redis import redis_client
from strategy_config.selectors import selectors
from strategy_config.services.dry_run import ParameterChange, percent_of_range
from strategy_config.services.open_layer import differences
from strategy_config.store import transactions
from strategy_core.configuration.layers import StrategyClass

EXPORT_BATCH = 1_000
VERIFIED_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which rows; "" and None: any. ``symbol`` GLOBAL is the global layer, ``who`` the claimed or the real name.

    ``kind`` is that of the object that a row is about, LAYER for those about layers.
    """

    GLOBAL = "global"
    LAYER = "layer"
    strategy_id: str = ""
    symbol: str = ""
    who: str = ""
    action: str = ""
    channel: str = ""
    since: datetime | None = None
    until: datetime | None = None
    kind: str = ""
    object_id: str = ""


@dataclass(frozen=True, slots=True)
class ChainState:
    """How far the history was verified: ``at`` None, never (or Redis cannot tell)."""

    checkpoint: Checkpoint
    head: int
    at: datetime | None


@transactions.store_errors()
def page(chosen: HistoryFilter, *, limit: int, before: int | None = None) -> tuple[list[ConfigAudit], bool]:
    """The newest ``limit`` rows below the position ``before``, and whether there are more."""
    rows = _filtered(chosen)
    if before is not None:
        rows = rows.filter(position__lt=before)
    found = list(rows[: limit + 1])
    return found[:limit], len(found) > limit


def batches(chosen: HistoryFilter) -> Iterator[list[ReadRow]]:
    """All rows, newest first, in batches as they are read."""
    before: int | None = None
    while True:
        rows = _batch(chosen, before)
        yield rows
        if len(rows) < EXPORT_BATCH:
            return
        before = rows[-1].position


@transactions.store_errors()
def _batch(chosen: HistoryFilter, before: int | None) -> list[ReadRow]:
    rows = _filtered(chosen)
    if before is not None:
        rows = rows.filter(position__lt=before)
    return list(starmap(ReadRow, rows.values_list(*ReadRow._fields)[:EXPORT_BATCH]))


@transactions.store_errors()
def versions(*, strategy_id: str, symbol: str | None, wanted: tuple[int, ...]) -> dict[int, ConfigAudit]:
    """The rows of these versions of a layer, and the newest one under 0; raises NotFoundError where one is missing."""
    layer = ConfigAudit.objects.filter(strategy_id=strategy_id, symbol=symbol or "")
    newest = layer.order_by("-version").first()
    if newest is None:
        selectors.any_strategy_row(strategy_id)
        raise NotFoundError(f"{strategy_id} {f'on {symbol}' if symbol else 'as a whole'} has never been changed.")
    found = {row.layer_version: row for row in layer.filter(version__in=wanted)}
    for version in wanted:
        if version not in found and version != 0:
            raise NotFoundError(f"There is no version {version}: the layer is at version {newest.version}.")
    return {**found, 0: newest}


def own_differences(
    strategy: StrategyClass | None, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> list[ParameterChange]:
    """How a layer's own parameters differ, None where one is not set. ``strategy`` None: the code no longer has it."""
    specs = {} if strategy is None else {spec.name: spec for spec in strategy.specs()}
    return [
        ParameterChange(
            each["parameter"],
            each["old"],
            each["new"],
            percent_of_range(specs.get(each["parameter"]), each["old"], each["new"]),
        )
        for each in differences(old or {}, new or {})
    ]


def chain_state() -> ChainState:
    """What was verified last; raises StoreUnavailableError."""
    try:
        checkpoint, at = _remembered()
    except redis_client.SharedCacheUnavailableError:
        checkpoint, at = Checkpoint(), None
    return ChainState(checkpoint, selectors.last_position(), at)


def verify_on(at: datetime) -> tuple[Verification, int]:
    """Verify the next rows after what was verified last, and remember how far; answers also the last position.

    A bad row is never passed. What is remembered is a convenience: ``manage.py verify_audit`` walks everything.
    Raises SharedCacheUnavailableError, StoreUnavailableError.
    """
    checkpoint, _ = _remembered()
    found = verification.verify_next(checkpoint, limit=VERIFIED_AT_ONCE)
    if found.bad is None:
        told: dict[Any, Any] = {"position": found.position, "hash": found.hash, "at": at.isoformat()}
        redis_client.run(lambda client: client.hset(verified_key(), mapping=told))
    return found, selectors.last_position()


def _filtered(chosen: HistoryFilter) -> QuerySet[ConfigAudit]:
    rows = ConfigAudit.objects.order_by("-position")
    exact = {
        "strategy_id": chosen.strategy_id,
        "action": chosen.action,
        "channel": chosen.channel,
        "object_kind": "" if chosen.kind == HistoryFilter.LAYER else chosen.kind,
        "object_id": chosen.object_id,
    }
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if chosen.kind == HistoryFilter.LAYER:
        rows = rows.filter(object_kind=None)
    if chosen.symbol == HistoryFilter.GLOBAL:
        rows = rows.filter(symbol="", object_kind=None)
    elif chosen.symbol:
        rows = rows.filter(symbol=chosen.symbol)
    if chosen.who:
        rows = rows.filter(Q(changed_by=chosen.who) | Q(actor=chosen.who))
    if chosen.since is not None:
        rows = rows.filter(changed_at__gte=chosen.since)
    if chosen.until is not None:
        rows = rows.filter(changed_at__lte=chosen.until)
    return rows


def _remembered() -> tuple[Checkpoint, datetime | None]:
    raw: Any = redis_client.run(lambda client: client.hgetall(verified_key()))
    if not raw:
        return Checkpoint(), None
    # Before there were positions, the sequence was that.
    position = int(raw.get(b"position") or raw[b"sequence"])
    return Checkpoint(position, raw[b"hash"].decode()), datetime.fromisoformat(raw[b"at"].decode())

"""Reads of the history across all strategies: filtered, paged, version against version. Selectors."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Literal

from django.db.models import Q, QuerySet

from strategy_config.exceptions import NotFoundError
from strategy_config.history.audit_rows import SWITCH_ACTIONS, ReadRow
from strategy_config.models import ConfigAudit
from strategy_config.resolution import known_strategies
from strategy_config.selectors import strategy_rows
from strategy_config.store import transactions


@transactions.store_errors()
def last_changes(limit: int) -> list[ConfigAudit]:
    """The newest accepted changes of all strategies."""
    return list(ConfigAudit.objects.filter(sequence__gt=0).order_by("-sequence")[:limit])


@transactions.store_errors()
def last_switch(*, strategy_id: str, symbol: str | None = None) -> ConfigAudit | None:
    """Who last switched the strategy, or the symbol of it, on or off; None if it was never switched."""
    history = ConfigAudit.objects.filter(strategy_id=strategy_id, symbol=symbol or "", action__in=SWITCH_ACTIONS)
    return history.order_by("-sequence").first()


@transactions.store_errors()
def changes_since(*, strategy_id: str, symbol: str | None = None, sequence: int, limit: int = 20) -> list[ConfigAudit]:
    """The changes after ``sequence`` that affect the layer (those of the global layer do), newest first."""
    symbols = [""] if symbol is None else ["", symbol]
    history = ConfigAudit.objects.filter(strategy_id=strategy_id, symbol__in=symbols, sequence__gt=sequence)
    return list(history.order_by("-sequence")[:limit])


EXPORT_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which rows; "" and None: any. ``symbol`` GLOBAL is the global layer, ``since`` and ``until`` are inclusive.

    ``changed_by`` is the claimed name, ``who`` the claimed or the authenticated one.
    ``kind`` is that of the object that a row is about, LAYER for those about layers.
    """

    GLOBAL = "global"
    LAYER = "layer"
    strategy_id: str = ""
    symbol: str = ""
    changed_by: str = ""
    who: str = ""
    action: str = ""
    channel: str = ""
    since: datetime | None = None
    until: datetime | None = None
    kind: str = ""
    object_id: str = ""


Place = Literal["position", "sequence"]
"""What rows are ordered and paged by. By their sequence, only those that have one."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, the newest first; ``next_before`` is the ``before`` of the next page, None after the last."""

    rows: list[ConfigAudit]
    next_before: int | None

    @property
    def next_cursor(self) -> str | None:
        """``next_before`` as the API tells it."""
        return None if self.next_before is None else str(self.next_before)


@transactions.store_errors()
def page(chosen: HistoryFilter, *, limit: int, before: int | None = None, by: Place = "position") -> Page:
    """The newest ``limit`` rows below the place ``before``."""
    found = list(_filtered(chosen, by, before)[: limit + 1])
    next_before: int | None = getattr(found[limit - 1], by) if len(found) > limit else None
    return Page(found[:limit], next_before)


@transactions.store_errors()
def require_strategy(strategy_id: str) -> None:
    """Raises NotFoundError where neither the code nor the store has the strategy."""
    if not known_strategies.is_known(strategy_id):
        strategy_rows.any_strategy_row(strategy_id)


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
    rows = _filtered(chosen, "position", before)
    return list(starmap(ReadRow, rows.values_list(*ReadRow._fields)[:EXPORT_BATCH]))


@transactions.store_errors()
def versions(*, strategy_id: str, symbol: str | None, wanted: tuple[int, ...]) -> dict[int, ConfigAudit]:
    """The rows of these versions of a layer, and the newest one under 0; raises NotFoundError where one is missing."""
    layer = ConfigAudit.objects.filter(strategy_id=strategy_id, symbol=symbol or "")
    newest = layer.order_by("-version").first()
    if newest is None:
        strategy_rows.any_strategy_row(strategy_id)
        raise NotFoundError(f"{strategy_id} {f'on {symbol}' if symbol else 'as a whole'} has never been changed.")
    found = {row.layer_version: row for row in layer.filter(version__in=wanted)}
    for version in wanted:
        if version not in found and version != 0:
            raise NotFoundError(f"There is no version {version}: the layer is at version {newest.version}.")
    return {**found, 0: newest}


def _filtered(chosen: HistoryFilter, by: Place, before: int | None) -> QuerySet[ConfigAudit]:
    rows = ConfigAudit.objects.order_by(f"-{by}")
    if before is not None:
        rows = rows.filter(**{f"{by}__lt": before})
    elif by == "sequence":
        rows = rows.filter(sequence__isnull=False)
    exact = {
        "strategy_id": chosen.strategy_id,
        "action": chosen.action,
        "changed_by": chosen.changed_by,
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

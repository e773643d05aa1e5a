"""Reads of the history across all strategies: filtered, paged, version against version. Selectors."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap

from django.db.models import Q, QuerySet

from strategy_config.exceptions import InvalidRequestError, NotFoundError
from strategy_config.history.audit_rows import SWITCH_ACTIONS, ReadRow
from strategy_config.models import ConfigAudit
from strategy_config.resolution import known_strategies
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.selectors import strategy_rows
from strategy_config.store import transactions


@transactions.store_errors()
def last_changes(limit: int) -> list[ConfigAudit]:
    """The newest accepted changes of all strategies."""
    return list(ConfigAudit.objects.filter(sequence__gt=0).order_by("-sequence")[:limit])


@transactions.store_errors()
def last_switch(*, strategy_id: str, symbol: str | None = None) -> ConfigAudit | None:
    """Who last switched the strategy, or the symbol of it, on or off; None where nobody ever has."""
    history = ConfigAudit.objects.filter(strategy_id=strategy_id, symbol=symbol or "", action__in=SWITCH_ACTIONS)
    return history.order_by("-sequence").first()


@transactions.store_errors()
def changes_since(*, strategy_id: str, symbol: str | None = None, sequence: int, limit: int = 20) -> list[ConfigAudit]:
    """The changes after ``sequence`` that affect the layer (those of the global layer do), newest first."""
    symbols = [""] if symbol is None else ["", symbol]
    history = ConfigAudit.objects.filter(strategy_id=strategy_id, symbol__in=symbols, sequence__gt=sequence)
    return list(history.order_by("-sequence")[:limit])


@transactions.store_errors()
def audit_page(
    *,
    strategy_id: str,
    symbol: str | None = None,
    action: str | None = None,
    changed_by: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> tuple[list[ConfigAudit], str | None]:
    """A page of history, newest first, and the cursor of the next one, None after the last.

    ``symbol`` GLOBAL_SYMBOL is the global layer, None all layers. ``since`` and ``until`` are inclusive.
    Raises NotFoundError where neither the code nor the store has the strategy, InvalidSymbolError, InvalidRequestError
    (cursor).
    """
    if not known_strategies.is_known(strategy_id):
        strategy_rows.any_strategy_row(strategy_id)
    rows = ConfigAudit.objects.filter(strategy_id=strategy_id).order_by("-sequence")
    if symbol is not None:
        rows = rows.filter(symbol=symbol and normalise_symbol(symbol))
    if action is not None:
        rows = rows.filter(action=action)
    if changed_by is not None:
        rows = rows.filter(changed_by=changed_by)
    if since is not None:
        rows = rows.filter(changed_at__gte=since)
    if until is not None:
        rows = rows.filter(changed_at__lte=until)
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
            raise InvalidRequestError("cursor must be the next_cursor of an earlier answer.", field="cursor")
        rows = rows.filter(sequence__lt=int(cursor))
    page = list(rows[: limit + 1])
    if len(page) <= limit:
        return page, None
    return page[:limit], str(page[limit - 1].sequence)


EXPORT_BATCH = 1_000


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
        strategy_rows.any_strategy_row(strategy_id)
        raise NotFoundError(f"{strategy_id} {f'on {symbol}' if symbol else 'as a whole'} has never been changed.")
    found = {row.layer_version: row for row in layer.filter(version__in=wanted)}
    for version in wanted:
        if version not in found and version != 0:
            raise NotFoundError(f"There is no version {version}: the layer is at version {newest.version}.")
    return {**found, 0: newest}


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

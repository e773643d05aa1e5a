"""The list of overrides, page by page."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q

from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import expiry, known_strategies, layer_rows
from strategy_config.selectors import strategy_rows
from strategy_config.store import transactions


@dataclass(frozen=True, slots=True)
class OverrideLine:
    """One override in a list; ``own`` are its parameters, empty where the symbol is only switched off."""

    strategy_id: str
    strategy_name: str
    is_in_code: bool
    symbol: str
    is_enabled: bool
    own: Mapping[str, Any]
    row: SymbolOverride


@dataclass(frozen=True, slots=True)
class OverridePage:
    """A page of such a list with its lines; ``switched_off`` counts those of all pages that are switched off."""

    page: Page[SymbolOverride]
    lines: list[OverrideLine]
    switched_off: int


@transactions.store_errors()
def override_page(
    *, strategy_id: str = "", symbol: str = "", at: datetime, page: str | int | None = 1, size: int
) -> OverridePage:
    """A page of the symbols that differ from their strategy, in order; ``symbol`` is the beginning of one.

    A page beyond the last is the last one, and anything but a number is the first. Four queries, of which one reads no
    more rows than the page shows.
    """
    rows = strategy_rows.with_new_strategies(StrategyConfig.objects.all())
    found = SymbolOverride.objects.filter(strategy_id=strategy_id) if strategy_id else SymbolOverride.objects.all()
    if symbol:
        found = found.filter(symbol__startswith=symbol.upper())
    found = found.filter(_has_parameters(at) | Q(enabled=False))
    shown = Paginator(found, size).get_page(page)
    return OverridePage(
        page=shown,
        lines=[_line(expiry.expired(each) if expiry.is_due(each, at) else each, rows) for each in shown],
        switched_off=found.filter(enabled=False).count(),
    )


@transactions.store_errors()
def overridden_symbols(at: datetime) -> list[str]:
    """The symbols with parameters of their own, those with the most strategies first."""
    found = SymbolOverride.objects.filter(_has_parameters(at)).order_by().values_list("symbol", flat=True)
    counts = Counter(found)
    return sorted(counts, key=lambda symbol: (-counts[symbol], symbol))


def _line(override: SymbolOverride, rows: Mapping[str, StrategyConfig]) -> OverrideLine:
    return OverrideLine(
        strategy_id=override.strategy_id,
        strategy_name=known_strategies.strategy_name(override.strategy_id),
        is_in_code=known_strategies.is_known(override.strategy_id),
        symbol=override.symbol,
        is_enabled=override.enabled and layer_rows.may_run(rows[override.strategy_id]),
        own=override.parameters or {},
        row=override,
    )


def _has_parameters(at: datetime) -> Q:
    """The rows whose parameters count at the instant."""
    return Q(parameters__isnull=False) & (Q(expires_at__isnull=True) | Q(expires_at__gt=at))

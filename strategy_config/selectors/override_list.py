"""The list of overrides, page by page."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
    """A page of such a list: ``total`` lines and how many of them are switched off are of all pages."""

    lines: list[OverrideLine]
    total: int
    switched_off: int
    number: int
    size: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))

    @property
    def previous(self) -> int | None:
        """The number of the page before."""
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        """The number of the page after."""
        return self.number + 1 if self.number < self.pages else None

    @property
    def first_line(self) -> int:
        return (self.number - 1) * self.size + 1

    @property
    def last_line(self) -> int:
        return self.first_line + len(self.lines) - 1


@transactions.store_errors()
def override_page(*, strategy_id: str = "", symbol: str = "", at: datetime, page: int = 1, size: int) -> OverridePage:
    """A page of the symbols that differ from their strategy, in order; ``symbol`` is the beginning of one.

    A page beyond the last is the last one. Four queries, of which one reads no more rows than the page shows.
    """
    rows = strategy_rows.with_new_strategies(StrategyConfig.objects.all())
    found = SymbolOverride.objects.filter(strategy_id=strategy_id) if strategy_id else SymbolOverride.objects.all()
    if symbol:
        found = found.filter(symbol__startswith=symbol.upper())
    found = found.filter(_has_parameters(at) | Q(enabled=False))
    total = found.count()
    number = min(max(page, 1), max(1, -(-total // size)))
    shown = [
        expiry.expired(override) if expiry.is_due(override, at) else override
        for override in found[(number - 1) * size : number * size]
    ]
    return OverridePage(
        lines=[
            OverrideLine(
                strategy_id=override.strategy_id,
                strategy_name=known_strategies.strategy_name(override.strategy_id),
                is_in_code=known_strategies.is_known(override.strategy_id),
                symbol=override.symbol,
                is_enabled=override.enabled and layer_rows.may_run(rows[override.strategy_id]),
                own=override.parameters or {},
                row=override,
            )
            for override in shown
        ],
        total=total,
        switched_off=found.filter(enabled=False).count(),
        number=number,
        size=size,
    )


@transactions.store_errors()
def overridden_symbols(at: datetime) -> list[str]:
    """The symbols with parameters of their own, those with the most strategies first."""
    found = SymbolOverride.objects.filter(_has_parameters(at)).order_by().values_list("symbol", flat=True)
    counts = Counter(found)
    return sorted(counts, key=lambda symbol: (-counts[symbol], symbol))


def _has_parameters(at: datetime) -> Q:
    """The rows whose parameters count at the instant."""
    return Q(parameters__isnull=False) & (Q(expires_at__isnull=True) | Q(expires_at__gt=at))

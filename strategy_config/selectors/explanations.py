"""Why a value is what it is: every layer of a parameter side by side, for one symbol or for many. Selectors."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import resolution
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.selectors import selectors
from strategy_config.store import transactions
from strategy_core.configuration import wire
from strategy_core.strategies.base import ParameterSpec
from strategy_core.strategies.registry import STRATEGIES


@dataclass(frozen=True, slots=True)
class ExplainedValue:
    """One parameter: what each layer says (None: nothing), what holds, and the layer that it comes from."""

    spec: ParameterSpec
    environment: Any
    variable: str
    global_value: Any
    symbol_value: Any
    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What holds for one symbol of a strategy, or for all others where ``symbol`` is None, and why."""

    config: wire.LayerConfig
    values: tuple[ExplainedValue, ...]


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One parameter of one strategy: the value for all symbols, and for each symbol that was asked for."""

    strategy_id: str
    spec: ParameterSpec
    value: Any
    by_symbol: Mapping[str, Any]

    @property
    def differs(self) -> bool:
        """Whether any symbol has another value than the rest."""
        return any(value != self.value for value in self.by_symbol.values())


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
def explain(*, strategy_id: str, symbol: str | None, at: datetime) -> Explanation:
    """Raises NotFoundError, InvalidSymbolError."""
    strategy = resolution.strategy_class(strategy_id)
    row = selectors.strategy_row(strategy_id)
    symbol_own: Mapping[str, Any] = {}
    if symbol is None:
        config = resolution.global_config(row)
    else:
        override = selectors.effective_override(strategy_id, normalise_symbol(symbol), at)
        config = resolution.symbol_config(row, override)
        symbol_own = resolution.own_values(override)
    environment = resolution.environment_of(strategy_id)
    global_own = resolution.own_values(row)
    return Explanation(
        config,
        tuple(
            ExplainedValue(
                spec=spec,
                environment=environment.values.get(spec.name),
                variable=environment.variables.get(spec.name, ""),
                global_value=global_own.get(spec.name),
                symbol_value=symbol_own.get(spec.name),
                value=config.parameters[spec.name],
                source=config.sources[spec.name],
            )
            for spec in strategy.specs()
        ),
    )


@transactions.store_errors()
def compare(
    *, strategy_ids: Sequence[str], symbols: Sequence[str], parameters: Collection[str], at: datetime
) -> list[ComparedRow]:
    """The values of the chosen parameters (none chosen: all) for each symbol, in two queries."""
    rows = selectors.with_new_strategies(StrategyConfig.objects.filter(strategy_id__in=strategy_ids))
    overrides = {
        (override.strategy_id, override.symbol): override
        for override in SymbolOverride.objects.filter(strategy_id__in=strategy_ids, symbol__in=symbols)
        if override.parameters is not None and not resolution.is_due(override, at)
    }
    found = []
    for strategy_id in strategy_ids:
        row = rows[strategy_id]
        common = resolution.global_config(row).parameters
        own = {
            symbol: resolution.symbol_config(row, overrides[strategy_id, symbol]).parameters
            for symbol in symbols
            if (strategy_id, symbol) in overrides
        }
        for spec in STRATEGIES[strategy_id].specs():
            if not parameters or spec.name in parameters:
                by_symbol = {symbol: own.get(symbol, common)[spec.name] for symbol in symbols}
                found.append(ComparedRow(strategy_id, spec, common[spec.name], by_symbol))
    return found


@transactions.store_errors()
def override_page(*, strategy_id: str = "", symbol: str = "", at: datetime, page: int = 1, size: int) -> OverridePage:
    """A page of the symbols that differ from their strategy, in order; ``symbol`` is the beginning of one.

    A page beyond the last is the last one. Four queries, of which one reads no more rows than the page shows.
    """
    rows = selectors.with_new_strategies(StrategyConfig.objects.all())
    found = SymbolOverride.objects.filter(strategy_id=strategy_id) if strategy_id else SymbolOverride.objects.all()
    if symbol:
        found = found.filter(symbol__startswith=symbol.upper())
    found = found.filter(_has_parameters(at) | Q(enabled=False))
    total = found.count()
    number = min(max(page, 1), max(1, -(-total // size)))
    shown = [
        resolution.expired(override) if resolution.is_due(override, at) else override
        for override in found[(number - 1) * size : number * size]
    ]
    return OverridePage(
        lines=[
            OverrideLine(
                strategy_id=override.strategy_id,
                strategy_name=resolution.strategy_name(override.strategy_id),
                is_in_code=resolution.is_known(override.strategy_id),
                symbol=override.symbol,
                is_enabled=override.enabled and resolution.may_run(rows[override.strategy_id]),
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

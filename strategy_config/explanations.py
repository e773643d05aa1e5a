"""Why a value is what it is: every layer of a parameter side by side, for one symbol or for many. Selectors."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from realtime_runtime.config import wire
from realtime_runtime.strategies.base import ParameterSpec
from realtime_runtime.strategies.registry import STRATEGIES
from strategy_config import resolution, transactions
from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.symbols import normalise_symbol


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
    symbol: str
    is_enabled: bool
    own: Mapping[str, Any]
    row: SymbolOverride


@transactions.store_errors()
def explain(*, strategy_id: str, symbol: str | None, at: datetime) -> Explanation:
    """Raises NotFoundError, InvalidSymbolError."""
    strategy = resolution.strategy_class(strategy_id)
    row = StrategyConfig.objects.get(strategy_id=strategy_id)
    symbol_own: Mapping[str, Any] = {}
    if symbol is None:
        config = resolution.global_config(row)
    else:
        override = _effective(strategy_id, normalise_symbol(symbol), at)
        config = resolution.symbol_config(row, override)
        symbol_own = override.parameters or {}
    environment = resolution.environment_of(strategy_id)
    return Explanation(
        config,
        tuple(
            ExplainedValue(
                spec=spec,
                environment=environment.values.get(spec.name),
                variable=environment.variables.get(spec.name, ""),
                global_value=(row.parameters or {}).get(spec.name),
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
    rows = {row.strategy_id: row for row in StrategyConfig.objects.filter(strategy_id__in=strategy_ids)}
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
def override_lines(*, strategy_id: str = "", symbol: str = "", at: datetime) -> list[OverrideLine]:
    """Every symbol that differs from its strategy, by strategy and symbol; ``symbol`` is the beginning of one."""
    rows = {row.strategy_id: row for row in StrategyConfig.objects.all()}
    overrides = SymbolOverride.objects.filter(strategy_id__in=[strategy_id] if strategy_id else list(STRATEGIES))
    if symbol:
        overrides = overrides.filter(symbol__startswith=symbol.upper())
    lines = []
    for override in overrides:
        now = resolution.expired(override) if resolution.is_due(override, at) else override
        if resolution.has_layer(now):
            lines.append(
                OverrideLine(
                    strategy_id=override.strategy_id,
                    strategy_name=STRATEGIES[override.strategy_id].name,
                    symbol=override.symbol,
                    is_enabled=resolution.is_enabled(rows[override.strategy_id], now),
                    own=now.parameters or {},
                    row=now,
                )
            )
    return lines


@transactions.store_errors()
def overridden_symbols(at: datetime) -> list[str]:
    """The symbols with parameters of their own, those with the most strategies first."""
    counts: dict[str, int] = {}
    for override in SymbolOverride.objects.only("symbol", "parameters", "expires_at"):
        if override.parameters is not None and not resolution.is_due(override, at):
            counts[override.symbol] = counts.get(override.symbol, 0) + 1
    return sorted(counts, key=lambda symbol: (-counts[symbol], symbol))


def _effective(strategy_id: str, symbol: str, at: datetime) -> SymbolOverride:
    override = SymbolOverride.objects.filter(strategy_id=strategy_id, symbol=symbol).first()
    if override is None:
        return SymbolOverride(strategy_id=strategy_id, symbol=symbol)
    return resolution.expired(override) if resolution.is_due(override, at) else override

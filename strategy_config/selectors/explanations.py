"""Why a value is what it is: every layer of a parameter side by side, for one symbol or for many."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import expiry, known_strategies, layer_configs, layer_rows
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.selectors import stored_layers, strategy_rows
from strategy_config.store import transactions
from strategy_core.configuration import wire_documents
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

    config: wire_documents.LayerConfig
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


@transactions.store_errors()
def explain(*, strategy_id: str, symbol: str | None, at: datetime) -> Explanation:
    """Raises NotFoundError, InvalidSymbolError."""
    strategy = known_strategies.strategy_class(strategy_id)
    row = strategy_rows.strategy_row(strategy_id)
    symbol_own: Mapping[str, Any] = {}
    if symbol is None:
        config = layer_configs.global_config(row)
    else:
        override = stored_layers.effective_override(strategy_id, normalise_symbol(symbol), at)
        config = layer_configs.symbol_config(row, override)
        symbol_own = layer_rows.own_values(override)
    environment = known_strategies.environment_of(strategy_id)
    global_own = layer_rows.own_values(row)
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
    rows = strategy_rows.with_new_strategies(StrategyConfig.objects.filter(strategy_id__in=strategy_ids))
    overrides = {
        (override.strategy_id, override.symbol): override
        for override in SymbolOverride.objects.filter(strategy_id__in=strategy_ids, symbol__in=symbols)
        if override.parameters is not None and not expiry.is_due(override, at)
    }
    found = []
    for strategy_id in strategy_ids:
        row = rows[strategy_id]
        common = layer_configs.global_config(row).parameters
        own = {
            symbol: layer_configs.symbol_config(row, overrides[strategy_id, symbol]).parameters
            for symbol in symbols
            if (strategy_id, symbol) in overrides
        }
        for spec in STRATEGIES[strategy_id].specs():
            if not parameters or spec.name in parameters:
                by_symbol = {symbol: own.get(symbol, common)[spec.name] for symbol in symbols}
                found.append(ComparedRow(strategy_id, spec, common[spec.name], by_symbol))
    return found

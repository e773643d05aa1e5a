"""The list of strategies, as the API answers it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import expiry, layer_rows
from strategy_config.selectors.strategy_rows import with_new_strategies
from strategy_config.store import transactions
from strategy_core.strategies.registry import STRATEGIES


@dataclass(frozen=True, slots=True)
class StrategySummary:
    """One line of the list of strategies. ``symbol_overrides`` are the symbols that have a layer."""

    strategy_id: str
    name: str
    description: str
    category: str
    type: str
    enabled: bool
    has_global_config: bool
    symbol_overrides: tuple[str, ...]
    parameter_count: int
    version: int
    updated_at: datetime | None
    updated_by: str | None


class _LayerOfSymbol(NamedTuple):
    """A symbol's row, as much as the list needs: a thousand instances of the model cost more than the rest."""

    strategy_id: str
    symbol: str
    parameters: dict[str, Any] | None
    enabled: bool
    expires_at: datetime | None


@transactions.store_errors()
def strategy_summaries(at: datetime) -> list[StrategySummary]:
    """All strategies in catalogue order, in two queries however many overrides there are."""
    rows = with_new_strategies(StrategyConfig.objects.all())
    symbols: dict[str, list[str]] = defaultdict(list)
    for values in SymbolOverride.objects.values_list(*_LayerOfSymbol._fields):
        override = _LayerOfSymbol(*values)
        if not override.enabled or (override.parameters is not None and not expiry.is_due(override, at)):
            symbols[override.strategy_id].append(override.symbol)
    return [
        StrategySummary(
            strategy_id=strategy.id,
            name=strategy.name,
            description=strategy.description,
            category=strategy.category,
            type=strategy.type,
            enabled=layer_rows.is_enabled(rows[strategy.id]),
            has_global_config=rows[strategy.id].parameters is not None,
            symbol_overrides=tuple(symbols[strategy.id]),
            parameter_count=len(strategy.specs()),
            version=rows[strategy.id].version,
            updated_at=rows[strategy.id].updated_at,
            updated_by=rows[strategy.id].updated_by or None,
        )
        for strategy in STRATEGIES.values()
    ]

"""What the rows of a layer say by themselves: its switch, its own values, what lies below it."""

from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution.known_strategies import environment_of, is_known, strategy_class
from strategy_core.configuration import parameter_values, usable
from strategy_core.configuration.parameter_values import NOTHING, Values
from strategy_core.strategies.registry import STRATEGIES


def new_row(strategy_id: str) -> StrategyConfig:
    """The global layer of a strategy that has none yet. One that had another name is off until that is taken over.

    Raises NotFoundError.
    """
    strategy = strategy_class(strategy_id)
    return StrategyConfig(strategy_id=strategy.id, enabled=False if strategy.former_ids else None)


def has_layer(row: SymbolOverride) -> bool:
    """Whether the symbol differs from the global layer: by parameters of its own, or by being switched off."""
    return row.parameters is not None or not row.enabled


def may_run(row: StrategyConfig) -> bool:
    """Whether a runtime of any version may trade it: an older one may still have a strategy that this code lacks."""
    return is_enabled(row) if is_known(row.strategy_id) else row.enabled is not False


def is_enabled(row: StrategyConfig, override: SymbolOverride | None = None) -> bool:
    """The effective switch. A symbol's can only switch off."""
    enabled = environment_of(row.strategy_id).enabled if row.enabled is None else row.enabled
    return enabled and (override is None or override.enabled)


def own_values(row: StrategyConfig | SymbolOverride) -> Values:
    """What the layer itself sets, under the names that its parameters have now; nothing where it has no parameters."""
    stored = NOTHING if row.parameters is None else row.parameters
    strategy = STRATEGIES.get(row.strategy_id)
    return stored if strategy is None else parameter_values.carried_over(strategy, stored)


def values_below(strategy_id: str, global_values: Values | None) -> Values:
    """What is set and in force below a symbol's layer, or below the global one where ``global_values`` is None."""
    environment = environment_of(strategy_id).values
    if global_values is None:
        return environment
    return usable.values_in_force(strategy_class(strategy_id), environment, global_values)

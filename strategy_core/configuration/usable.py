"""Resolution where values may no longer fit: each such value is left out by itself, and said. Pure.

They fitted when they were written. A version of the code with another range, without a parameter or with another rule,
or other variables of the environment, may have changed that since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from strategy_core.configuration import layers, parameter_values, validation
from strategy_core.configuration.layers import Layer, Source
from strategy_core.configuration.parameter_values import NOTHING, StrategyClass, Values
from strategy_core.configuration.validation import InvalidParametersError
from strategy_core.strategies.base import Parameters

# Where values of several layers break a rule together, those of the first of these are left out first.
_GIVES_WAY: tuple[Layer, ...] = ("environment", "symbol", "global")
_RANK: Mapping[str, int] = {"default": 0, "environment": 1, "global": 2, "symbol": 3}


@dataclass(frozen=True, slots=True)
class RefusedValue:
    """A value that a layer sets and that is not in force; ``message`` says why."""

    parameter: str
    layer: Layer
    value: Any
    message: str


class UsableResolution(NamedTuple):
    """What is in force. ``refused`` are the values that would be in force instead if they fitted.

    ``sources`` is "refused" for their parameters; a parameter that the strategy does not have is in ``refused`` alone.
    It belongs to the caller.
    """

    parameters: Parameters
    sources: dict[str, Source]
    refused: tuple[RefusedValue, ...] = ()


def resolve(
    strategy: StrategyClass,
    *,
    environment: Values = NOTHING,
    global_values: Values = NOTHING,
    symbol_values: Values = NOTHING,
) -> UsableResolution:
    """Resolve the layers, without the values that do not fit; never raises.

    Where the rest breaks a rule, its values are left out of environment, then symbol, then global, until it holds.
    """
    try:
        found = layers.resolve(
            strategy, environment=environment, global_values=global_values, symbol_values=symbol_values
        )
    except InvalidParametersError:
        return _resolve_what_fits(
            strategy, {"environment": environment, "global": global_values, "symbol": symbol_values}
        )
    return UsableResolution(found.parameters, found.sources)


def values_in_force(strategy: StrategyClass, environment: Values, global_values: Values) -> Values:
    """What environment and global layer set of what is in force below a symbol's layer."""
    found = resolve(strategy, environment=environment, global_values=global_values)
    if not found.refused:
        return {**environment, **parameter_values.carried_over(strategy, global_values)}
    values = parameter_values.as_json(found.parameters)
    defaults = parameter_values.as_json(strategy.parameters())
    return {name: value for name, value in values.items() if value != defaults[name]}


def _resolve_what_fits(strategy: StrategyClass, given: Mapping[Layer, Values]) -> UsableResolution:
    usable: dict[Layer, dict[str, Any]] = {}
    refused: list[RefusedValue] = []
    for layer, values in given.items():
        values = parameter_values.carried_over(strategy, values)
        usable[layer], errors = validation.check_values(strategy, values)
        refused.extend(RefusedValue(error.field, layer, values[error.field], error.message) for error in errors)
    while broken := validation.broken_rules(strategy, _merged(usable)):
        rule = broken[0]
        layer, names = _who_gives_way(usable, rule.fields)
        refused.extend(RefusedValue(name, layer, usable[layer].pop(name), rule.message) for name in names)
    found = layers.resolve(
        strategy,
        environment=usable["environment"],
        global_values=usable["global"],
        symbol_values=usable["symbol"],
    )
    sources = dict(found.sources)
    missed = tuple(
        each
        for each in refused
        if each.parameter not in sources or _RANK[each.layer] > _RANK[found.sources[each.parameter]]
    )
    sources.update({each.parameter: "refused" for each in missed if each.parameter in sources})
    return UsableResolution(found.parameters, sources, missed)


def _merged(usable: Mapping[Layer, Values]) -> dict[str, Any]:
    return {**usable["environment"], **usable["global"], **usable["symbol"]}


def _who_gives_way(usable: Mapping[Layer, Values], fields: tuple[str, ...]) -> tuple[Layer, list[str]]:
    """The layer whose values are in the way of a rule, and their names; defaults alone break none."""
    for layer in _GIVES_WAY:
        above = [values for other, values in usable.items() if _RANK[other] > _RANK[layer]]
        names = [name for name in fields if name in usable[layer] and not any(name in values for values in above)]
        if names:
            return layer, names
    raise ValueError(f"The defaults break a rule between {', '.join(fields)}.")

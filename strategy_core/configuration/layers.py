"""Resolution of the layers of parameters. Pure.

Per parameter the highest layer that sets it wins: symbol > global > environment > default.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from strategy_core.configuration.parameter_values import NOTHING, StrategyClass, Values, carried_over
from strategy_core.configuration.validation import InvalidParametersError, all_errors
from strategy_core.strategies.base import Parameters

Layer = Literal["default", "environment", "global", "symbol"]
Source = Literal["default", "environment", "global", "symbol", "refused"]
"""The layer that a value comes from; "refused": a layer above it sets one that no longer fits (see ``usable``)."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """All parameters of a strategy and the layer that each came from; ``sources`` belongs to the caller."""

    parameters: Parameters
    sources: dict[str, Source]


def resolve(
    strategy: StrategyClass,
    *,
    environment: Values = NOTHING,
    global_values: Values = NOTHING,
    symbol_values: Values = NOTHING,
) -> Resolution:
    """Resolve the layers, each already checked or not; raises InvalidParametersError with every error."""
    merged: dict[str, Any] = {}
    sources: dict[str, Source] = dict.fromkeys(strategy.parameters.model_fields, "default")
    layers: tuple[tuple[Layer, Values], ...] = (
        ("environment", environment),
        ("global", global_values),
        ("symbol", symbol_values),
    )
    for source, values in layers:
        values = carried_over(strategy, values)
        merged.update(values)
        sources.update(dict.fromkeys(values, source))
    try:
        return Resolution(strategy.parameters.model_validate(merged), sources)
    except ValidationError:
        raise InvalidParametersError(all_errors(strategy, merged)) from None

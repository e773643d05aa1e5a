"""What is stored and does not fit this version of the code or its environment. Selectors.

Values that a strategy refuses now, and strategies that the code no longer has. Nothing of it is in force; all of it is
kept, so that a version that it fits brings it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from strategy_config.history import positions
from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import known_strategies, layer_rows
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.store import transactions
from strategy_core.configuration import parameter_values, usable
from strategy_core.configuration.environment_layer import EnvironmentProblem
from strategy_core.configuration.parameter_values import NOTHING, Values
from strategy_core.configuration.usable import RefusedValue
from strategy_core.strategies.registry import STRATEGIES


@dataclass(frozen=True, slots=True)
class MisfitLayer:
    """A layer with values that do not fit, a global one with the environment's, and what is in force in their place."""

    key: LayerKey
    refused: tuple[RefusedValue, ...]
    in_force: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Misfits:
    """Everything that does not fit. ``environment`` are variables that cannot be used, by strategy."""

    layers: tuple[MisfitLayer, ...]
    removed_strategies: tuple[str, ...]
    environment: tuple[tuple[str, EnvironmentProblem], ...]

    @property
    def refused_count(self) -> int:
        """How many values do not fit."""
        return sum(len(layer.refused) for layer in self.layers)

    @property
    def is_empty(self) -> bool:
        return not (self.layers or self.removed_strategies or self.environment)


_known: tuple[object, Misfits] | None = None


def current() -> Misfits:
    """As ``find``, repeated only where the history or this process's variables have changed since."""
    global _known
    key = state_key()
    if _known is None or _known[0] != key:
        _known = key, find(timezone.now())
    return _known[1]


def state_key() -> tuple[object, ...]:
    """Equal while neither the history nor what this process runs has changed. Raises StoreUnavailableError."""
    return (*positions.chain_head(), STRATEGIES, settings.STRATEGY_ENVIRONMENT)


@transactions.store_errors()
def find(at: datetime) -> Misfits:
    """Look every stored layer over. Reads nothing of the store but layers, so that it runs before a `migrate` too."""
    stored = dict(StrategyConfig.objects.values_list("strategy_id", "parameters"))
    found = [layer for strategy_id in STRATEGIES if (layer := _global_misfit(strategy_id, stored.get(strategy_id)))]
    below = {each: layer_rows.values_below(each, stored.get(each) or NOTHING) for each in STRATEGIES}
    rows = SymbolOverride.objects.filter(strategy_id__in=list(STRATEGIES), parameters__isnull=False)
    columns = ("strategy_id", "symbol", "parameters", "expires_at")
    for strategy_id, symbol, parameters, expires_at in rows.order_by("strategy_id", "symbol").values_list(*columns):
        if parameters and (expires_at is None or expires_at > at):
            layer = _symbol_misfit(LayerKey(strategy_id, symbol), parameters, below[strategy_id])
            if layer is not None:
                found.append(layer)
    return Misfits(
        layers=tuple(found),
        removed_strategies=tuple(each for each in stored if not known_strategies.is_known(each)),
        environment=tuple(
            (each, problem) for each in STRATEGIES for problem in known_strategies.environment_of(each).problems
        ),
    )


def _global_misfit(strategy_id: str, own: Values | None) -> MisfitLayer | None:
    resolved = usable.resolve(
        STRATEGIES[strategy_id],
        environment=known_strategies.environment_of(strategy_id).values,
        global_values=own or NOTHING,
    )
    return _layer(LayerKey(strategy_id, None), resolved, resolved.refused)


def _symbol_misfit(key: LayerKey, own: Values, below: Values) -> MisfitLayer | None:
    resolved = usable.resolve(STRATEGIES[key.strategy_id], global_values=below, symbol_values=own)
    return _layer(key, resolved, tuple(each for each in resolved.refused if each.layer == "symbol"))


def _layer(key: LayerKey, resolved: usable.UsableResolution, refused: tuple[RefusedValue, ...]) -> MisfitLayer | None:
    if not refused:
        return None
    values = parameter_values.as_json(resolved.parameters)
    return MisfitLayer(key, refused, {each.parameter: values.get(each.parameter) for each in refused})

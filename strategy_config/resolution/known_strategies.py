"""The strategies of the code, by id, and the environment layers that this process was started with."""

from types import MappingProxyType

from django.conf import settings

from strategy_config.exceptions import NotFoundError
from strategy_core.configuration.environment_layer import EnvironmentLayer
from strategy_core.configuration.parameter_values import NOTHING, StrategyClass
from strategy_core.strategies.registry import STRATEGIES

# Of a strategy that is not in the code nobody knows what it does by default: where nobody has switched it, it is off.
_NO_ENVIRONMENT = EnvironmentLayer(NOTHING, False, False, MappingProxyType({}), ())


def strategy_name(strategy_id: str) -> str:
    """What people call it; the id of one that the code no longer has."""
    return STRATEGIES[strategy_id].name if strategy_id in STRATEGIES else strategy_id


def is_known(strategy_id: str) -> bool:
    """Whether the code has the strategy. The store keeps the rows of one that was removed."""
    return strategy_id in STRATEGIES


def strategy_class(strategy_id: str) -> StrategyClass:
    """The strategy's declaration; raises NotFoundError."""
    try:
        return STRATEGIES[strategy_id]
    except KeyError:
        raise unknown_strategy(strategy_id) from None


def unknown_strategy(strategy_id: str) -> NotFoundError:
    """The refusal of an id that the code does not have."""
    return NotFoundError(f"There is no strategy {strategy_id[:64]!r}. There are: {', '.join(STRATEGIES)}.")


def environment_of(strategy_id: str) -> EnvironmentLayer:
    """The environment layer that this process was started with; an empty one for a strategy not in the code."""
    found: EnvironmentLayer = settings.STRATEGY_ENVIRONMENT.get(strategy_id, _NO_ENVIRONMENT)
    return found

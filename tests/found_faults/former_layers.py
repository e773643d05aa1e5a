"""What is in several modules today under the one name by which earlier scripts import it."""

from strategy_core.configuration.environment_layer import *  # noqa: F403
from strategy_core.configuration.layers import *  # noqa: F403
from strategy_core.configuration.parameter_values import *  # noqa: F403
from strategy_core.configuration.validation import *  # noqa: F403

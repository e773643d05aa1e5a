"""What is in several modules today under the one name by which earlier scripts import it."""

from strategy_core.configuration.change_stream import *  # noqa: F403
from strategy_core.configuration.price_points import *  # noqa: F403
from strategy_core.configuration.redis_keys import *  # noqa: F403
from strategy_core.configuration.runtime_reports import *  # noqa: F403
from strategy_core.configuration.wire_documents import *  # noqa: F403
from strategy_core.configuration.wire_json import *  # noqa: F403

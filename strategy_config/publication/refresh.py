"""Redis rewritten on request."""

from dataclasses import dataclass

from service_kit.tracing import traced
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.publication import publisher


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Redis was rebuilt: documents there now, and the sequence that they stand at."""

    entries: int
    sequence: int


@traced
def refresh_cache() -> Refreshed:
    """Rewrite Redis from the database and tell every runtime.

    Raises StoreUnavailableError, also where it is Redis that cannot be reached.
    """
    try:
        rewritten = publisher.rewrite_all(is_forced=True)
    except RedisUnavailableError as exception:
        raise StoreUnavailableError("Redis cannot be reached right now.") from exception
    return Refreshed(rewritten.entries, rewritten.sequence)

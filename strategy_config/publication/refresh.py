"""Redis rewritten on request."""

from service_kit.tracing import traced
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.publication import publisher
from strategy_config.publication.publisher import CacheRewrite


@traced
def refresh_cache() -> CacheRewrite:
    """Rewrite Redis from the database and tell every runtime.

    Raises StoreUnavailableError, also where it is Redis that cannot be reached.
    """
    try:
        return publisher.rewrite_all(is_forced=True)
    except RedisUnavailableError as exception:
        raise StoreUnavailableError("Redis is unreachable.") from exception

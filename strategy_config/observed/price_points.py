"""The prices that the runtimes keep of a symbol, for charts."""

from typing import Any

import structlog

from strategy_config.redis import redis_client
from strategy_core.configuration import price_points, wire_json

log = structlog.get_logger(__name__)


def read(symbol: str) -> list[price_points.PricePoint]:
    """A price a second or fewer, oldest first; none of a symbol without any. Raises RedisUnavailableError."""
    key = redis_client.keys().prices(symbol)
    records: Any = redis_client.run(lambda client: client.lrange(key, 0, -1))
    try:
        return [price_points.decode_price(record) for record in records]
    except wire_json.WireError as exception:
        log.warning("prices.unreadable", symbol=symbol, error=str(exception))
        return []

"""Order books in Redis, as the runtimes publish them: for the site's tests and benchmarks."""

import time
from collections.abc import Iterable

import redis

from strategy_core.configuration.redis_keys import Keys
from strategy_core.market import analytics
from strategy_core.market.analytics import BookMetrics, PressureHistory
from strategy_core.market.book import Book

START_MS = 1_723_161_255_000
LEVELS = 20


def metrics(
    symbol: str, *, bid_volume: float = 3.0, ask_volume: float = 1.0, age_seconds: float = 0.0, source: str = "live"
) -> BookMetrics:
    """Of a book around 100 with these volumes on each of its levels."""
    bids = [(100 - 0.01 * level, bid_volume) for level in range(1, LEVELS + 1)]
    asks = [(100 + 0.01 * level, ask_volume) for level in range(1, LEVELS + 1)]
    published_ms = int((time.time() - age_seconds) * 1000)
    return analytics.measure(symbol, Book(bids, asks, START_MS), source=source, published_ms=published_ms)


def publish(client: redis.Redis, keys: Keys, *books: BookMetrics) -> None:
    """Put metrics where the runtimes put them."""
    client.hset(keys.market, mapping={each.symbol: analytics.encode(each) for each in books})


def publish_pressure(client: redis.Redis, keys: Keys, symbol: str, pressures: Iterable[float]) -> None:
    """Put a history there: net pressure in percent, one a second."""
    history = PressureHistory()
    for second, pressure in enumerate(pressures):
        history.add(START_MS + second * 1000, pressure / 100)
    client.set(keys.pressure(symbol), history.tail(analytics.POINTS_KEPT))

"""The order-book analytics that the runtimes publish, as the site reads them. Nothing here asks the store.

All raise RedisUnavailableError. How old metrics are is told by the hosts' clocks: after STALE_SECONDS they are
marked as stale, after KEPT_SECONDS they are no longer known at all.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog

from strategy_config.exceptions import NotFoundError
from strategy_config.redis import redis_client
from strategy_core.market import analytics
from strategy_core.market.analytics import (
    KEPT_SECONDS,
    STALE_SECONDS,
    BookMetrics,
    PressurePoint,
    PressureSummary,
    Timeframe,
)
from strategy_core.market.decoding import UNREADABLE

Order = Literal["symbol", "pressure", "imbalance", "liquidity"]

TOP_SYMBOLS = 5
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics of one symbol, and for how long nobody has renewed them."""

    metrics: BookMetrics
    age_seconds: float

    @property
    def is_stale(self) -> bool:
        return self.age_seconds > STALE_SECONDS


@dataclass(frozen=True, slots=True)
class PressureReading:
    """The pressure of one symbol over a timeframe that ends with its newest book; ``points`` oldest first."""

    reading: Reading
    timeframe: Timeframe
    points: Sequence[PressurePoint]
    summary: PressureSummary


@dataclass(frozen=True, slots=True)
class MarketSummary:
    """Over all symbols whose metrics are current; the means are None where there is none.

    ``symbols_tracked`` counts the stale ones too. ``total_liquidity`` adds up base units of different assets: good for
    watching one set of symbols, not for comparing two.
    """

    symbols_tracked: int
    stale_symbols: int
    bullish_symbols: int
    bearish_symbols: int
    neutral_symbols: int
    avg_net_pressure: float | None
    avg_imbalance_ratio: float | None
    avg_spread_bps: float | None
    total_liquidity: float
    highest_buy_pressure: tuple[str, ...]
    highest_sell_pressure: tuple[str, ...]


_ORDERS: Mapping[Order, Callable[[Reading], Any]] = {
    "symbol": lambda reading: reading.metrics.symbol,
    "pressure": lambda reading: reading.metrics.pressure.net_pressure,
    "imbalance": lambda reading: reading.metrics.imbalance.percent,
    "liquidity": lambda reading: reading.metrics.liquidity.total,
}


def of_symbol(symbol: str, at: datetime) -> Reading:
    """The metrics of a symbol; raises NotFoundError where none are known."""
    raw = redis_client.run(lambda client: client.hget(redis_client.keys().market, symbol))
    return _known(symbol, raw, at)


def of_all(at: datetime) -> list[Reading]:
    """The metrics of all symbols, by symbol: one round trip."""
    by_symbol: Any = redis_client.run(lambda client: client.hgetall(redis_client.keys().market))
    readings = (_read(raw, at) for _, raw in sorted(by_symbol.items()))
    return [reading for reading in readings if reading is not None]


def pressure_of(symbol: str, timeframe: Timeframe, at: datetime) -> PressureReading:
    """The pressure of a symbol; raises NotFoundError where nothing is known of it."""
    keys = redis_client.keys()

    def read(client: Any) -> Any:
        pipeline = client.pipeline(transaction=False)
        pipeline.hget(keys.market, symbol)
        pipeline.get(keys.pressure(symbol))
        return pipeline.execute()

    raw, records = redis_client.run(read)
    reading = _known(symbol, raw, at)
    points = _points(symbol, records or b"", timeframe)
    if not points:
        raise NotFoundError(f"No history of {symbol}'s order book is known yet.")
    return PressureReading(reading, timeframe, points, analytics.summarise(points, timeframe))


def select(
    readings: Sequence[Reading],
    *,
    symbols: Collection[str] | None = None,
    min_pressure: float | None = None,
    max_pressure: float | None = None,
    mood: str | None = None,
    order: Order = "symbol",
    is_descending: bool = False,
) -> list[Reading]:
    """Those that pass every filter that is given, in the order asked for; pressures are net, in percent."""
    found = [
        reading
        for reading in readings
        if (symbols is None or reading.metrics.symbol in symbols)
        and (min_pressure is None or reading.metrics.pressure.net_pressure >= min_pressure)
        and (max_pressure is None or reading.metrics.pressure.net_pressure <= max_pressure)
        and (mood is None or reading.metrics.pressure.interpretation == mood)
    ]
    return sorted(found, key=_ORDERS[order], reverse=is_descending)


def summarise(readings: Sequence[Reading]) -> MarketSummary:
    """All symbols in figures."""
    current = [reading.metrics for reading in readings if not reading.is_stale]
    moods = [metrics.pressure.interpretation for metrics in current]
    by_pressure = sorted(current, key=lambda metrics: metrics.pressure.net_pressure)
    return MarketSummary(
        symbols_tracked=len(readings),
        stale_symbols=len(readings) - len(current),
        bullish_symbols=moods.count("bullish"),
        bearish_symbols=moods.count("bearish"),
        neutral_symbols=moods.count("neutral"),
        avg_net_pressure=_mean([metrics.pressure.net_pressure for metrics in current]),
        avg_imbalance_ratio=_mean([metrics.imbalance.ratio for metrics in current]),
        avg_spread_bps=_mean([metrics.spread.spread_bps for metrics in current]),
        total_liquidity=sum(metrics.liquidity.total for metrics in current),
        highest_buy_pressure=tuple(metrics.symbol for metrics in reversed(by_pressure[-TOP_SYMBOLS:])),
        highest_sell_pressure=tuple(metrics.symbol for metrics in by_pressure[:TOP_SYMBOLS]),
    )


def _known(symbol: str, raw: Any, at: datetime) -> Reading:
    reading = None if raw is None else _read(raw, at)
    if reading is None:
        raise NotFoundError(
            f"No runtime has seen an order book of {symbol} within {KEPT_SECONDS:.0f} s. "
            "GET /api/v1/metrics/all lists the symbols that are known."
        )
    return reading


def _read(raw: bytes, at: datetime) -> Reading | None:
    """None for what is too old, or cannot be read."""
    try:
        metrics = analytics.decode(raw)
    except UNREADABLE as exception:
        log.warning("market.unreadable", error=str(exception))
        return None
    age_seconds = max(0.0, at.timestamp() - metrics.published_ms / 1000)
    return Reading(metrics, age_seconds) if age_seconds <= KEPT_SECONDS else None


def _points(symbol: str, records: bytes, timeframe: Timeframe) -> list[PressurePoint]:
    try:
        return analytics.read_points(records, timeframe)
    except ValueError as exception:
        log.warning("pressure.unreadable", symbol=symbol, error=str(exception))
        return []


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None

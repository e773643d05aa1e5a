"""Order-book analytics of the runtimes. Plain objects: existing clients expect no envelope around them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from strategy_config.api.common import envelope
from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.permissions import READ_ONLY
from strategy_config.api.common.request_models import query_of
from strategy_config.api.resources.market.models import (
    AllMetrics,
    AllMetricsQuery,
    DepthMetrics,
    MarketSummary,
    PressureHistory,
    PressureQuery,
)
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.observed import order_books
from strategy_config.observed.order_books import Reading
from strategy_config.resolution import symbols

MOST_POINTS = 100

_UNKNOWN = "no runtime has reported an order book of this symbol recently."

T = TypeVar("T")


class _MarketView(ApiView):
    permission_by_method = READ_ONLY


class DepthView(_MarketView):
    """The order book of a symbol in figures."""

    @operation(
        "getDepthMetrics",
        tag="Market",
        summary="Read the order-book analytics of a symbol",
        answer=DepthMetrics,
        path=("symbol",),
        needs_cache=True,
        not_found=_UNKNOWN,
    )
    def get(self, request: Request, symbol: str) -> HttpResponse:
        """Imbalance, pressure, liquidity, spread, weighted prices and strongest levels of the latest order book.

        Updated at most five times a second. `source` tells a real market from a simulated or replayed one.
        """
        with _redis_needed():
            reading = order_books.of_symbol(symbols.normalise_symbol(symbol), timezone.now())
        return envelope.plain(request, _depth(reading))


class PressureView(_MarketView):
    """How the pressure on a symbol has moved."""

    @operation(
        "getPressureHistory",
        tag="Market",
        summary="Read the pressure history of a symbol",
        answer=PressureHistory,
        path=("symbol",),
        query=PressureQuery,
        needs_cache=True,
        not_found=_UNKNOWN,
    )
    def get(self, request: Request, symbol: str) -> HttpResponse:
        """Net pressure and imbalance over the timeframe that ends with the newest order book, in event time.

        The summary covers all points. A history of more than 100 points is thinned evenly; the newest point is always
        kept.
        """
        timeframe = query_of(request, PressureQuery).timeframe
        with _redis_needed():
            found = order_books.pressure_of(symbols.normalise_symbol(symbol), timeframe, timezone.now())
        points = thinned(found.points, MOST_POINTS)
        stamps = [_iso(point.time_ms) for point in points]
        answer = {
            **_freshness(found.reading),
            "timeframe": timeframe,
            "summary": found.summary,
            "total_data_points": len(found.points),
            "returned_data_points": len(points),
            "pressure_history": [
                {"timestamp": stamp, "pressure": point.net_pressure}
                for stamp, point in zip(stamps, points, strict=True)
            ],
            "imbalance_history": [
                {"timestamp": stamp, "imbalance": point.imbalance} for stamp, point in zip(stamps, points, strict=True)
            ],
        }
        return envelope.plain(request, answer)


class SummaryView(_MarketView):
    """All order books in figures."""

    @operation(
        "getMarketSummary",
        tag="Market",
        summary="Summarise the order books of all symbols",
        answer=MarketSummary,
        needs_cache=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """The number of bullish, bearish and neutral symbols, means over all symbols, and the symbols with the
        strongest pressure.
        """
        at = timezone.now()
        with _redis_needed():
            found = order_books.summarise(order_books.of_all(at))
        answer = {
            "timestamp": _iso(int(at.timestamp() * 1000)),
            "symbols_tracked": found.symbols_tracked,
            "stale_symbols": found.stale_symbols,
            "market_sentiment": {
                "bullish_symbols": found.bullish_symbols,
                "bearish_symbols": found.bearish_symbols,
                "neutral_symbols": found.neutral_symbols,
                "avg_net_pressure": found.avg_net_pressure,
                "avg_imbalance_ratio": found.avg_imbalance_ratio,
            },
            "liquidity": {"avg_spread_bps": found.avg_spread_bps, "total_liquidity": found.total_liquidity},
            "top_pressure_symbols": {
                "highest_buy_pressure": found.highest_buy_pressure,
                "highest_sell_pressure": found.highest_sell_pressure,
            },
        }
        return envelope.plain(request, answer)


class AllView(_MarketView):
    """All order books."""

    @operation(
        "getAllMetrics",
        tag="Market",
        summary="Read the order-book analytics of all symbols",
        answer=AllMetrics,
        query=AllMetricsQuery,
        needs_cache=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """The metrics of `/metrics/depth/{symbol}` for every known symbol that passes the filters.

        `total` and the pages count all symbols that pass; `symbols_count` counts those in this answer.
        """
        query = query_of(request, AllMetricsQuery)
        with _redis_needed():
            readings = order_books.of_all(timezone.now())
        found = order_books.select(
            readings,
            symbols=query.symbols,
            min_pressure=query.min_pressure,
            max_pressure=query.max_pressure,
            mood=query.trend,
            order=query.sort_by,
            is_descending=query.sort_order == "desc",
        )
        page = {
            reading.metrics.symbol: _listed(reading) for reading in found[query.offset : query.offset + query.limit]
        }
        answer = {
            "data": page,
            "pagination": _pagination(len(found), query),
            "filters_applied": {
                "symbols": None if query.symbols is None else ",".join(query.symbols),
                "min_pressure": query.min_pressure,
                "max_pressure": query.max_pressure,
                "trend": query.trend,
            },
            "sort": {"by": query.sort_by, "order": query.sort_order},
            "symbols_count": len(page),
        }
        return envelope.plain(request, answer)


def thinned(points: Sequence[T], most: int) -> Sequence[T]:
    """At most ``most`` of the points at even distances, the last one among them."""
    step = -(-len(points) // most)
    return points if step <= 1 else points[::-step][::-1]


@contextmanager
def _redis_needed() -> Iterator[None]:
    """Raises StoreUnavailableError where Redis is away: the metrics are nowhere else."""
    try:
        yield
    except RedisUnavailableError as exception:
        raise StoreUnavailableError(
            "Redis, which carries the market metrics, is unreachable; try again later."
        ) from exception


def _pagination(total: int, query: AllMetricsQuery) -> dict[str, Any]:
    return {
        "total": total,
        "limit": query.limit,
        "offset": query.offset,
        "page": query.offset // query.limit + 1,
        "pages": -(-total // query.limit),
        "has_next": query.offset + query.limit < total,
        "has_previous": query.offset > 0,
    }


def _iso(time_ms: int) -> str:
    """ "2024-08-08T10:00:00.000Z"."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _freshness(reading: Reading) -> dict[str, Any]:
    metrics = reading.metrics
    return {
        "symbol": metrics.symbol,
        "timestamp": _iso(metrics.time_ms),
        "published_at": _iso(metrics.published_ms),
        "age_seconds": round(reading.age_seconds, 3),
        "is_stale": reading.is_stale,
        "source": metrics.source,
    }


def _depth(reading: Reading) -> dict[str, Any]:
    metrics = reading.metrics
    answer = _freshness(reading)
    answer["imbalance"] = metrics.imbalance
    answer["pressure"] = metrics.pressure
    answer["liquidity"] = metrics.liquidity
    answer["spread"] = metrics.spread
    answer["vwap"] = metrics.vwap
    answer["order_book_quality"] = metrics.order_book_quality
    answer["strongest_levels"] = metrics.strongest_levels
    return answer


def _listed(reading: Reading) -> dict[str, Any]:
    metrics = reading.metrics
    answer = _depth(reading)
    answer["net_pressure"] = metrics.pressure.net_pressure
    answer["imbalance_percent"] = metrics.imbalance.percent
    answer["spread_bps"] = metrics.spread.spread_bps
    answer["total_liquidity"] = metrics.liquidity.total
    answer["mid_price"] = metrics.spread.mid_price
    answer["trend"] = metrics.pressure.interpretation
    return answer

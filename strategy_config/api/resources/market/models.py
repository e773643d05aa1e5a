"""What the API answers of order books, as models like those of `answers`, but plain: without the envelope.

Prices are in quote units, volumes in base units (COIN-M: contracts), shares and pressure in percent.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from strategy_config.api.common.answer_models import AnswerModel, InstantText
from strategy_config.api.common.request_fields import MAX_VERSION, QueryNumber
from strategy_config.api.common.request_models import RequestQuery
from strategy_config.resolution.symbols import normalise_symbol
from strategy_core.market.analytics import Timeframe


class PressureQuery(RequestQuery):
    """Over which time."""

    timeframe: Timeframe = Field(default="5m", description="The length of the history, in event time.")


MOST_SYMBOLS = 200

_SYMBOLS_PATTERN = "^( *([A-Za-z0-9][A-Za-z0-9_]{3,23} *)?,)* *([A-Za-z0-9][A-Za-z0-9_]{3,23} *)?$"

_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _or_none(value: Any) -> Any:
    """An empty filter is none."""
    return None if value == "" else value


def _as_decimal(value: Any) -> Any:
    return float(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else value


def _as_symbols(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = (part.strip(" ") for part in value.split(","))
    return tuple(normalise_symbol(part) for part in parts if part) or None


AnyCase = BeforeValidator(_lowered)

PressureBound = Annotated[float, Field(strict=True, allow_inf_nan=False), BeforeValidator(_as_decimal)]

Symbols = Annotated[
    tuple[str, ...],
    WithJsonSchema({"type": "string", "pattern": _SYMBOLS_PATTERN}),
    Field(description="Only these symbols, separated by commas, in any case.", examples=["BTCUSDT,ETHUSDT"]),
]


class AllMetricsQuery(BaseModel):
    """Which symbols, in which order, and which part of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbols: Annotated[Symbols | None, BeforeValidator(_as_symbols)] = None
    min_pressure: Annotated[PressureBound | None, BeforeValidator(_or_none)] = Field(
        default=None, description="Minimum net pressure, in percent."
    )
    max_pressure: Annotated[PressureBound | None, BeforeValidator(_or_none)] = Field(
        default=None, description="Maximum net pressure, in percent."
    )
    trend: Annotated[Literal["bullish", "bearish", "neutral"] | None, AnyCase, BeforeValidator(_or_none)] = None
    limit: Annotated[int, Field(ge=1, le=MOST_SYMBOLS, strict=True), QueryNumber] = 50
    offset: Annotated[int, Field(ge=0, le=MAX_VERSION, strict=True), QueryNumber] = 0
    sort_by: Annotated[Literal["symbol", "pressure", "imbalance", "liquidity"], AnyCase] = "symbol"
    sort_order: Annotated[Literal["asc", "desc"], AnyCase] = "asc"


Mood = Annotated[
    Literal["bullish", "neutral", "bearish"],
    Field(description="Bullish above a net pressure of 20, bearish below -20."),
]

Ratio = Annotated[
    float,
    Field(
        ge=-1, le=1, description="(bids - asks) / (bids + asks): -1 if there are only asks, 1 if there are only bids."
    ),
]

NetPressure = Annotated[
    float, Field(ge=-100, le=100, description="The bids' share of the volume minus the asks' share, in percent.")
]

Volume = Annotated[float, Field(ge=0)]


class Imbalance(AnswerModel):
    ratio: Ratio
    percent: float
    bid_volume: Volume
    ask_volume: Volume


class Pressure(AnswerModel):
    buy_pressure: float = Field(description="The bids' share of the volume, in percent.")
    sell_pressure: float = Field(description="The asks' share of the volume, in percent.")
    net_pressure: NetPressure
    interpretation: Mood


class Liquidity(AnswerModel):
    """The volume of the whole order book, and of the best 5 and 10 levels on each side."""

    total: Volume
    bid_depth_5: Volume
    ask_depth_5: Volume
    bid_depth_10: Volume
    ask_depth_10: Volume


class Spread(AnswerModel):
    best_bid: float
    best_ask: float
    spread_abs: float
    spread_bps: float = Field(description="In basis points (hundredths of a percent) of the mid price.")
    mid_price: float


class Vwap(AnswerModel):
    """The volume-weighted mean price of each side; null if the side has no volume."""

    bid: float | None
    ask: float | None
    spread: float | None


class OrderBookQuality(AnswerModel):
    """The number of levels in the order book."""

    bid_levels: int
    ask_levels: int
    total_levels: int


class Level(AnswerModel):
    price: float
    volume: Volume


class StrongestLevels(AnswerModel):
    """The level with the greatest volume on each side."""

    bid: Level
    ask: Level


class Freshness(AnswerModel):
    """How current it is. ``timestamp`` is the book's event time; the age is that of the publication, by host clocks."""

    symbol: str
    timestamp: InstantText
    published_at: InstantText
    age_seconds: float = Field(ge=0)
    is_stale: bool = Field(description="Not updated for more than 10 seconds.")
    source: Literal["live", "replay", "simulated"]


class DepthMetrics(Freshness):
    """The analytics of the latest order book of a symbol."""

    imbalance: Imbalance
    pressure: Pressure
    liquidity: Liquidity
    spread: Spread
    vwap: Vwap
    order_book_quality: OrderBookQuality
    strongest_levels: StrongestLevels


class ListedMetrics(DepthMetrics):
    """The analytics of a symbol, and at the top level the figures that lists show."""

    net_pressure: NetPressure
    imbalance_percent: float
    spread_bps: float
    total_liquidity: Volume
    mid_price: float
    trend: Mood


class Pagination(AnswerModel):
    """The page, of all symbols that pass the filters."""

    total: int = Field(ge=0)
    limit: int
    offset: int
    page: int = Field(ge=1, description="Starts at 1.")
    pages: int = Field(ge=0)
    has_next: bool
    has_previous: bool


class AppliedFilters(AnswerModel):
    """The filters of the request; null if not set."""

    symbols: str | None
    min_pressure: float | None
    max_pressure: float | None
    trend: Mood | None


class Sorting(AnswerModel):
    """The order of ``data``."""

    by: Literal["symbol", "pressure", "imbalance", "liquidity"]
    order: Literal["asc", "desc"]


class AllMetrics(AnswerModel):
    """Metrics by symbol, in the requested order."""

    data: dict[str, ListedMetrics]
    pagination: Pagination
    filters_applied: AppliedFilters
    sort: Sorting
    symbols_count: int


class PressureFigures(AnswerModel):
    """Figures over all points of the timeframe; ``trend`` covers its last sixth and is neutral below 10 points."""

    avg_pressure: NetPressure
    max_pressure: NetPressure
    min_pressure: NetPressure
    trend: Mood
    trend_strength: float = Field(ge=0, le=1)


class PressurePoint(AnswerModel):
    timestamp: InstantText
    pressure: NetPressure


class ImbalancePoint(AnswerModel):
    timestamp: InstantText
    imbalance: Ratio


class PressureHistory(Freshness):
    """One point a second of event time, from that second's first order book, oldest first, thinned to at most 100."""

    timeframe: Literal["1m", "5m", "15m"]
    summary: PressureFigures
    total_data_points: int
    returned_data_points: int
    pressure_history: list[PressurePoint] = Field(max_length=100)
    imbalance_history: list[ImbalancePoint] = Field(max_length=100)


class MarketSentiment(AnswerModel):
    """The means are null if the metrics of every symbol are stale."""

    bullish_symbols: int
    bearish_symbols: int
    neutral_symbols: int
    avg_net_pressure: NetPressure | None
    avg_imbalance_ratio: Ratio | None


class MarketLiquidity(AnswerModel):
    avg_spread_bps: float | None
    total_liquidity: float = Field(description="The sum over base units of different assets.")


class TopPressure(AnswerModel):
    """Up to five symbols each, strongest first."""

    highest_buy_pressure: list[str]
    highest_sell_pressure: list[str]


class MarketSummary(AnswerModel):
    """Over the symbols whose metrics are not stale; ``symbols_tracked`` counts those too."""

    timestamp: InstantText
    symbols_tracked: int
    stale_symbols: int
    market_sentiment: MarketSentiment
    liquidity: MarketLiquidity
    top_pressure_symbols: TopPressure

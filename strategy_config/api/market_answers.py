"""What the API answers of order books, as models like those of `answers`, but plain: without the envelope.

Prices are in quote units, volumes in base units (COIN-M: contracts), shares and pressure in percent.
"""

from typing import Annotated, Literal

from pydantic import Field

from strategy_config.api.answers import Answer, Instant

Mood = Annotated[
    Literal["bullish", "neutral", "bearish"],
    Field(description="Bullish above a net pressure of 20, bearish below -20."),
]
Ratio = Annotated[float, Field(ge=-1, le=1, description="(bids - asks) / (bids + asks): -1 only asks, 1 only bids.")]
NetPressure = Annotated[
    float, Field(ge=-100, le=100, description="The bids' share of the volume less the asks', in percent.")
]
Volume = Annotated[float, Field(ge=0)]


class Imbalance(Answer):
    ratio: Ratio
    percent: float
    bid_volume: Volume
    ask_volume: Volume


class Pressure(Answer):
    buy_pressure: float = Field(description="The bids' share of the volume, in percent.")
    sell_pressure: float = Field(description="The asks' share of the volume, in percent.")
    net_pressure: NetPressure
    interpretation: Mood


class Liquidity(Answer):
    """The volume of the whole book, and of the best 5 and 10 levels a side."""

    total: Volume
    bid_depth_5: Volume
    ask_depth_5: Volume
    bid_depth_10: Volume
    ask_depth_10: Volume


class Spread(Answer):
    best_bid: float
    best_ask: float
    spread_abs: float
    spread_bps: float = Field(description="In hundredths of a percent of the mid price.")
    mid_price: float


class Vwap(Answer):
    """The mean price of each side, weighted by volume; null where it shows none."""

    bid: float | None
    ask: float | None
    spread: float | None


class OrderBookQuality(Answer):
    """How many levels the book shows."""

    bid_levels: int
    ask_levels: int
    total_levels: int


class Level(Answer):
    price: float
    volume: Volume


class StrongestLevels(Answer):
    """The level with the greatest volume, a side."""

    bid: Level
    ask: Level


class Freshness(Answer):
    """How current it is. ``timestamp`` is the book's event time; the age is that of the publication, by host clocks."""

    symbol: str
    timestamp: Instant
    published_at: Instant
    age_seconds: float = Field(ge=0)
    is_stale: bool = Field(description="Nobody has renewed it for more than 10 s.")
    source: Literal["live", "replay", "simulated"]


class DepthMetrics(Freshness):
    """The analytics of the last order book of a symbol."""

    imbalance: Imbalance
    pressure: Pressure
    liquidity: Liquidity
    spread: Spread
    vwap: Vwap
    order_book_quality: OrderBookQuality
    strongest_levels: StrongestLevels


class ListedMetrics(DepthMetrics):
    """The same, and beside the groups the figures that lists show."""

    net_pressure: NetPressure
    imbalance_percent: float
    spread_bps: float
    total_liquidity: Volume
    mid_price: float
    trend: Mood


class Pagination(Answer):
    """Which part of the symbols that pass the filters is answered."""

    total: int = Field(ge=0)
    limit: int
    offset: int
    page: int = Field(ge=1, description="The first one is 1.")
    pages: int = Field(ge=0)
    has_next: bool
    has_previous: bool


class AppliedFilters(Answer):
    """As they were asked for; null where they were not."""

    symbols: str | None
    min_pressure: float | None
    max_pressure: float | None
    trend: Mood | None


class Sorting(Answer):
    """The order of ``data``."""

    by: Literal["symbol", "pressure", "imbalance", "liquidity"]
    order: Literal["asc", "desc"]


class AllMetrics(Answer):
    """By symbol, in the order asked for."""

    data: dict[str, ListedMetrics]
    pagination: Pagination
    filters_applied: AppliedFilters
    sort: Sorting
    symbols_count: int


class PressureFigures(Answer):
    """Over all points of the timeframe; the trend is that of its last sixth. Fewer than 10 points make no trend."""

    avg_pressure: NetPressure
    max_pressure: NetPressure
    min_pressure: NetPressure
    trend: Mood
    trend_strength: float = Field(ge=0, le=1)


class PressurePoint(Answer):
    timestamp: Instant
    pressure: NetPressure


class ImbalancePoint(Answer):
    timestamp: Instant
    imbalance: Ratio


class PressureHistory(Freshness):
    """One point a second of event time, of that second's first book, oldest first; thinned out to at most 100."""

    timeframe: Literal["1m", "5m", "15m"]
    summary: PressureFigures
    total_data_points: int
    returned_data_points: int
    pressure_history: list[PressurePoint] = Field(max_length=100)
    imbalance_history: list[ImbalancePoint] = Field(max_length=100)


class MarketSentiment(Answer):
    """Null where no symbol is current."""

    bullish_symbols: int
    bearish_symbols: int
    neutral_symbols: int
    avg_net_pressure: NetPressure | None
    avg_imbalance_ratio: Ratio | None


class MarketLiquidity(Answer):
    avg_spread_bps: float | None
    total_liquidity: float = Field(description="Adds up base units of different assets.")


class TopPressure(Answer):
    """Up to five symbols each, the strongest first."""

    highest_buy_pressure: list[str]
    highest_sell_pressure: list[str]


class MarketSummary(Answer):
    """Over the symbols whose metrics are not stale; ``symbols_tracked`` counts those too."""

    timestamp: Instant
    symbols_tracked: int
    stale_symbols: int
    market_sentiment: MarketSentiment
    liquidity: MarketLiquidity
    top_pressure_symbols: TopPressure

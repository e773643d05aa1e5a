"""What an order book says of supply and demand, and how its pressure has moved. Pure; used by both sides of Redis.

Prices are in quote units, volumes in base units (COIN-M: contracts), over all levels that the book shows. The imbalance
lies between -1 (only asks) and 1 (only bids); it is not the quotient of the sides that ``orderbook_skew`` trades on.
"""

from collections.abc import Sequence
from math import fsum
from operator import itemgetter
from struct import Struct
from typing import Literal, NamedTuple

import msgspec

from strategy_core.market.book import Book
from strategy_core.market.messages import LAST_MILLISECOND, Level, Milliseconds

Mood = Literal["bullish", "neutral", "bearish"]
Timeframe = Literal["1m", "5m", "15m"]
TIMEFRAMES: dict[Timeframe, int] = {"1m": 60, "5m": 300, "15m": 900}
"""Their lengths in seconds of event time."""
BULLISH_ABOVE = 20.0
"""Percent of net pressure; bearish is below the same with a minus."""
POINTS_KEPT = max(TIMEFRAMES.values())
LEAST_POINTS = 10
"""Fewer points in a timeframe make no trend."""
RECENT_SHARE = 6
"""The trend is that of the last sixth of the timeframe: 10, 50 or 150 seconds."""
FULL_STRENGTH = 50.0
DISORDER_SECONDS = 60
"""Event time that falls back by more than this has restarted."""
STALE_SECONDS = 10.0
KEPT_SECONDS = 300.0
"""Metrics that were not renewed for this long expire."""

_quantity = itemgetter(1)
_RECORD = Struct("<qd")
RECORD_BYTES = _RECORD.size
"""A point in a history: event time in Unix milliseconds and the imbalance, a signed integer and a double."""


class Imbalance(msgspec.Struct, frozen=True):
    """``ratio`` is (bids - asks) / (bids + asks), 0 for a book without volume; ``percent`` the same in percent."""

    ratio: float
    percent: float
    bid_volume: float
    ask_volume: float


class Pressure(msgspec.Struct, frozen=True):
    """Each side's share of the volume in percent, and ``net_pressure``, the first less the second."""

    buy_pressure: float
    sell_pressure: float
    net_pressure: float
    interpretation: Mood


class Liquidity(msgspec.Struct, frozen=True):
    """The volume of all levels, and of the best 5 and 10 of each side."""

    total: float
    bid_depth_5: float
    ask_depth_5: float
    bid_depth_10: float
    ask_depth_10: float


class Spread(msgspec.Struct, frozen=True):
    """The top of the book; ``spread_bps`` in hundredths of a percent of the mid price."""

    best_bid: float
    best_ask: float
    spread_abs: float
    spread_bps: float
    mid_price: float


class Vwap(msgspec.Struct, frozen=True):
    """The mean price of each side, weighted by volume: null where the side shows none. ``spread`` is ask less bid."""

    bid: float | None
    ask: float | None
    spread: float | None


class Quality(msgspec.Struct, frozen=True):
    """How many levels the book shows."""

    bid_levels: int
    ask_levels: int
    total_levels: int


class StrongLevel(msgspec.Struct, frozen=True):
    """A price and what rests there."""

    price: float
    volume: float


class StrongestLevels(msgspec.Struct, frozen=True):
    """The level of each side with the greatest volume; of equal ones the best."""

    bid: StrongLevel
    ask: StrongLevel


class BookMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of one book, as they lie in Redis.

    ``time_ms`` is event time, ``published_ms`` the publishing host's clock. ``source`` is "live", "replay" or
    "simulated".
    """

    symbol: str
    time_ms: Milliseconds
    published_ms: Milliseconds
    source: str
    imbalance: Imbalance
    pressure: Pressure
    liquidity: Liquidity
    spread: Spread
    vwap: Vwap
    order_book_quality: Quality
    strongest_levels: StrongestLevels


class PressurePoint(NamedTuple):
    """The imbalance of the first book in a second of event time; ``net_pressure`` is that in percent."""

    time_ms: int
    imbalance: float

    @property
    def net_pressure(self) -> float:
        return self.imbalance * 100


class PressureSummary(msgspec.Struct, frozen=True):
    """Net pressure over a timeframe, each point counting alike.

    ``trend`` is the mood of the mean over the last sixth of the timeframe. ``trend_strength`` runs from 0 to 1: for a
    bullish or bearish trend it is 1 from a mean of 50 on, for a neutral one 1 at a mean of 0. With fewer than
    LEAST_POINTS points the trend is neutral, of strength 0.
    """

    avg_pressure: float
    max_pressure: float
    min_pressure: float
    trend: Mood
    trend_strength: float


def measure(symbol: str, book: Book, *, source: str, published_ms: int) -> BookMetrics:
    """All figures of a book."""
    bids, asks = book.bids, book.asks
    resting_bids, resting_asks = _quantities(bids), _quantities(asks)
    bid_volume, ask_volume = fsum(resting_bids), fsum(resting_asks)
    total = bid_volume + ask_volume
    ratio = imbalance_ratio(bid_volume, ask_volume)
    buy, sell = (bid_volume / total * 100, ask_volume / total * 100) if total else (0.0, 0.0)
    bid_vwap, ask_vwap = _vwap(bids, bid_volume), _vwap(asks, ask_volume)
    return BookMetrics(
        symbol=symbol,
        time_ms=book.time_ms,
        published_ms=published_ms,
        source=source,
        imbalance=Imbalance(ratio, ratio * 100, bid_volume, ask_volume),
        pressure=Pressure(buy, sell, buy - sell, mood(buy - sell)),
        liquidity=Liquidity(
            total, fsum(resting_bids[:5]), fsum(resting_asks[:5]), fsum(resting_bids[:10]), fsum(resting_asks[:10])
        ),
        spread=Spread(book.best_bid, book.best_ask, book.spread, book.spread / book.mid * 10_000, book.mid),
        vwap=Vwap(bid_vwap, ask_vwap, None if bid_vwap is None or ask_vwap is None else ask_vwap - bid_vwap),
        order_book_quality=Quality(len(bids), len(asks), len(bids) + len(asks)),
        strongest_levels=StrongestLevels(_strongest(bids, resting_bids), _strongest(asks, resting_asks)),
    )


def imbalance_ratio(bid_volume: float, ask_volume: float) -> float:
    """(bids - asks) / (bids + asks), 0 where there is neither."""
    total = bid_volume + ask_volume
    return (bid_volume - ask_volume) / total if total else 0.0


def mood(net_pressure: float) -> Mood:
    """Bullish above 20 percent, bearish below -20."""
    if net_pressure > BULLISH_ABOVE:
        return "bullish"
    return "bearish" if net_pressure < -BULLISH_ABOVE else "neutral"


def _quantities(levels: Sequence[Level]) -> list[float]:
    return list(map(_quantity, levels))


def _vwap(levels: Sequence[Level], volume: float) -> float | None:
    """Weights first: a price times a quantity can be beyond all numbers."""
    return fsum([price * (quantity / volume) for price, quantity in levels]) if volume else None


def _strongest(levels: Sequence[Level], quantities: list[float]) -> StrongLevel:
    price, quantity = levels[quantities.index(max(quantities))]
    return StrongLevel(price, quantity)


class PressureHistory:
    """The latest POINTS_KEPT points, as the bytes that go to Redis; ``added`` counts all since the beginning."""

    __slots__ = ("_records", "added")

    def __init__(self) -> None:
        self._records = bytearray()
        self.added = 0

    def add(self, time_ms: int, imbalance: float) -> None:
        """Append a point, which must be of a later second than the last one."""
        self._records += _RECORD.pack(time_ms, imbalance)
        if len(self._records) > POINTS_KEPT * RECORD_BYTES:
            del self._records[:RECORD_BYTES]
        self.added += 1

    def tail(self, points: int) -> bytes:
        """The last ``points`` points, or as many as there are."""
        return bytes(self._records[-points * RECORD_BYTES :]) if points else b""


class SymbolAnalytics:
    """What is kept of a symbol's books: the last one, and a point of pressure for each second of event time.

    ``book`` is set for every book. Where its second is not ``second``, ``sample`` has to follow.
    """

    __slots__ = ("book", "history", "second")

    def __init__(self) -> None:
        self.book: Book | None = None
        self.history = PressureHistory()
        self.second = 0

    def sample(self, book: Book) -> None:
        """Take the book's pressure where its second is a later one; begin a new history where time has turned back."""
        second = book.time_ms // 1000
        if second <= self.second:
            if self.second - second <= DISORDER_SECONDS:
                return
            self.history = PressureHistory()
        self.second = second
        self.history.add(
            book.time_ms, imbalance_ratio(fsum(map(_quantity, book.bids)), fsum(map(_quantity, book.asks)))
        )


def read_points(records: bytes, timeframe: Timeframe) -> list[PressurePoint]:
    """The points of the timeframe that ends with the newest one, oldest first; raises ValueError for other bytes."""
    if len(records) % RECORD_BYTES:
        raise ValueError("not a whole number of points")
    points = [PressurePoint(*record) for record in _RECORD.iter_unpack(records)]
    if not all(0 <= point.time_ms <= LAST_MILLISECOND and -1.0 <= point.imbalance <= 1.0 for point in points):
        raise ValueError("an invalid point")
    return _last_seconds(points, TIMEFRAMES[timeframe])


def summarise(points: Sequence[PressurePoint], timeframe: Timeframe) -> PressureSummary:
    """The points of a timeframe in figures; there must be one."""
    pressures = [point.net_pressure for point in points]
    trend: Mood = "neutral"
    strength = 0.0
    if len(points) >= LEAST_POINTS:
        recent = _mean([each.net_pressure for each in _last_seconds(points, TIMEFRAMES[timeframe] // RECENT_SHARE)])
        trend = mood(recent)
        strength = 1.0 - abs(recent) / BULLISH_ABOVE if trend == "neutral" else min(1.0, abs(recent) / FULL_STRENGTH)
    return PressureSummary(_mean(pressures), max(pressures), min(pressures), trend, strength)


def _last_seconds(points: Sequence[PressurePoint], seconds: int) -> list[PressurePoint]:
    first = points[-1].time_ms // 1000 - seconds + 1 if points else 0
    return [point for point in points if point.time_ms // 1000 >= first]


def _mean(numbers: Sequence[float]) -> float:
    return fsum(numbers) / len(numbers)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(BookMetrics)


def encode(metrics: BookMetrics) -> bytes:
    """The metrics as JSON."""
    return _encoder.encode(metrics)


def decode(raw: bytes) -> BookMetrics:
    """Raises one of `decoding.UNREADABLE` where ``raw`` is none."""
    return _decoder.decode(raw)

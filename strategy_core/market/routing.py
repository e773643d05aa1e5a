"""From a stream's name to what to do with its messages, before any of them is decoded. Pure.

Names are Binance's: ``<symbol>@<type>[@<speed>]``, or ``!<type>@arr`` for a whole market.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgspec

from strategy_core.market.contracts import converts
from strategy_core.market.messages import DepthMessage, Envelope, StreamName, Ticker, Trade
from strategy_core.market.symbols import is_symbol

MAX_ROUTES = 20_000
MAX_STREAM_NAME = 128

UNUSED_TYPES = frozenset(
    {
        "assetIndex",
        "avgPrice",
        "bookTicker",
        "compositeIndex",
        "continuousKline",
        "contractInfo",
        "depth",
        "depthSnapshot",
        "forceOrder",
        "indexPrice",
        "indexPriceKline",
        "kline",
        "markPrice",
        "markPriceKline",
        "miniTicker",
        "rollingTicker",
        "rpiDepth",
    }
)
"""Types that exist and that no strategy uses. ``depth`` are the diffs, ``rollingTicker`` the windowed tickers."""


class Kind(IntEnum):
    """What a stream carries for us. The first three are decoded, the others only counted."""

    DEPTH = 0
    TRADE = 1
    TICKER = 2
    UNUSED = 3
    UNKNOWN = 4
    FOREIGN = 5
    INVALID = 6


Decode = Callable[[bytes], Envelope[Any]]
_DECODE: dict[Kind, Decode] = {
    Kind.DEPTH: msgspec.json.Decoder(Envelope[DepthMessage], strict=False).decode,
    Kind.TRADE: msgspec.json.Decoder(Envelope[Trade], strict=False).decode,
    Kind.TICKER: msgspec.json.Decoder(Envelope[Ticker], strict=False).decode,
}
_USED_TYPES = {
    "aggTrade": Kind.TRADE,
    "ticker": Kind.TICKER,
    "trade": Kind.TRADE,
}
# The exchange sends 5, 10 or 20 levels; the live feed builds deeper books.
_PARTIAL_DEPTH = re.compile(r"depth[1-9]\d{0,3}", re.ASCII)
_decode_stream_name = msgspec.json.Decoder(StreamName).decode


@dataclass(frozen=True, slots=True)
class Route:
    """Where the messages of one stream go. ``decode`` is None for the kinds that are only counted.

    ``levels``: so many a side has a book of the stream. ``reference`` decodes prices of a symbol that another runtime
    trades, where they say what a quote is worth in dollars.
    """

    symbol: str
    kind: Kind
    stream_type: str
    decode: Decode | None
    levels: int = 0
    reference: Decode | None = None


def route_stream(stream: str) -> Route:
    """The route of a stream by its name alone. Never raises: what makes no sense is UNKNOWN or INVALID."""
    head, separator, rest = stream.partition("@")
    if head.startswith("!"):
        stream_type = _type_without_variant(head[1:])
        kind = Kind.UNUSED if stream_type in UNUSED_TYPES or stream_type in _USED_TYPES else Kind.UNKNOWN
        return Route("", kind, stream_type, None)
    if not separator or not rest:
        return Route("", Kind.INVALID, "", None)
    stream_type = _type_without_variant(rest.partition("@")[0])
    symbol = head.upper()
    if stream_type in {"continuousKline", "contractInfo"}:
        return Route(symbol, Kind.UNUSED, stream_type, None)
    if not (head.isascii() and is_symbol(symbol)):
        return Route("", Kind.INVALID, "", None)
    if _PARTIAL_DEPTH.fullmatch(stream_type):
        levels = int(stream_type.removeprefix("depth"))
        return Route(symbol, Kind.DEPTH, stream_type, _DECODE[Kind.DEPTH], levels)
    used = _USED_TYPES.get(stream_type)
    if used is not None:
        return Route(symbol, used, stream_type, _DECODE[used])
    return Route(symbol, Kind.UNUSED if stream_type in UNUSED_TYPES else Kind.UNKNOWN, stream_type, None)


def _type_without_variant(name: str) -> str:
    """``kline_1m`` -> ``kline``; ``ticker_4h`` is no 24-hour ticker."""
    base, separator, _ = name.partition("_")
    return "rollingTicker" if base == "ticker" and separator else base


class Router:
    """Finds the route of a message, remembered by the raw start of the payload; at most ``MAX_ROUTES`` of them.

    The usual spelling of an envelope starts with its stream's name, so that the bytes up to the name's
    closing quote identify the route, and a known stream costs one dictionary lookup.
    """

    __slots__ = ("_owns_symbol", "known")

    def __init__(self, owns_symbol: Callable[[str], bool]) -> None:
        self._owns_symbol = owns_symbol
        self.known: dict[bytes, Route] = {}

    @staticmethod
    def prefix(payload: bytes) -> bytes:
        """The key of ``known``. 12 lies inside the name where it starts after ``{"stream":"`` or ``{"stream": "``."""
        return payload[: payload.find(b'"', 12)]

    def find(self, payload: bytes) -> Route:
        """The route of a message whose prefix is not known; raises DecodeError or others where it names no stream."""
        stream = _decode_stream_name(payload).stream
        if len(stream) > MAX_STREAM_NAME:
            return Route("", Kind.INVALID, "", None)
        route = route_stream(stream)
        if route.symbol and not self._owns_symbol(route.symbol):
            is_price = route.kind in (Kind.TRADE, Kind.TICKER) and converts(route.symbol)
            reference = route.decode if is_price else None
            route = Route(route.symbol, Kind.FOREIGN, route.stream_type, None, reference=reference)
        name, prefix = stream.encode("utf-8", "surrogatepass"), self.prefix(payload)
        if prefix in {b'{"stream":"' + name, b'{"stream": "' + name}:
            if len(self.known) >= MAX_ROUTES:
                self.known.clear()
            self.known[prefix] = route
        return route

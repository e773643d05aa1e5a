"""From a stream's name to what to do with its messages, before any of them is decoded. Pure.

Names are Binance's: ``<symbol>@<type>[@<speed>]``, or ``!<type>@arr`` for a whole market.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from strategy_core.market.contracts import converts
from strategy_core.market.event_kinds import DEPTH, EVENT_KINDS, StreamKind
from strategy_core.market.messages import Envelope, StreamName
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


class StreamUse(Enum):
    """What becomes of a stream's messages: they are used, or only counted under this name."""

    USED = "used"
    UNUSED = "unused"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"
    INVALID = "invalid"


Decode = Callable[[bytes], Envelope[Any]]
# The exchange sends 5, 10 or 20 levels; the live feed builds deeper books.
_LEVELS = re.compile(r"[1-9]\d{0,3}", re.ASCII)
_decode_stream_name = msgspec.json.Decoder(StreamName).decode


@dataclass(frozen=True, slots=True)
class Route:
    """Where the messages of one stream go. ``kind``, its ``name`` and ``decode`` are there where they are used.

    ``levels``: so many a side has a book of the stream. ``reference`` decodes prices of a symbol that another runtime
    trades, where they say what a quote is worth in dollars.
    """

    symbol: str
    use: StreamUse
    stream_type: str
    kind: StreamKind | None = None
    name: str = ""
    decode: Decode | None = None
    levels: int = 0
    reference: Decode | None = None


def route_stream(stream: str, kinds: Sequence[StreamKind] = EVENT_KINDS.streams) -> Route:
    """The route of a stream by its name alone. Never raises: what makes no sense is UNKNOWN or INVALID."""
    head, separator, rest = stream.partition("@")
    if head.startswith("!"):
        stream_type = _type_without_variant(head[1:])
        is_known = stream_type in UNUSED_TYPES or any(stream_type in kind.stream_types for kind in kinds)
        return Route("", StreamUse.UNUSED if is_known else StreamUse.UNKNOWN, stream_type)
    if not separator or not rest:
        return Route("", StreamUse.INVALID, "")
    stream_type = _type_without_variant(rest.partition("@")[0])
    symbol = head.upper()
    if stream_type in {"continuousKline", "contractInfo"}:
        return Route(symbol, StreamUse.UNUSED, stream_type)
    if not (head.isascii() and is_symbol(symbol)):
        return Route("", StreamUse.INVALID, "")
    for kind in kinds:
        levels = _levels_in(stream_type, kind)
        if levels or stream_type in kind.stream_types:
            return Route(symbol, StreamUse.USED, stream_type, kind, kind.name, kind.decode, levels)
    return Route(symbol, StreamUse.UNUSED if stream_type in UNUSED_TYPES else StreamUse.UNKNOWN, stream_type)


def _levels_in(stream_type: str, kind: StreamKind) -> int:
    """``depth20`` has 20 where the kind has numbered types of that name; 0 where it has not."""
    if not kind.numbered_type or not stream_type.startswith(kind.numbered_type):
        return 0
    number = stream_type.removeprefix(kind.numbered_type)
    return int(number) if _LEVELS.fullmatch(number) else 0


def _type_without_variant(name: str) -> str:
    """``kline_1m`` -> ``kline``; ``ticker_4h`` is no 24-hour ticker."""
    base, separator, _ = name.partition("_")
    return "rollingTicker" if base == "ticker" and separator else base


class Router:
    """Finds the route of a message, remembered by the raw start of the payload; at most ``MAX_ROUTES`` of them.

    The usual spelling of an envelope starts with its stream's name, so that the bytes up to the name's
    closing quote identify the route, and a known stream costs one dictionary lookup.
    """

    __slots__ = ("_kinds", "_owns_symbol", "known")

    def __init__(self, owns_symbol: Callable[[str], bool], kinds: Sequence[StreamKind] = EVENT_KINDS.streams) -> None:
        self._owns_symbol = owns_symbol
        self._kinds = kinds
        self.known: dict[bytes, Route] = {}

    @staticmethod
    def prefix(payload: bytes) -> bytes:
        """The key of ``known``. 12 lies inside the name where it starts after ``{"stream":"`` or ``{"stream": "``."""
        return payload[: payload.find(b'"', 12)]

    def find(self, payload: bytes) -> Route:
        """The route of a message whose prefix is not known; raises DecodeError or others where it names no stream."""
        stream = _decode_stream_name(payload).stream
        if len(stream) > MAX_STREAM_NAME:
            return Route("", StreamUse.INVALID, "")
        route = route_stream(stream, self._kinds)
        if route.symbol and not self._owns_symbol(route.symbol):
            is_price = route.kind not in (None, DEPTH) and converts(route.symbol)
            reference = route.decode if is_price else None
            route = Route(route.symbol, StreamUse.FOREIGN, route.stream_type, reference=reference)
        name, prefix = stream.encode("utf-8", "surrogatepass"), self.prefix(payload)
        if prefix in {b'{"stream":"' + name, b'{"stream": "' + name}:
            if len(self.known) >= MAX_ROUTES:
                self.known.clear()
            self.known[prefix] = route
        return route

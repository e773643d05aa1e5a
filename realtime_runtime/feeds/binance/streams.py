"""Binance's market streams by name: which exist, where each is served, and what its numbering says. Pure.

The names and limits are those of https://developers.binance.com: spot "WebSocket Streams", USD-M "Websocket Market
Streams" with its routed endpoints ``/public`` and ``/market``.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from strategy_core.market.decoding import UNREADABLE
from strategy_core.market.messages import StreamName
from strategy_core.market.routing import Router

MarketName = Literal["spot", "usdm"]
Endpoint = Literal["public", "market"]
T = TypeVar("T")
Method = Literal["SUBSCRIBE", "UNSUBSCRIBE"]
NAMES_PER_REQUEST = 100
SHUTDOWN_EVENT = "serverShutdown"
# Streams that come again within seconds on any listed symbol; trades may rest for an hour.
STEADY_TYPES = frozenset({"depth5", "depth10", "depth20", "ticker", "markPrice"})
# USD-M serves books apart from all else; a connection to the other place stays silent.
_BOOK_TYPES = ("depth", "bookTicker")
MARKET_EXECUTION = "MARKET"
"""``X`` of a trade on USD-M; others are prints of the insurance fund, of deleveraging and the like."""
_decode_name = msgspec.json.Decoder(StreamName).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One of Binance's markets. ``symbols_path`` and the weight are those of its REST depth snapshot."""

    name: MarketName
    stream_types: tuple[str, ...]
    streams_per_connection: int
    snapshot_path: str
    is_futures: bool

    def endpoint(self, stream_type: str) -> Endpoint:
        """Which of the market's websocket addresses serves the stream. Spot has only one, called public here."""
        return "market" if self.is_futures and not stream_type.startswith(_BOOK_TYPES) else "public"


SPOT = Market(
    name="spot",
    stream_types=("depth20@100ms", "trade", "ticker"),
    streams_per_connection=1024,
    snapshot_path="/api/v3/depth",
    is_futures=False,
)
# aggTrade, because the documentation of USD-M knows no single trades.
USDM = Market(
    name="usdm",
    stream_types=("depth20@100ms", "aggTrade", "ticker", "markPrice@1s"),
    streams_per_connection=200,
    snapshot_path="/fapi/v1/depth",
    is_futures=True,
)
MARKETS: dict[str, Market] = {market.name: market for market in (SPOT, USDM)}


def stream_name(symbol: str, stream_type: str) -> str:
    """``BTCUSDT``, ``depth20@100ms`` -> ``btcusdt@depth20@100ms``."""
    return f"{symbol.lower()}@{stream_type}"


def in_lots(names: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in lots of at most ``size``, in their order."""
    return (names[start : start + size] for start in range(0, len(names), size))


def request(method: Method, names: Sequence[str], number: int) -> str:
    """A control message; the exchange answers it under the same number."""
    return msgspec.json.encode({"method": method, "params": list(names), "id": number}).decode()


class _Notice(msgspec.Struct):
    """An event of the connection's own, bare or in an envelope of its own stream."""

    event: str = msgspec.field(name="e", default="")
    data: "_Notice | None" = None


_decode_notice = msgspec.json.Decoder(_Notice).decode


def is_shutdown_notice(payload: bytes) -> bool:
    """Whether the exchange says that it will end this connection before its time."""
    if SHUTDOWN_EVENT.encode() not in payload:
        return False
    try:
        notice = _decode_notice(payload)
    except UNREADABLE:
        return False
    return SHUTDOWN_EVENT in (notice.event, "" if notice.data is None else notice.data.event)


class ControlAnswer(msgspec.Struct):
    """The answer to a control message: ``{"result": null, "id": 1}``, or an error in one of two shapes."""

    number: int | None = msgspec.field(name="id")
    error: Any = None
    code: int | None = None
    message: str = msgspec.field(name="msg", default="")

    @property
    def problem(self) -> str:
        """What was refused and why; empty where nothing was."""
        if self.error is not None:
            return msgspec.json.encode(self.error).decode()
        return "" if self.code is None else f"{self.code} {self.message}"


decode_answer = msgspec.json.Decoder(ControlAnswer).decode


class _Book(msgspec.Struct, gc=False):
    """A futures book; ``previous`` is the ``last`` before it."""

    last: int = msgspec.field(name="u")
    previous: int = msgspec.field(name="pu", default=-1)
    time_ms: int = msgspec.field(name="E", default=0)


class _Difference(msgspec.Struct, gc=False):
    """A difference of a book. Whether it follows on the one before is told by the book that is built from it."""

    last: int = msgspec.field(name="u")
    previous: int = -1
    time_ms: int = msgspec.field(name="E", default=0)


class _PartialBook(msgspec.Struct, gc=False):
    last: int = msgspec.field(name="lastUpdateId")
    previous: int = -1
    time_ms: int = msgspec.field(name="E", default=0)


class _Trade(msgspec.Struct, gc=False):
    last: int = msgspec.field(name="t")
    previous: int = -1
    time_ms: int = msgspec.field(name="E", default=0)
    execution: str = msgspec.field(name="X", default=MARKET_EXECUTION)


class _AggregatedTrade(msgspec.Struct, gc=False):
    last: int = msgspec.field(name="a")
    previous: int = -1
    time_ms: int = msgspec.field(name="E", default=0)


class _Timed(msgspec.Struct, gc=False):
    """A stream without numbers of its own: its event time orders it."""

    last: int = msgspec.field(name="E")
    previous: int = -1

    @property
    def time_ms(self) -> int:
        return self.last


_Numbered = _Book | _Difference | _PartialBook | _Trade | _AggregatedTrade | _Timed


class _Envelope(msgspec.Struct, gc=False):
    data: msgspec.Raw


def _numbering(stream_type: str, market: Market) -> type[_Numbered]:
    base = stream_type.partition("@")[0]
    if base == "trade":
        return _Trade
    if base == "aggTrade":
        return _AggregatedTrade
    if base == "depth":
        return _Difference
    if base.startswith("depth"):
        return _Book if market.is_futures else _PartialBook
    return _Timed


class MessageVerdict(enum.Enum):
    """What the numbering says of a message, and of a trade whether it is one of the market."""

    NEW = enum.auto()
    REPEATED = enum.auto()
    NO_MARKET_TRADE = enum.auto()


class Stream:
    """One subscribed stream, and the number of the last message that was taken from it.

    ``missed`` is how many messages the numbering showed to be missing before the last one: trades are counted, of
    books it is only known that there was a gap (1). Spot's partial books and tickers carry no such numbering.
    """

    __slots__ = (
        "_decode",
        "_has_new_connection",
        "_is_counted",
        "heard_at",
        "is_steady",
        "last",
        "missed",
        "name",
        "symbol",
        "time_ms",
    )

    def __init__(self, symbol: str, stream_type: str, market: Market) -> None:
        self.name = stream_name(symbol, stream_type)
        self.symbol = symbol
        self.is_steady = stream_type.partition("@")[0] in STEADY_TYPES
        self.last = -1
        self.missed = 0
        self.time_ms = 0
        self.heard_at = 0.0
        numbering = _numbering(stream_type, market)
        self._is_counted = numbering in (_Trade, _AggregatedTrade)
        self._decode = msgspec.json.Decoder(numbering).decode
        self._has_new_connection = True

    def begin(self) -> None:
        """A connection was lost and made anew: numbers that went back are then no repetition."""
        self._has_new_connection = True

    def take(self, payload: bytes) -> MessageVerdict:
        """Judge a message by its number. Raises DecodeError where it is not what the stream carries."""
        numbered = self._decode(_decode_envelope(payload).data)
        last, before = numbered.last, self.last
        self.time_ms = numbered.time_ms
        self.missed = 0
        if last == before or (last < before and not self._has_new_connection):
            return MessageVerdict.REPEATED
        self._has_new_connection = False
        if 0 <= before < last:
            if self._is_counted:
                self.missed = last - before - 1
            elif numbered.previous not in (-1, before):
                self.missed = 1
        self.last = last
        if type(numbered) is _Trade and numbered.execution != MARKET_EXECUTION:
            return MessageVerdict.NO_MARKET_TRADE
        return MessageVerdict.NEW


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


class StreamTable:
    """The streams of one connection, found by the raw start of a payload."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self.by_name = {stream.name: stream for stream in streams}
        self._by_prefix = {f'{{"stream":"{name}'.encode(): stream for name, stream in self.by_name.items()}

    def find(self, payload: bytes) -> Stream | None:
        """The stream of a message; None where it is of none of ours. Raises DecodeError where it names no stream."""
        stream = self._by_prefix.get(Router.prefix(payload))
        if stream is not None:
            return stream
        return self.by_name.get(_decode_name(payload).stream)

    def begin(self) -> None:
        """All streams come over a new connection."""
        for stream in self.by_name.values():
            stream.begin()

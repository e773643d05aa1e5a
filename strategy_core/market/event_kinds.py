"""The kinds of market event; routes, subscriptions, plans, counters and the help page derive from them. Pure.

A new kind is a struct in `messages`, which decodes it, and one declaration here. A strategy reads it by a method of its
name: ``on_<name>(event, parameters)``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from strategy_core.market.messages import (
    DepthMessage,
    Dominance,
    Envelope,
    ExchangePrice,
    OnchainObservation,
    Ticker,
    Trade,
)
from strategy_core.market.observed import ObservedRecord, is_exchange_price


@dataclass(frozen=True, eq=False, kw_only=True)
class EventKind:
    """``name`` is that of counters and metrics, ``message`` the struct of a payload, ``words`` are what people read."""

    name: str
    message: type[msgspec.Struct]
    words: str

    @property
    def method(self) -> str:
        """The method by which a strategy reacts to it."""
        return f"on_{self.name}"

    def is_read_by(self, strategy: type) -> bool:
        """Whether the strategy reacts to it."""
        return hasattr(strategy, self.method)


@dataclass(frozen=True, eq=False, kw_only=True)
class StreamKind(EventKind):
    """Events of market streams, in an envelope; each has a price, or is a book.

    ``stream_types`` carry it, and ``numbered_type`` with a number of levels after it (``depth20``).
    """

    stream_types: frozenset[str] = frozenset()
    numbered_type: str = ""

    @cached_property
    def decode(self) -> Callable[[bytes], Envelope[Any]]:
        """The envelope with the event in it; raises `decoding.UNREADABLE`."""
        return msgspec.json.Decoder(Envelope[self.message], strict=False).decode  # type: ignore[name-defined]  # a value


def _is_always_plausible(record: ObservedRecord, observation: Any, own_price: float) -> bool:
    return True


@dataclass(frozen=True, eq=False, kw_only=True)
class ObservationKind(EventKind):
    """Events that come beside the market streams, on subjects of their own, each with ``time_ms`` and ``source``.

    ``topic`` is the NATS subject, with ``has_parts`` its beginning. ``symbol_of`` names the symbol whose strategies see
    the event. ``is_plausible`` may take the event into the symbol's record; it gets the symbol's own recent price, 0
    where there is none. With ``is_perishable`` one that is older than the time to live of messages is refused.
    """

    topic: str
    symbol_of: Callable[[Any], str]
    has_parts: bool = False
    is_plausible: Callable[[ObservedRecord, Any, float], bool] = _is_always_plausible
    is_perishable: bool = False

    @property
    def subscription(self) -> str:
        """The NATS subject that brings all of it."""
        return f"{self.topic}.>" if self.has_parts else self.topic

    def subject(self, *parts: str) -> str:
        """The NATS subject on which to publish one."""
        return ".".join((self.topic, *parts))

    @cached_property
    def decode(self) -> Callable[[bytes], Any]:
        """The event; raises `decoding.UNREADABLE`."""
        return msgspec.json.Decoder(self.message, strict=False).decode


DEPTH = StreamKind(name="depth", message=DepthMessage, words="order-book snapshots", numbered_type="depth")
TRADE = StreamKind(name="trade", message=Trade, words="trades", stream_types=frozenset({"aggTrade", "trade"}))
TICKER = StreamKind(name="ticker", message=Ticker, words="24-hour tickers", stream_types=frozenset({"ticker"}))
EXCHANGE_PRICE = ObservationKind(
    name="exchange_price",
    message=ExchangePrice,
    words="prices on other exchanges",
    topic="market.price",
    has_parts=True,
    symbol_of=lambda price: str(price.symbol),
    is_plausible=lambda record, price, own_price: is_exchange_price(price, own_price),
    is_perishable=True,
)
DOMINANCE = ObservationKind(
    name="dominance",
    message=Dominance,
    words="market dominance",
    topic="market.dominance",
    symbol_of=lambda observation: "BTCUSDT",
    is_plausible=lambda record, observation, own_price: record.takes_dominance(observation),
)
ONCHAIN = ObservationKind(
    name="onchain",
    message=OnchainObservation,
    words="on-chain observations",
    topic="market.onchain",
    has_parts=True,
    symbol_of=lambda observation: f"{observation.asset}USDT",
    is_plausible=lambda record, observation, own_price: record.takes_chain(observation),
)


class EventKinds(NamedTuple):
    """All kinds that a process knows."""

    streams: tuple[StreamKind, ...]
    observations: tuple[ObservationKind, ...]

    @property
    def every(self) -> tuple[EventKind, ...]:
        """Those of streams, then the observations."""
        return (*self.streams, *self.observations)


EVENT_KINDS = EventKinds((DEPTH, TRADE, TICKER), (EXCHANGE_PRICE, DOMINANCE, ONCHAIN))

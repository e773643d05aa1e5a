"""Market messages as they are on the wire, decoded into typed structs by msgspec.

Sources: Binance spot and USD-M/COIN-M web socket streams (prices and quantities are strings there),
and this product's own observation subjects. A number that is NaN, infinite or negative, a price of
zero, a level without a quantity and a trade that is not the market's are refused by the decoder itself,
so that no strategy ever sees one; `rereading` says what becomes of the last two.
"""

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999: no later event time can be written as a date."""

Price = Annotated[float, msgspec.Meta(gt=0, le=1e300)]
Quantity = Annotated[float, msgspec.Meta(ge=0, le=1e300)]
Amount = Annotated[float, msgspec.Meta(gt=0, le=1e300)]
Signed = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=LAST_MILLISECOND)]
Level = tuple[Price, Amount]
"""One side's level of an order book: (price, quantity)."""


class StreamName(msgspec.Struct, gc=False):
    """Of a combined-stream message, the name alone: it decides how the message is decoded."""

    stream: str


M = TypeVar("M")


class Envelope(msgspec.Struct, Generic[M], gc=False):
    """A combined-stream message of a known stream: ``{"stream": "btcusdt@trade", "data": {...}}``.

    ``source`` is empty on live data; the simulated feed sets it to ``simulated``. ``ts`` is there in
    replays only: the recorded event time, for streams that carry none of their own.
    """

    data: M
    source: str = ""
    ts: Milliseconds = 0


class DepthMessage(msgspec.Struct, gc=False):
    """Partial book depth. Spot streams say ``bids``/``asks`` and carry no time, futures say ``b``/``a``.

    ``first`` and ``previous`` are the update ids ``U`` and ``pu``, -1 where there are none: futures books have both,
    the differences of spot books have ``U`` alone.
    """

    bids: list[Level] | None = None
    asks: list[Level] | None = None
    futures_bids: list[Level] | None = msgspec.field(name="b", default=None)
    futures_asks: list[Level] | None = msgspec.field(name="a", default=None)
    symbol: str = msgspec.field(name="s", default="")
    time_ms: Milliseconds = msgspec.field(name="E", default=0)
    first: int = msgspec.field(name="U", default=-1)
    previous: int = msgspec.field(name="pu", default=-1)


class Trade(msgspec.Struct, gc=False):
    """A trade or aggregated trade. ``is_buyer_maker`` true: the taker sold into a resting bid.

    ``execution`` is ``X`` of USD-M: others are prints of the insurance fund, of deleveraging and the like.
    """

    price: Price = msgspec.field(name="p")
    quantity: Amount = msgspec.field(name="q")
    is_buyer_maker: bool = msgspec.field(name="m")
    symbol: str = msgspec.field(name="s", default="")
    time_ms: Milliseconds = msgspec.field(name="E", default=0)
    trade_time_ms: Milliseconds = msgspec.field(name="T", default=0)
    execution: Literal["MARKET"] = msgspec.field(name="X", default="MARKET")


class Ticker(msgspec.Struct, gc=False):
    """A rolling 24-hour ticker. ``volume`` is in base units over the last 24 hours."""

    price: Price = msgspec.field(name="c")
    volume: Quantity = msgspec.field(name="v")
    symbol: str = msgspec.field(name="s", default="")
    time_ms: Milliseconds = msgspec.field(name="E", default=0)


class ExchangePrice(msgspec.Struct, gc=False):
    """The last price of a symbol on one exchange; ``time_ms`` is ``ts`` on the wire."""

    exchange: str
    symbol: str
    price: Price
    time_ms: Milliseconds = msgspec.field(name="ts")
    source: str = ""


class Dominance(msgspec.Struct, gc=False):
    """Share of bitcoin in the total market capitalisation, in percent."""

    btc: Annotated[float, msgspec.Meta(gt=0, lt=100)]
    time_ms: Milliseconds = msgspec.field(name="ts")
    source: str = ""


class OnchainObservation(msgspec.Struct, gc=False):
    """Chain activity of one asset over one period. Amounts in coins; what is not known is absent.

    ``is_history``: sent only to fill the windows of strategies; nothing is traded on it.
    """

    asset: Annotated[str, msgspec.Meta(min_length=1)]
    time_ms: Milliseconds = msgspec.field(name="ts")
    exchange_inflow: Quantity | None = None
    exchange_outflow: Quantity | None = None
    active_addresses: Quantity | None = None
    transaction_volume: Quantity | None = None
    largest_transfer_to_exchange: Quantity | None = None
    largest_transfer_from_exchange: Quantity | None = None
    source: str = ""
    is_history: bool = msgspec.field(name="history", default=False)

"""Input that the decoder refuses without an error: levels of no quantity, and trades that are not the market's. Pure.

The decoder is strict so that the usual message costs nothing more; what it refuses is read again here, leniently.
"""

from collections.abc import Sequence

import msgspec

from strategy_core.market.event_kinds import DEPTH, TRADE
from strategy_core.market.messages import DepthMessage, Envelope, Level, Price, Quantity
from strategy_core.market.routing import Route

LooseLevel = tuple[Price, Quantity]


class NotMarketTradeError(ValueError):
    """A print that is not a market trade: of the insurance fund, of deleveraging."""


class _LooseDepth(DepthMessage, gc=False):
    bids: list[LooseLevel] | None = None
    asks: list[LooseLevel] | None = None
    futures_bids: list[LooseLevel] | None = msgspec.field(name="b", default=None)
    futures_asks: list[LooseLevel] | None = msgspec.field(name="a", default=None)


class _Execution(msgspec.Struct):
    execution: str = msgspec.field(name="X")


_decode_depth = msgspec.json.Decoder(Envelope[_LooseDepth], strict=False).decode
_decode_execution = msgspec.json.Decoder(Envelope[_Execution], strict=False).decode


def reread(route: Route, payload: bytes, refusal: msgspec.ValidationError) -> Envelope[DepthMessage]:
    """A book without its levels of no quantity. Raises NotMarketTradeError; ``refusal`` where it was right."""
    if route.kind is DEPTH:
        try:
            envelope = _decode_depth(payload)
        except msgspec.ValidationError:
            raise refusal from None
        book = envelope.data
        book.bids, book.asks = _filled(book.bids), _filled(book.asks)
        book.futures_bids, book.futures_asks = _filled(book.futures_bids), _filled(book.futures_asks)
        return Envelope(book, envelope.source, envelope.ts)
    if route.kind is TRADE:
        try:
            execution = _decode_execution(payload).data.execution
        except msgspec.ValidationError:
            raise refusal from None
        if execution != "MARKET":
            raise NotMarketTradeError(execution)
    raise refusal


def is_difference(message: DepthMessage, levels: int) -> bool:
    """Whether what is labelled as a book of ``levels`` is a difference of one, in the shape of futures.

    By its ids (spot), by more levels than a book has, or by bids that begin with the lowest price (futures).
    """
    if message.first >= 0 > message.previous:
        return True
    bids, asks = message.futures_bids or (), message.futures_asks or ()
    return max(len(bids), len(asks)) > levels or _is_reversed(bids, -1) or _is_reversed(asks, 1)


def _is_reversed(side: Sequence[Level], sign: int) -> bool:
    return len(side) > 1 and (side[-1][0] - side[0][0]) * sign < 0


def _filled(levels: list[Level] | None) -> list[Level] | None:
    return None if levels is None else [level for level in levels if level[1] > 0.0]

"""A price of a chart, as Redis stores it. Pure."""

from struct import Struct
from struct import error as StructError  # noqa: N812  (it is a class)
from typing import NamedTuple

from strategy_core.configuration.wire_json import WireError


class PricePoint(NamedTuple):
    """A symbol's last price at an event time in Unix milliseconds."""

    time_ms: int
    price: float


_PRICE = Struct("<qd")


def encode_price(point: PricePoint) -> bytes:
    """Sixteen bytes: a signed integer and a double."""
    return _PRICE.pack(*point)


def decode_price(raw: bytes) -> PricePoint:
    """Raises WireError where ``raw`` is no price."""
    try:
        return PricePoint(*_PRICE.unpack(raw))
    except StructError:
        raise WireError("not a price") from None

"""Payloads of Redis and NATS as JSON. Pure."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from strategy_core.market.decoding import UNREADABLE

S = TypeVar("S", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()


class WireError(ValueError):
    """A payload that is not what it must be."""


def encode(payload: msgspec.Struct) -> bytes:
    """The payload as JSON."""
    return _encoder.encode(payload)


def decoder(kind: type[S], name: str = "") -> Callable[[bytes], S]:
    """A function that decodes payloads of one kind; it raises WireError for all else."""
    decode = msgspec.json.Decoder(kind).decode
    name = name or kind.__name__

    def decode_payload(raw: bytes) -> S:
        try:
            return decode(raw)
        except UNREADABLE as exception:
            raise WireError(f"not a {name}: {exception}") from None

    return decode_payload

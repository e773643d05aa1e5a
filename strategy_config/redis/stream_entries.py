"""What lies in Redis' streams, read entry by entry."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import structlog

from strategy_core.configuration import redis_keys, wire_json

T = TypeVar("T")
_FIELD = redis_keys.STREAM_FIELD.encode()
log = structlog.get_logger(__name__)


def readable(entries: Iterable[Mapping[bytes, bytes]], decode: Callable[[bytes], T], *, event: str) -> Iterator[T]:
    """What the entries hold, in their order. One that raises WireError is logged as ``event`` and left out."""
    for fields in entries:
        try:
            found = decode(fields.get(_FIELD, b""))
        except wire_json.WireError as exception:
            log.warning(event, error=str(exception))
            continue
        yield found

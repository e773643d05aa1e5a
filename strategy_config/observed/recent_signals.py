"""The latest signals of the runtimes, as the capped stream in Redis has them.

Each process keeps a copy of the stream and asks Redis only for what is new: a look at all of a full stream
(10,000 signals, 10 MB) costs one round trip.
"""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any, Literal

import msgspec
import redis
import structlog
from django.conf import settings

from strategy_config.redis import redis_client
from strategy_core.configuration import redis_keys
from strategy_core.market.decoding import UNREADABLE

PAGE = 1_000
_FIELD = redis_keys.STREAM_FIELD.encode()
log = structlog.get_logger(__name__)
EntryId = tuple[int, int]


class ConfigOfSignal(msgspec.Struct, frozen=True, gc=False):
    """What a signal was decided under: the sequence, and the versions of both layers (0: never set)."""

    sequence: int
    global_version: int
    symbol_version: int


class _Metadata(msgspec.Struct, frozen=True):
    config: ConfigOfSignal
    source: str = ""


class _Payload(msgspec.Struct, frozen=True):
    """What is looked at of a signal's JSON; the rest goes through unread."""

    id: str
    strategy_id: str
    symbol: str
    action: Literal["buy", "sell", "hold", "close"]
    confidence: float
    price: float
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    metadata: _Metadata


class RecentSignal(msgspec.Struct, frozen=True, gc=False):
    """One signal; ``payload`` is all of it, as JSON. ``at`` is event time, ``told_at`` when it reached the stream."""

    id: str
    strategy_id: str
    symbol: str
    action: str
    confidence: float
    price: float
    at: datetime
    told_at: datetime
    config: ConfigOfSignal
    is_simulated: bool
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFilter:
    """Which signals; None: any. ``since`` is inclusive, and event time."""

    strategy_id: str | None = None
    symbol: str | None = None
    action: str | None = None
    global_version: int | None = None
    symbol_version: int | None = None
    since: datetime | None = None

    def lets_through(self, signal: RecentSignal) -> bool:
        """Whether the signal is one of those."""
        return (
            (self.strategy_id is None or signal.strategy_id == self.strategy_id)
            and (self.symbol is None or signal.symbol == self.symbol)
            and (self.action is None or signal.action == self.action)
            and (self.global_version is None or signal.config.global_version == self.global_version)
            and (self.symbol_version is None or signal.config.symbol_version == self.symbol_version)
            and (self.since is None or signal.at >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The newest signals that a filter lets through, newest first; ``matching`` and ``kept`` count all there are."""

    signals: list[RecentSignal]
    matching: int
    kept: int
    symbols: Counter[str]


def newest(chosen: SignalFilter, *, limit: int) -> list[RecentSignal]:
    """The newest ``limit`` signals that the filter lets through, newest first. Raises RedisUnavailableError."""
    return _copy(settings.REDIS_URL, settings.REDIS_KEY_PREFIX).newest(chosen, limit)


def find(chosen: SignalFilter, *, limit: int) -> Found:
    """The same, with how many there are in all, and of which symbols. Raises RedisUnavailableError."""
    return _copy(settings.REDIS_URL, settings.REDIS_KEY_PREFIX).find(chosen, limit)


class _Copy:
    """The stream's entries in its order; what the stream has given up is given up here too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[tuple[EntryId, RecentSignal | None]] = deque()
        self._decoder = msgspec.json.Decoder(_Payload)

    def newest(self, chosen: SignalFilter, limit: int) -> list[RecentSignal]:
        with self._lock:
            self._refresh()
            return list(islice(self._matching(chosen), limit))

    def find(self, chosen: SignalFilter, limit: int) -> Found:
        with self._lock:
            self._refresh()
            matching = list(self._matching(chosen))
            return Found(
                matching[:limit], len(matching), len(self._entries), Counter(signal.symbol for signal in matching)
            )

    def _matching(self, chosen: SignalFilter) -> Iterator[RecentSignal]:
        return (signal for _, signal in reversed(self._entries) if signal is not None and chosen.lets_through(signal))

    def _refresh(self) -> None:
        while True:
            page, oldest, latest = redis_client.run(self._read)
            if latest is None or (self._entries and self._entries[-1][0] > latest):
                # Emptied, or another stream altogether: its ids begin anew.
                self._entries.clear()
                if latest is None:
                    return
                continue
            for entry_id, fields in page:
                known_as = _entry_id(entry_id)
                self._entries.append((known_as, self._decoded(known_as, fields)))
            while self._entries and self._entries[0][0] < oldest:
                self._entries.popleft()
            if len(page) < PAGE:
                return

    def _read(self, client: redis.Redis) -> tuple[list[Any], EntryId, EntryId | None]:
        """The entries after the last one known, and the first and last ids that there are."""
        stream = redis_client.keys().signals
        after = "-"
        if self._entries:
            milliseconds, number = self._entries[-1][0]
            after = f"({milliseconds}-{number}"
        pipeline = client.pipeline(transaction=True)
        pipeline.xrange(stream, min=after, count=PAGE)
        pipeline.xrange(stream, count=1)
        pipeline.xrevrange(stream, count=1)
        page, first, last = pipeline.execute()
        return page, _entry_id(first[0][0]) if first else (0, 0), _entry_id(last[0][0]) if last else None

    def _decoded(self, entry_id: EntryId, fields: dict[bytes, bytes]) -> RecentSignal | None:
        payload = fields.get(_FIELD, b"")
        try:
            signal = self._decoder.decode(payload)
            # The members that are not looked at go out as they are: msgspec passes over them whatever their encoding.
            payload.decode()
            told_at = datetime.fromtimestamp(entry_id[0] / 1000, UTC)
        except (*UNREADABLE, ValueError, OverflowError) as exception:
            log.warning("signal.unreadable", error=str(exception))
            return None
        return RecentSignal(
            id=signal.id,
            strategy_id=signal.strategy_id,
            symbol=signal.symbol,
            action=signal.action,
            confidence=signal.confidence,
            price=signal.price,
            at=signal.timestamp,
            told_at=told_at,
            config=signal.metadata.config,
            is_simulated=signal.metadata.source == "simulated",
            payload=payload,
        )


def _entry_id(raw: bytes) -> EntryId:
    milliseconds, _, number = raw.partition(b"-")
    return int(milliseconds), int(number)


@lru_cache(maxsize=8)
def _copy(url: str, prefix: str) -> _Copy:
    return _Copy()

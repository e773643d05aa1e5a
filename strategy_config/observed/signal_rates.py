"""Signals a minute of each strategy, counted from the capped stream of the latest signals."""

import threading
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import msgspec
import redis
import structlog
from django.conf import settings

from strategy_config.redis import redis_client
from strategy_core.configuration import redis_keys
from strategy_core.market.decoding import UNREADABLE

MINUTES = 30
PAGE = 1_000
_MINUTE_MS = 60_000
log = structlog.get_logger(__name__)


class _Signal(msgspec.Struct):
    strategy_id: str
    action: str


@dataclass(frozen=True, slots=True)
class Rates:
    """Signals by minute, oldest first, the running minute last: MINUTES numbers each."""

    buys: tuple[int, ...]
    sells: tuple[int, ...]


class _Counter:
    """Reads each entry of the stream once; keeps counts, not signals."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_id = ""
        self._counts: dict[int, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
        self._decoder = msgspec.json.Decoder(_Signal)

    def rates(self, now_ms: int) -> dict[str, Rates]:
        """By strategy; one without a signal is left out. Raises RedisUnavailableError."""
        with self._lock:
            this_minute = now_ms // _MINUTE_MS
            first = this_minute - MINUTES + 1
            self._read(first * _MINUTE_MS)
            for minute in [minute for minute in self._counts if minute < first]:
                del self._counts[minute]
            strategies = {strategy_id for counts in self._counts.values() for strategy_id, _ in counts}
            minutes = range(first, this_minute + 1)
            return {
                strategy_id: Rates(
                    buys=tuple(self._count(minute, strategy_id, "buy") for minute in minutes),
                    sells=tuple(self._count(minute, strategy_id, "sell") for minute in minutes),
                )
                for strategy_id in strategies
            }

    def _count(self, minute: int, strategy_id: str, action: str) -> int:
        return self._counts[minute].get((strategy_id, action), 0) if minute in self._counts else 0

    def _read(self, since_ms: int) -> None:
        stream = redis_client.keys().signals
        while True:
            start = f"({self._last_id}" if self._last_id else str(since_ms)
            page: Any = redis_client.run(partial(_xrange, stream=stream, start=start))
            for entry_id, fields in page:
                self._last_id = entry_id.decode()
                self._add(int(self._last_id.partition("-")[0]) // _MINUTE_MS, fields)
            if len(page) < PAGE:
                return

    def _add(self, minute: int, fields: dict[bytes, bytes]) -> None:
        try:
            signal = self._decoder.decode(fields.get(redis_keys.STREAM_FIELD.encode(), b""))
        except UNREADABLE as exception:
            log.warning("signal.unreadable", error=str(exception))
            return
        self._counts[minute][signal.strategy_id, signal.action] += 1


def _xrange(client: redis.Redis, *, stream: str, start: str) -> Any:
    return client.xrange(stream, min=start, count=PAGE)


def signal_rates(now_ms: int) -> dict[str, Rates]:
    """By strategy, of the last MINUTES minutes; one without a signal is left out.

    A process counts each signal once, so that asking often costs little. Raises RedisUnavailableError.
    """
    return _counter(settings.REDIS_URL, settings.REDIS_KEY_PREFIX).rates(now_ms)


@lru_cache(maxsize=8)
def _counter(url: str, prefix: str) -> _Counter:
    return _Counter()

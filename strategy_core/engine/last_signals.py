"""The signals of another runtime, as far as the intervals of strategies need them. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from strategy_core.market.decoding import UNREADABLE
from strategy_core.strategies.base import Strategy

MAX_SYMBOLS = 20_000


class _SentSignal(msgspec.Struct, frozen=True):
    strategy_id: str
    symbol: str
    timestamp: datetime
    metadata: dict[str, Any] = {}


class LastSignals:
    """The event time of the last signal of each interval, by (strategy, symbol), for at most ``MAX_SYMBOLS`` pairs."""

    def __init__(self, strategies: Mapping[str, type[Strategy[Any]]]) -> None:
        self._strategies = strategies
        self.emitted: dict[tuple[str, str], dict[str, int]] = {}

    def note(self, payload: bytes) -> None:
        """Take in a signal as it was sent; what is none, or of an unknown strategy, is passed over."""
        try:
            signal = _decode(payload)
        except UNREADABLE:
            return
        strategy = self._strategies.get(signal.strategy_id)
        if strategy is None or signal.timestamp.tzinfo is None:
            return
        key = (signal.strategy_id, signal.symbol)
        times = self.emitted.pop(key, {})
        interval = strategy.interval_of(signal.metadata)
        times[interval] = max(times.get(interval, 0), _decided_ms(signal))
        self.emitted[key] = times
        if len(self.emitted) > MAX_SYMBOLS:
            del self.emitted[next(iter(self.emitted))]


_decode = msgspec.json.Decoder(_SentSignal).decode


def _decided_ms(signal: _SentSignal) -> int:
    """The event time by which the interval runs: that of the observation where the signal names one."""
    observed_at = signal.metadata.get("observed_at")
    if isinstance(observed_at, str):
        try:
            observed = datetime.fromisoformat(observed_at)
        except ValueError:
            observed = signal.timestamp
        if observed.tzinfo is not None:
            return round(observed.timestamp() * 1000)
    return round(signal.timestamp.timestamp() * 1000)

"""What became of the messages that the engine took. Pure."""

from dataclasses import dataclass, field
from typing import TypeVar

K = TypeVar("K")
KINDS = ("depth", "trade", "ticker", "exchange_price", "dominance", "onchain")
MAX_UNKNOWN_TYPES = 100
OTHER_TYPES = "other"


@dataclass(slots=True)
class EngineCounters:
    """What became of the messages since the start.

    Each received message is in exactly one of ``decoded`` (it reached the strategies), ``unused`` and
    ``unknown`` (by stream type, undecoded), ``foreign`` (another runtime's symbol), ``stale`` (too old to
    trade on), ``malformed`` (no JSON, or no stream) and ``bad_input`` (JSON whose content makes no sense).
    """

    received: int = 0
    decoded: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    unused: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    malformed: int = 0
    bad_input: int = 0
    foreign: int = 0
    stale: int = 0
    signals: dict[tuple[str, str], int] = field(default_factory=dict)
    """By (strategy, action)."""
    strategy_errors: dict[str, int] = field(default_factory=dict)
    unusable_decisions: dict[str, int] = field(default_factory=dict)
    """By strategy: decisions without a tradable price, stop or target; not sent."""

    @property
    def errors(self) -> int:
        """Messages that could not be used plus exceptions out of strategies."""
        return self.malformed + self.bad_input + sum(self.strategy_errors.values())

    def count_unknown(self, stream_type: str) -> None:
        """Count a stream type that nobody knows, by name as long as the names are few."""
        is_named = stream_type in self.unknown or len(self.unknown) < MAX_UNKNOWN_TYPES
        count(self.unknown, stream_type if is_named else OTHER_TYPES)


def count(counts: dict[K, int], key: K) -> None:
    """Raise one count by one."""
    counts[key] = counts.get(key, 0) + 1

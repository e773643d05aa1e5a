"""The list of strategies as bytes, kept in the process while the store stands still."""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

import msgspec
from django.utils import timezone

from strategy_config.history import positions
from strategy_config.resolution import instants
from strategy_config.selectors import summaries
from strategy_config.selectors.summaries import StrategySummary

KEPT_SECONDS = 1.0
"""An expiry comes with time, not with a sequence."""


@dataclass(frozen=True, slots=True)
class StrategyList:
    """``count`` strategies as JSON, as of the store's last ``sequence``; ``head`` is the hash of that change."""

    sequence: int
    head: str
    read_at: float
    body: bytes
    count: int

    @property
    def is_young(self) -> bool:
        return time.monotonic() - self.read_at <= KEPT_SECONDS


_kept: StrategyList | None = None
_rendering = Lock()


def read() -> StrategyList:
    """The list as it is now; raises StoreUnavailableError."""
    global _kept
    sequence, head = positions.chain_head()
    with _rendering:
        kept = _kept
        if kept is None or (kept.sequence, kept.head) != (sequence, head) or not kept.is_young:
            rendered = [render(summary) for summary in summaries.strategy_summaries(timezone.now())]
            kept = StrategyList(sequence, head, time.monotonic(), msgspec.json.encode(rendered), len(rendered))
            _kept = kept
    return kept


def recall(sequence: int) -> StrategyList | None:
    """The list of this sequence without asking the store, None where it is not kept or too old.

    ``sequence`` is what Redis was told last: what it could not be told of yet shows within KEPT_SECONDS.
    """
    kept = _kept
    return kept if kept is not None and kept.sequence == sequence and kept.is_young else None


def render(summary: StrategySummary) -> dict[str, Any]:
    """A strategy as the list shows it."""
    return {**msgspec.to_builtins(summary), "updated_at": instants.iso(summary.updated_at)}

"""Every non-trivial read."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from realtime_runtime.config import wire
from strategy_config.models import ConfigAudit

StoreKind = Literal["sqlite", "postgresql", "mongodb"]


@dataclass(frozen=True, slots=True)
class StrategySummary:
    """One line of the list of strategies. ``symbol_overrides`` are the symbols that have a layer."""

    strategy_id: str
    name: str
    description: str
    category: str
    type: str
    enabled: bool
    has_global_config: bool
    symbol_overrides: tuple[str, ...]
    parameter_count: int
    version: int
    updated_at: datetime | None
    updated_by: str | None


def layer_config(*, strategy_id: str, symbol: str | None = None, at: datetime) -> wire.LayerConfig:
    """What holds for the strategy, or for one symbol of it, at the instant ``at``; raises NotFoundError."""
    raise NotImplementedError


def documents(strategy_id: str) -> dict[str, wire.Document]:
    """The document of every layer of the strategy, by the field of the shared cache."""
    raise NotImplementedError


def strategy_summaries(at: datetime) -> list[StrategySummary]:
    """All strategies, in catalogue order, in a constant number of queries."""
    raise NotImplementedError


def audit_page(
    *,
    strategy_id: str,
    symbol: str | None = None,
    action: str | None = None,
    changed_by: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> tuple[list[ConfigAudit], str | None]:
    """A page of history, newest first, and the cursor of the next one. ``symbol`` "" is the global layer, None all."""
    raise NotImplementedError


def audit_row(*, strategy_id: str, row_id: uuid.UUID | str) -> ConfigAudit:
    """One row of the strategy's history; raises NotFoundError."""
    raise NotImplementedError


def chain_head() -> tuple[int, str]:
    """The last sequence and the hash of its audit row; changes with every accepted write."""
    raise NotImplementedError


def etag(config: wire.LayerConfig) -> str:
    """The entity tag of a config, quotes included."""
    raise NotImplementedError


def store_kind() -> StoreKind:
    """What the store is."""
    raise NotImplementedError

"""The halts in force, and those that have ended."""

import uuid
from collections.abc import Iterable

from strategy_config.models import Halt
from strategy_config.store import transactions
from strategy_core.configuration.halts import RESUMED_LIMIT


@transactions.store_errors()
def open_halts() -> tuple[Halt, ...]:
    """The halts in force, the oldest first."""
    return tuple(Halt.objects.filter(resumed_at=None).order_by("sequence"))


@transactions.store_errors()
def ended_halts(*, limit: int = RESUMED_LIMIT) -> tuple[Halt, ...]:
    """The halts that ended last, by default as many as runtimes remember."""
    return tuple(Halt.objects.exclude(resumed_at=None).order_by("-resumed_at")[:limit])


@transactions.store_errors()
def halts_by_id(ids: Iterable[str]) -> dict[str, Halt]:
    """The halts of these ids, those that are not stored left out."""
    return {str(row.id): row for row in Halt.objects.filter(pk__in=[uuid.UUID(each) for each in ids])}

"""Every write, each one use case."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from realtime_runtime.config.layers import ParameterError, Values
from strategy_config.models import ApiToken
from strategy_config.symbols import normalise_symbol

__all__ = ["normalise_symbol"]
Channel = Literal["api", "admin", "schedule", "import"]


class Unset(Enum):
    """Stands for "leave as it is" where None has a meaning of its own."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True, slots=True)
class Origin:
    """Who changes, how and when. ``changed_by`` is claimed, ``actor`` authenticated, ``at`` aware."""

    changed_by: str
    actor: str
    channel: Channel
    request_id: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """An accepted change. ``published`` false: stored, the shared cache will be told as soon as it is back."""

    strategy_id: str
    symbol: str | None
    action: str
    version: int
    sequence: int
    published: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """A parameter whose resolved value would change; ``percent_of_range`` is None where there is no range."""

    parameter: str
    old: Any
    new: Any
    percent_of_range: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do, or why it would be refused."""

    errors: tuple[ParameterError, ...]
    warnings: tuple[str, ...]
    changes: tuple[ParameterChange, ...]
    affected_symbols: tuple[str, ...]
    unaffected_symbols: tuple[str, ...]
    risk_level: Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The shared cache was rebuilt: documents written, and the sequence that they stand at."""

    entries: int
    sequence: int


def set_layer(
    *,
    strategy_id: str,
    symbol: str | None = None,
    parameters: Values,
    origin: Origin,
    expires_at: datetime | None = None,
    if_match: str | None = None,
) -> Written:
    """Replace the layer's own parameters. ``if_match`` is the value of an If-Match header."""
    raise NotImplementedError


def merge_layer(
    *,
    strategy_id: str,
    symbol: str | None = None,
    parameters: Values,
    origin: Origin,
    expires_at: datetime | None | Unset = UNSET,
    if_match: str | None = None,
) -> Written:
    """Merge into the layer's own parameters; a value of None removes the parameter from the layer."""
    raise NotImplementedError


def delete_layer(*, strategy_id: str, symbol: str | None = None, origin: Origin, if_match: str | None = None) -> Written:
    """Remove the layer's parameters; raises NotFoundError where there are none. The switch stays."""
    raise NotImplementedError


def roll_back(
    *,
    strategy_id: str,
    symbol: str | None = None,
    origin: Origin,
    target_version: int | None = None,
    rollback_id: uuid.UUID | str | None = None,
    if_match: str | None = None,
) -> Written:
    """Restore the layer's parameters as a new version; without a target, those before the last change."""
    raise NotImplementedError


def switch(
    *, strategy_id: str, symbol: str | None = None, enabled: bool, origin: Origin, if_match: str | None = None
) -> Written:
    """The kill switch; ``origin.reason`` is required."""
    raise NotImplementedError


def expire_due(*, at: datetime) -> int:
    """Record the expiry of every layer that is past its ``expires_at``; answers how many."""
    raise NotImplementedError


def sync_catalogue() -> None:
    """See that every strategy has its row and every group its permissions. Idempotent."""
    raise NotImplementedError


def refresh_cache() -> Refreshed:
    """Rewrite the shared cache from the store and tell every runtime; raises SharedCacheUnavailableError."""
    raise NotImplementedError


def check_change(
    *,
    strategy_id: str,
    symbol: str | None = None,
    parameters: Values,
    is_merge: bool = False,
    at: datetime | None = None,
) -> Preview:
    """A dry run of set_layer (or of merge_layer): changes nothing, refuses nothing."""
    raise NotImplementedError


def issue_token(*, user: Any, name: str, days: int) -> tuple[ApiToken, str]:
    """A new token of the user, and its plaintext, which is kept nowhere."""
    raise NotImplementedError


def revoke_token(*, token: ApiToken, at: datetime) -> None:
    """End the token; the next request with it is refused on every worker."""
    raise NotImplementedError

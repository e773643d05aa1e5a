"""When the parameters of a symbol expire: one rule for the API, the admin and imports."""

import copy
from datetime import datetime
from typing import Protocol

from strategy_config.exceptions import InvalidRequestError
from strategy_config.models import SymbolOverride
from strategy_config.resolution import instants
from strategy_config.resolution.instants import iso
from strategy_core.configuration.parameter_values import Values

EXPIRED_BY = "schedule"


class Expiring(Protocol):
    """A row of a symbol, whole or as much of it as was read."""

    @property
    def expires_at(self) -> datetime | None: ...


def is_due(row: Expiring, at: datetime) -> bool:
    """Whether the layer's parameters have expired by ``at``, and the expiry is not recorded yet."""
    return row.expires_at is not None and row.expires_at <= at


def expired(row: SymbolOverride) -> SymbolOverride:
    """The row as it will be once its expiry is recorded (the sequence of that is not known before)."""
    after = copy.copy(row)
    after.parameters = None
    after.version += 1
    after.updated_at = row.expires_at
    after.updated_by = EXPIRED_BY
    after.reason = expiry_reason(row)
    after.expires_at = None
    return after


def expiry_reason(row: SymbolOverride) -> str:
    """The reason that the history gives for an expiry."""
    return f"expired at {iso(row.expires_at)}"


NOTHING_TO_EXPIRE = "Nothing to expire: set a value for this symbol first, or leave expires_at empty."


def check_expiry(
    expires_at: datetime | None, *, symbol: str | None, parameters: Values, at: datetime
) -> datetime | None:
    """The expiry of a layer that is to have these own parameters from the instant ``at`` on, cut to milliseconds.

    Raises InvalidRequestError.
    """
    if expires_at is None:
        return None
    if symbol is None:
        raise InvalidRequestError("Only the layer of a symbol can expire.", field="expires_at")
    if expires_at.tzinfo is None:
        raise InvalidRequestError("expires_at must have a time zone.", field="expires_at")
    if instants.to_milliseconds(expires_at) <= instants.to_milliseconds(at):
        raise InvalidRequestError("expires_at must be in the future. Give a later time, or none.", field="expires_at")
    if not parameters:
        raise InvalidRequestError(NOTHING_TO_EXPIRE, field="expires_at")
    return instants.to_milliseconds(expires_at)

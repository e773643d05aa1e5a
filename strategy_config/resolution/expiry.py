"""When the parameters of a symbol may expire: one rule for the API, the admin and imports."""

from datetime import datetime

from strategy_config.exceptions import InvalidRequestError
from strategy_config.resolution import resolution
from strategy_core.configuration.layers import Values

NOTHING_TO_EXPIRE = "There is nothing to expire: set a value for this symbol first, or leave expires_at empty."


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
    if resolution.to_milliseconds(expires_at) <= resolution.to_milliseconds(at):
        raise InvalidRequestError(
            "expires_at must lie in the future. Give a later instant, or none.", field="expires_at"
        )
    if not parameters:
        raise InvalidRequestError(NOTHING_TO_EXPIRE, field="expires_at")
    return resolution.to_milliseconds(expires_at)

"""What the services and selectors refuse with: each has the stable code and the status of the HTTP contract.

Refused parameters are ``strategy_core.configuration.validation.InvalidParametersError``, unchanged.
"""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something cannot be as wanted. ``where`` names the layer, or the place in a file."""

    where: str
    message: str


class ConfigError(Exception):
    """A refusal with a message for people, a stable code for programs, and details as JSON types."""

    code: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details


class NotFoundError(ConfigError):
    """There is no such strategy, layer, version or row."""

    code = "NOT_FOUND"
    status = 404


class InvalidSymbolError(ConfigError):
    """The text is no trading symbol."""

    code = "INVALID_SYMBOL"
    status = 400


class InvalidRequestError(ConfigError):
    """The request itself makes no sense; ``details["field"]`` names the member to mend."""

    code = "INVALID_REQUEST"
    status = 400


class VersionConflictError(ConfigError):
    """The layer is not in the state that the writer saw; ``details["current_version"]`` is its version."""

    code = "VERSION_CONFLICT"
    status = 412


class StoreUnavailableError(ConfigError):
    """The store cannot be reached or stayed locked; nothing was changed, trying again later may work."""

    code = "STORE_UNAVAILABLE"
    status = 503


class RedisUnavailableError(Exception):
    """Redis did not answer, or answered with an error, or failed a moment ago.

    ``is_forbidden``: this user of Redis may not do that.
    """

    def __init__(self, message: str, *, is_forbidden: bool = False) -> None:
        super().__init__(message)
        self.is_forbidden = is_forbidden

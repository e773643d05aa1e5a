"""Who acts, how and when: what every row of the history says."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from strategy_config import resolution
from strategy_config.exceptions import InvalidRequestError
from strategy_config.models import CHANGED_BY_LENGTH, REASON_LENGTH, REQUEST_ID_LENGTH

Channel = Literal["api", "admin", "schedule", "import", "command", "nats", "http", "file", "runtime"]
"""The last four bring halts only: over NATS, over a runtime's port, from its file, and otherwise from a runtime."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who changes, how and when. ``changed_by`` is claimed, ``actor`` authenticated, ``at`` aware."""

    changed_by: str
    actor: str
    channel: Channel
    request_id: str
    at: datetime
    reason: str = ""


def checked_origin(origin: Origin) -> Origin:
    """The origin with its instant cut to milliseconds; raises InvalidRequestError."""
    if origin.at.tzinfo is None:
        raise ValueError("Origin.at must be aware.")
    if not origin.changed_by.strip():
        raise InvalidRequestError("changed_by must not be empty.", field="changed_by")
    for field, text, length in (
        ("changed_by", origin.changed_by, CHANGED_BY_LENGTH),
        ("reason", origin.reason, REASON_LENGTH),
        ("request_id", origin.request_id, REQUEST_ID_LENGTH),
    ):
        if len(text) > length:
            raise InvalidRequestError(f"{field} must have at most {length} characters.", field=field)
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
            raise InvalidRequestError(f"{field} holds a character that cannot be stored.", field=field)
    return replace(origin, at=resolution.to_milliseconds(origin.at))

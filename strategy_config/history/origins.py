"""Who acts, how and when: what every row of the history says."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from strategy_config.exceptions import InvalidRequestError
from strategy_config.models import CHANGED_BY_LENGTH, REASON_LENGTH, REQUEST_ID_LENGTH
from strategy_config.resolution import instants, texts

NO_REASON = "Stopped without a reason."
NOBODY = "unknown"
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
    texts.require_name(origin.changed_by, field="changed_by", length=CHANGED_BY_LENGTH)
    texts.require_text(origin.reason, field="reason", length=REASON_LENGTH)
    texts.require_text(origin.request_id, field="request_id", length=REQUEST_ID_LENGTH)
    return replace(origin, at=_stored_instant(origin))


def reasoned_origin(origin: Origin) -> Origin:
    """As `checked_origin`, of a change whose reason is required."""
    if not texts.is_seen(origin.reason):
        raise InvalidRequestError(texts.REASON_REQUIRED, field="reason")
    return checked_origin(origin)


def stopping_origin(origin: Origin) -> Origin:
    """The origin of a stop, which no text refuses: what cannot be stored is taken out, what is too long is cut."""
    return replace(
        origin,
        changed_by=texts.cleaned_name(origin.changed_by, length=CHANGED_BY_LENGTH) or origin.actor or NOBODY,
        reason=texts.cleaned_text(origin.reason, length=REASON_LENGTH) or NO_REASON,
        request_id=texts.cleaned_name(origin.request_id, length=REQUEST_ID_LENGTH),
        at=_stored_instant(origin),
    )


def _stored_instant(origin: Origin) -> datetime:
    if origin.at.tzinfo is None:
        raise ValueError("Origin.at must be aware.")
    return instants.to_milliseconds(origin.at)

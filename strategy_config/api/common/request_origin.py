"""Who makes the change that a request asks for."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from rest_framework.request import Request

from service_kit import request_ids
from strategy_config.history.origins import Origin

ANONYMOUS = "anonymous"


def origin_of(request: Request, *, changed_by: str | None, reason: str | None) -> Origin:
    """Who makes the change that this request asks for: the claim (by default the caller), and the actor beside it."""
    identity: Any = request.auth
    actor = ANONYMOUS if identity is None else identity.actor
    return Origin(
        changed_by=actor if changed_by is None else changed_by,
        actor=actor,
        channel="api",
        request_id=request_ids.of(request),
        at=timezone.now(),
        reason=reason or "",
    )


def lenient_origin(request: Request, given: Mapping[str, Any]) -> Origin:
    """As `origin_of`, of a stop: what ``given`` says of who and why counts where it is text."""
    changed_by, reason = given.get("changed_by"), given.get("reason")
    return origin_of(
        request,
        changed_by=changed_by if isinstance(changed_by, str) else None,
        reason=reason if isinstance(reason, str) else None,
    )

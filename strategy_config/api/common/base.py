"""What the API's views have in common."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.views import APIView

from service_kit import request_ids
from strategy_config.api import requests
from strategy_config.api.common import rate_limits, schema
from strategy_config.api.common.permissions import Permission
from strategy_config.exceptions import InvalidRequestError
from strategy_config.history.origins import Origin

ANONYMOUS = "anonymous"
_OTHER_CONDITIONS = ("If-None-Match", "If-Modified-Since", "If-Unmodified-Since")


class ApiView(APIView):
    """A resource of the API. A view parses, makes one service or selector call, and renders."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    permission_by_method: ClassVar[Mapping[str, Permission]] = {}
    stopping_methods: ClassVar[frozenset[str]] = frozenset()
    """Methods that may carry a stop: open to callers who may stop; the view then refuses everything else."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Limit the caller before anything is looked up for them; only a stop by somebody who may is let through."""
        needed = self.permission_by_method.get(request.method or "", Permission.VIEW)
        kind = rate_limits.Kind.READS if needed is Permission.VIEW else rate_limits.Kind.WRITES
        try:
            rate_limits.charge(request._request, kind)
        except Throttled:
            if request.method not in self.stopping_methods:
                raise
            super().initial(request, *args, **kwargs)
            if not self.asks_stop(request):
                raise
        else:
            super().initial(request, *args, **kwargs)
        handler = getattr(self, (request.method or "").lower(), None)
        if handler is not None and getattr(handler, schema.QUERY_MODEL, None) is None:
            requests.query(request, requests.NoQuery)

    def asks_stop(self, request: Request) -> bool:
        """Whether the request stops something: no limit refuses that."""
        return False


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


def if_match(request: Request) -> str | None:
    """The If-Match header, None where there is none.

    Raises InvalidRequestError where another condition is set, which a write does not look at.
    """
    for name in _OTHER_CONDITIONS:
        if f"HTTP_{name.upper().replace('-', '_')}" in request.META:
            raise InvalidRequestError(f"{name} is not looked at by writes: send If-Match, or nothing.", field=name)
    header: str | None = request.META.get("HTTP_IF_MATCH")
    return header

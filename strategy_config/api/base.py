"""What the API's views have in common."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.views import APIView

from strategy_config import request_ids, services
from strategy_config.api import rate_limits
from strategy_config.api.permissions import Permission

ANONYMOUS = "anonymous"


class ApiView(APIView):
    """A resource of the API. A view parses, makes one service or selector call, and renders."""

    http_method_names = ["get", "head", "post", "patch", "delete"]
    permission_by_method: ClassVar[Mapping[str, Permission]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Limit the caller before anything is looked up for them."""
        needed = self.permission_by_method.get(request.method or "", Permission.VIEW)
        kind = rate_limits.Kind.READS if needed is Permission.VIEW else rate_limits.Kind.WRITES
        rate_limits.charge(request._request, kind)
        super().initial(request, *args, **kwargs)


def origin_of(request: Request, *, changed_by: str, reason: str | None) -> services.Origin:
    """Who makes the change that this request asks for: the claim, and the authenticated actor beside it."""
    identity: Any = request.auth
    return services.Origin(
        changed_by=changed_by,
        actor=ANONYMOUS if identity is None else identity.actor,
        channel="api",
        request_id=request_ids.of(request),
        at=timezone.now(),
        reason=reason or "",
    )


def if_match(request: Request) -> str | None:
    """The If-Match header, None where there is none."""
    header: str | None = request.META.get("HTTP_IF_MATCH")
    return header

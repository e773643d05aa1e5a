"""The base class of the API's views."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.views import APIView

from strategy_config.api.common import rate_limits
from strategy_config.api.common.operations import QUERY_MODEL
from strategy_config.api.common.permissions import Permission
from strategy_config.api.common.request_models import NoQuery, query_of


class ApiView(APIView):
    """A resource of the API. A view parses, makes one service or selector call, and renders."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    permission_by_method: ClassVar[Mapping[str, Permission]] = {}
    stopping_methods: ClassVar[frozenset[str]] = frozenset()
    """Methods that may carry a stop: open to callers who may stop; the view then refuses everything else."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Limit the caller before anything is looked up for them; only a stop by somebody who may is let through."""
        needed = self.permission_by_method.get(request.method or "", Permission.VIEW)
        kind = rate_limits.LimitedKind.READS if needed is Permission.VIEW else rate_limits.LimitedKind.WRITES
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
        if handler is not None and getattr(handler, QUERY_MODEL, None) is None:
            query_of(request, NoQuery)

    def asks_stop(self, request: Request) -> bool:
        """Whether the request stops something: no limit refuses that."""
        return False

"""Who may do what over the API: one permission a method of a view."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from strategy_config.permissions import Permission

__all__ = ["HasPermission", "Permission", "anonymous_permissions"]


_ANONYMOUS: Mapping[str, frozenset[str]] = {
    "none": frozenset(),
    "read": frozenset({Permission.VIEW}),
    "write": frozenset(Permission),
}


def anonymous_permissions() -> frozenset[str]:
    """What somebody without credentials may do, by the setting ``API_ANONYMOUS``."""
    return _ANONYMOUS[settings.API_ANONYMOUS]


class HasPermission(BasePermission):
    """Holds where the identity carries the permission that the view asks for this method.

    A view names it in ``permission_by_method``; a method that is not there goes on to its 405.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises NotAuthenticated where credentials could change the answer, PermissionDenied naming what is needed."""
        by_method: Mapping[str, Permission] = view.permission_by_method
        needed = by_method.get("GET" if request.method == "HEAD" else request.method or "")
        identity: Any = request.auth
        if identity is not None:
            if needed is not None and needed not in identity.permissions:
                raise PermissionDenied(f"This needs the permission {needed}; none of your groups has it.")
            return True
        allowed = anonymous_permissions()
        if needed in allowed or (needed is None and allowed):
            return True
        raise NotAuthenticated("Send a token as: Authorization: Bearer <token>.")

"""Who may do what over the API: one permission a method of a view."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from strategy_config.permissions import Permission, is_held

__all__ = ["HasPermission", "Permission", "anonymous_permissions", "caller_may"]


_ANONYMOUS: Mapping[str, frozenset[str]] = {
    "none": frozenset(),
    "read": frozenset({Permission.VIEW}),
    "write": frozenset(Permission),
}


def anonymous_permissions() -> frozenset[str]:
    """What somebody without credentials may do, by the setting ``API_ANONYMOUS``."""
    return _ANONYMOUS[settings.API_ANONYMOUS]


def caller_may(request: Request, permission: Permission) -> bool:
    """Whether the caller holds the permission, by an identity or as somebody without credentials."""
    identity: Any = request.auth
    held = anonymous_permissions() if identity is None else identity.permissions
    return is_held(permission, held.__contains__)


class HasPermission(BasePermission):
    """Holds where the identity carries the permission that the view asks for this method.

    A view names it in ``permission_by_method``; a method that is not there goes on to its 405.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises NotAuthenticated where credentials could change the answer, PermissionDenied naming what is needed."""
        by_method: Mapping[str, Permission] = view.permission_by_method
        needed = by_method.get("GET" if request.method == "HEAD" else request.method or "")
        if request.auth is None:
            if _is_open(request, view, needed) if needed is not None else anonymous_permissions():
                return True
            raise NotAuthenticated("Send a token as: Authorization: Bearer <token>.")
        if needed is not None and not _is_open(request, view, needed):
            raise PermissionDenied(f"This needs the permission {needed}; none of your groups has it.")
        return True


def _is_open(request: Request, view: Any, needed: Permission) -> bool:
    may_carry_stop = request.method in view.stopping_methods
    return caller_may(request, needed) or (may_carry_stop and caller_may(request, Permission.STOP_STRATEGY))

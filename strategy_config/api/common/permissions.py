"""Who may do what over the API: one permission a method of a view."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from strategy_config.accounts.client_address import client_ip
from strategy_config.accounts.permissions import Permission, is_held

__all__ = [
    "READ_ONLY",
    "HasPermission",
    "Permission",
    "anonymous_permissions",
    "caller_may",
    "possible_anonymous_permissions",
]

READ_ONLY: Mapping[str, Permission] = {"GET": Permission.VIEW}
"""What a view of reads alone asks for."""
_ANONYMOUS: Mapping[str, frozenset[str]] = {
    "read": frozenset({Permission.VIEW}),
    "stop": frozenset({Permission.STOP_STRATEGY}),
    "write": frozenset(Permission),
}


def anonymous_permissions(environ: Mapping[str, Any]) -> frozenset[str]:
    """What a caller without credentials may do, by the setting ``API_ANONYMOUS`` and by where the request is from."""
    grants = settings.API_ANONYMOUS
    if all(grant.network is None for grant in grants):
        return possible_anonymous_permissions()
    address = client_ip(environ)
    held = [
        _ANONYMOUS[grant.right]
        for grant in grants
        if grant.network is None or (address is not None and address in grant.network)
    ]
    return frozenset().union(*held)


def possible_anonymous_permissions() -> frozenset[str]:
    """What callers without credentials may do from one network or another."""
    return frozenset().union(*(_ANONYMOUS[grant.right] for grant in settings.API_ANONYMOUS))


def caller_may(request: Request, permission: Permission) -> bool:
    """Whether the caller holds the permission, by an identity or as somebody without credentials."""
    identity: Any = request.auth
    held = anonymous_permissions(request.META) if identity is None else identity.permissions
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
            if _is_open(request, view, needed) if needed is not None else anonymous_permissions(request.META):
                return True
            raise NotAuthenticated("Send a token as: Authorization: Bearer <token>.")
        if needed is not None and not _is_open(request, view, needed):
            raise PermissionDenied(f"This needs the permission {needed}; none of your groups has it.")
        return True


def _is_open(request: Request, view: Any, needed: Permission) -> bool:
    may_carry_stop = request.method in view.stopping_methods
    return caller_may(request, needed) or (may_carry_stop and caller_may(request, Permission.STOP_STRATEGY))

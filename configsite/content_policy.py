"""The Content-Security-Policy of each page: one for all, and what some pages need beyond it."""

from collections.abc import Mapping
from typing import Any

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

API_POLICY: Mapping[str, Any] = {"default-src": [NONE], "frame-ancestors": [NONE]}
# No page gets unsafe-inline for scripts.
EXCEPTIONS: Mapping[str, Mapping[str, Any]] = {
    # Alpine.js, of the admin's theme, turns its attributes into functions; its build without that is not what the
    # theme ships.
    "/admin/": {"script-src": [SELF, NONCE, UNSAFE_EVAL]},
    # Redoc searches in a worker that it makes from a blob.
    "/redoc": {"worker-src": ["blob:"]},
}


class ContentPolicy(CSPMiddleware):
    """Sends the policy of the page that was asked for."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """The settings' policy, with the exception of the path; answers of the API may load nothing at all."""
        parts = super().get_policy_parts(request, response, report_only)
        if report_only:
            return parts
        if request.path_info.startswith("/api/"):
            parts.config = dict(API_POLICY)
            return parts
        for prefix, exception in EXCEPTIONS.items():
            if request.path_info.startswith(prefix):
                parts.replace = {**(parts.replace or {}), **exception}
        return parts

"""The Content-Security-Policy of each page: one for all, with additions for some pages."""

from collections.abc import Mapping
from typing import Any

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

API_POLICY: Mapping[str, Any] = {"default-src": [NONE], "frame-ancestors": [NONE]}
# No page gets unsafe-inline for scripts.
EXCEPTIONS: Mapping[str, Mapping[str, Any]] = {
    # Alpine.js, which the admin's theme uses, turns its attributes into functions; the theme does not ship the build of
    # Alpine.js that avoids this.
    "/admin/": {"script-src": [SELF, NONCE, UNSAFE_EVAL]},
    # Redoc's search runs in a worker that is created from a blob.
    "/redoc": {"worker-src": ["blob:"]},
}


class ContentPolicy(CSPMiddleware):
    """Sends the policy of the requested page."""

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

"""The page after too many failed logins."""

import math
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from strategy_config.accounts.login_limits import LOCKED_SECONDS


class LoginLockout:
    """Replaces the login form by 429 with Retry-After if the attempt was not checked."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The answer, or the page."""
        response = self._get_response(request)
        seconds = request.META.get(LOCKED_SECONDS)
        if seconds is None:
            return response
        page = render(request, "strategy_config/login_locked.html", {"minutes": math.ceil(seconds / 60)}, status=429)
        page["Retry-After"] = str(seconds)
        return page

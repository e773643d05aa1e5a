"""The time limit for the work of one request. A stop has no limit: it is never refused."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from configsite.server.lanes import is_stop
from strategy_config.resolution import work_limit


class WorkLimit:
    """Sets the time after which `work_limit.check` refuses the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Whatever the view answers."""
        if is_stop(request.method or "", request.path_info):
            return self._get_response(request)
        with work_limit.limited(work_limit.LONGEST_SECONDS):
            return self._get_response(request)

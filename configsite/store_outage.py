"""The admin while the database is down: a page that says so at once, instead of an error after every timeout."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.store import transactions

RETRY_AFTER_SECONDS = 2


class StoreOutage:
    """The innermost middleware, so that all others run before it. The API handles outages itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Whatever the view answers."""
        return self._get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        arguments: Sequence[Any],
        keywords: Mapping[str, Any],
    ) -> HttpResponseBase | None:
        """The admin's 503 page if the database is unreachable; None for other addresses."""
        if request.resolver_match is None or "admin" not in request.resolver_match.app_names:
            return None
        try:
            with transactions.store_errors():
                response = view(request, *arguments, **keywords)
                # Pages read the database while they are rendered.
                return response.render() if isinstance(response, SimpleTemplateResponse) else response
        except StoreUnavailableError as outage:
            return HttpResponse(
                f"{outage}\n", status=503, content_type="text/plain", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
            )

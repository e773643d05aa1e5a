"""The admin while the store is away: a page that says so, at once, in place of an error after every timeout."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.store import transactions

RETRY_AFTER_SECONDS = 2


class StoreOutage:
    """The last of the middleware, so that what comes before the views has had its say. The API answers for itself."""

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
        """The page of the admin, 503 where the store cannot be reached for it; None for other addresses."""
        if request.resolver_match is None or "admin" not in request.resolver_match.app_names:
            return None
        try:
            with transactions.store_errors():
                response = view(request, *arguments, **keywords)
                # Pages ask the store while they are rendered.
                return response.render() if isinstance(response, SimpleTemplateResponse) else response
        except StoreUnavailableError as outage:
            return HttpResponse(
                f"{outage}\n", status=503, content_type="text/plain", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
            )

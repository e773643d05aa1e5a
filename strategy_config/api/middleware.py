"""The outermost layer of the API: request ids, the limit of bodies, and the envelope on everything."""

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from service_kit import request_ids, tracing
from strategy_config.api.common import envelope, errors
from strategy_config.api.common.parsing import MAX_BODY_BYTES
from strategy_config.exceptions import InvalidRequestError

API_PREFIX = "/api/v1"
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate", "Vary")


class ApiMiddleware:
    """Sees each request first and each answer last. Every one gets an id; only those under /api/v1 an envelope."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """An answer in the envelope, whatever happens further in."""
        request_id = request_ids.give(request)
        tracing.describe(attributes={"request_id": request_id})
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            path = request.path_info
            if not path.startswith(API_PREFIX) or path[len(API_PREFIX) :][:1] not in {"", "/"}:
                return self._get_response(request)
            try:
                refusal = _limit_body(request)
                return refusal if refusal is not None else _enveloped(request, self._get_response(request))
            except Exception as exception:
                return errors.answer_bug(request, exception)


def _enveloped(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The response itself where a view of the API made it, or where it is no error; else its enveloped form."""
    if isinstance(response, envelope.EnvelopedResponse) or response.status_code < 400:
        return response
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    return errors.answer_status(request, response.status_code, headers)


def _limit_body(request: HttpRequest) -> HttpResponse | None:
    """Refuse a body over the limit before anybody reads it; one in chunks has its length from configsite.server."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not declared.isascii() or not declared.isdigit():
        return errors.answer_exception(InvalidRequestError("Content-Length is not a number."), {"request": request})
    return errors.answer_too_large(request, MAX_BODY_BYTES) if int(declared) > MAX_BODY_BYTES else None

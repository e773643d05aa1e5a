"""Every refusal and failure as an answer: one table from exception to status and code."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from pydantic import ValidationError
from rest_framework import exceptions

from realtime_runtime.config.layers import InvalidParametersError, ParameterError
from strategy_config import request_ids
from strategy_config.api import envelope, malformed
from strategy_config.exceptions import ConfigError

RETRY_AFTER_SECONDS = 2
CODES: Mapping[int, str] = {
    400: "INVALID_REQUEST",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    412: "VERSION_CONFLICT",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    503: "STORE_UNAVAILABLE",
}
_OF_OTHERS: Mapping[int, str] = {
    400: "The request cannot be read, or its Host header is none of this site's (ALLOWED_HOSTS).",
    404: "There is nothing at this address.",
}
_log = structlog.get_logger(__name__)


def answer_exception(exception: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """The answer to whatever a view raised; what is not foreseen is logged and answered 500."""
    request = context["request"]
    if isinstance(exception, ConfigError):
        return _answer_config_error(request, exception)
    if isinstance(exception, InvalidParametersError):
        return _answer_refusal(request, exception)
    if isinstance(exception, ValidationError):
        return _answer_malformed(request, exception)
    if isinstance(exception, Http404):
        return _fail(request, 404, "There is nothing at this address.")
    if isinstance(exception, PermissionDenied):
        return _fail(request, 403, "You are not allowed to do this.")
    if isinstance(exception, exceptions.APIException):
        return _answer_framework(request, exception)
    return answer_bug(request, exception)


def answer_bug(request: Any, exception: Exception) -> HttpResponse:
    """500, with the details in the log and nowhere else."""
    _log.error("request.failed", request_id=request_ids.of(request), exc_info=exception)
    return _fail(request, 500, "Something went wrong here. The log has the details under the request id.")


def answer_status(request: Any, status: int, headers: Mapping[str, str]) -> HttpResponse:
    """The enveloped form of an answer that was made outside of the API's views (the router's 404, …)."""
    known = status if status in CODES else 400 if status < 500 else 500
    message = _OF_OTHERS.get(status, f"{HTTPStatus(status).phrase}.")
    return envelope.failure(request, status=status, code=CODES[known], message=message, headers=headers)


def answer_too_large(request: Any, limit: int) -> HttpResponse:
    """413: the body was not read."""
    return _fail(request, 413, f"The body is larger than {limit} bytes.", {"max_bytes": limit})


def _fail(
    request: Any,
    status: int,
    message: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    return envelope.failure(
        request, status=status, code=CODES[status], message=message, details=details, headers=headers
    )


def _answer_config_error(request: Any, error: ConfigError) -> HttpResponse:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.status == 503 else {}
    return envelope.failure(
        request, status=error.status, code=error.code, message=str(error), details=error.details, headers=headers
    )


def _answer_refusal(request: Any, refusal: InvalidParametersError) -> HttpResponse:
    """200 as existing clients expect, 422 for clients that ask for strict handling (RFC 7240)."""
    is_strict = prefers_strict(request.META.get("HTTP_PREFER", ""))
    errors = [render_parameter_error(error) for error in refusal.errors]
    count = "1 parameter" if len(errors) == 1 else f"{len(errors)} parameters"
    return envelope.failure(
        request,
        status=422 if is_strict else 200,
        code="VALIDATION_ERROR",
        message=f"Nothing was changed: {count} refused. {refusal.errors[0].message}",
        details={"errors": errors},
        headers={"Preference-Applied": "handling=strict"} if is_strict else {},
    )


def render_parameter_error(error: ParameterError) -> dict[str, Any]:
    """One reason for a refusal, as the contract has it; ``symbol`` only where an override would break."""
    rendered = {
        "field": error.field,
        "code": error.code,
        "message": error.message,
        "suggested_value": error.suggested_value,
    }
    return rendered if error.symbol is None else {**rendered, "symbol": error.symbol}


def prefers_strict(prefer: str) -> bool:
    """Whether a ``Prefer`` header asks for ``handling=strict``."""
    for preference in prefer.split(","):
        name, _, value = preference.split(";")[0].partition("=")
        if name.strip().lower() == "handling":
            return value.strip().strip('"').lower() == "strict"
    return False


def _answer_malformed(request: Any, exception: ValidationError) -> HttpResponse:
    errors = malformed.explain(exception)
    named = "; ".join(f"{error['field']}: {error['message']}" for error in errors[:5])
    return _fail(request, 400, f"The request is malformed. {named}.", {"errors": errors})


def _answer_framework(request: Any, exception: exceptions.APIException) -> HttpResponse:
    headers: dict[str, str] = {}
    if challenge := getattr(exception, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(exception, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait))
    if isinstance(exception, exceptions.MethodNotAllowed):
        headers["Allow"] = ", ".join(request.parser_context["view"].allowed_methods)
    message = str(exception.detail)
    if isinstance(exception, exceptions.UnsupportedMediaType):
        message = "Send the body as JSON, with Content-Type: application/json."
    return _fail(request, exception.status_code, message, headers=headers)

"""Every refusal and failure as an answer: one table from exception to status and code."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from rest_framework import exceptions

from service_kit import request_ids
from strategy_config.api.common import envelope, malformed
from strategy_config.api.common.request_models import MalformedRequestError
from strategy_config.exceptions import ConfigError
from strategy_core.configuration.validation import InvalidParametersError, ParameterError

RETRY_AFTER_SECONDS = 2
_TABLE: Mapping[int, tuple[str, str]] = {
    400: (
        "INVALID_REQUEST",
        "the request is malformed (INVALID_SYMBOL: a symbol is not valid); the message names the member.",
    ),
    401: ("UNAUTHENTICATED", "credentials are missing, unknown, expired or revoked."),
    403: ("FORBIDDEN", "no group of this user has the permission."),
    404: ("NOT_FOUND", "no such strategy, or nothing to delete or restore."),
    405: ("METHOD_NOT_ALLOWED", "the Allow header lists the methods of this address."),
    406: ("NOT_ACCEPTABLE", "only application/json is served."),
    412: ("VERSION_CONFLICT", "If-Match does not match; `details.current_version` is the present version."),
    413: ("TOO_LARGE", "the body is larger than 64 KiB."),
    415: ("UNSUPPORTED_MEDIA_TYPE", "send application/json."),
    422: ("VALIDATION_ERROR", "the parameters were refused; `details.errors` lists every reason."),
    429: ("RATE_LIMITED", "try again after Retry-After seconds."),
    500: ("INTERNAL_ERROR", "a fault of this service; its log has the details under the request id."),
    503: ("STORE_UNAVAILABLE", "nothing was changed; try again after Retry-After seconds."),
}
CODES: Mapping[int, str] = {status: code for status, (code, _) in _TABLE.items()}
MEANINGS: Mapping[int, str] = {status: meaning for status, (_, meaning) in _TABLE.items()}
"""What each status means, for the OpenAPI document: the continuation of its code."""
_OF_OTHERS: Mapping[int, str] = {
    400: "The request is malformed, or its Host header is not in ALLOWED_HOSTS.",
    404: "This address does not exist.",
}
_NOTHING_CHANGED = "Nothing was changed: "
log = structlog.get_logger(__name__)


def answer_exception(exception: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """The answer to whatever a view raised; what is not foreseen is logged and answered 500."""
    request = context["request"]
    if isinstance(exception, ConfigError):
        return _answer_config_error(request, exception)
    if isinstance(exception, InvalidParametersError):
        return _answer_refusal(request, exception)
    if isinstance(exception, MalformedRequestError):
        return _answer_malformed(request, exception)
    if isinstance(exception, Http404):
        return _fail(request, 404, "This address does not exist.")
    if isinstance(exception, PermissionDenied):
        return _fail(request, 403, "You are not allowed to do this.")
    if isinstance(exception, exceptions.APIException):
        return _answer_framework(request, exception)
    return answer_bug(request, exception)


def answer_bug(request: Any, exception: Exception) -> HttpResponse:
    """500, with the details in the log and nowhere else."""
    log.error("request.failed", request_id=request_ids.of(request), exc_info=exception)
    return _fail(request, 500, "Internal error. The log has the details under the request id.")


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


def answer_stopped(request: Any, refusal: Exception, metadata: Mapping[str, Any]) -> HttpResponse:
    """The stop in the request was stored, and the rest of it refused: under the status of refused parameters."""
    code, message, details = _explained(refusal)
    message = message.removeprefix(_NOTHING_CHANGED)
    status, headers = _status_of_refusal(request)
    return envelope.failure(
        request,
        status=status,
        code=code,
        message=f"Stopped. The rest of the request was refused and changed nothing: {message}",
        details=details,
        headers=headers,
        metadata=metadata,
    )


def _explained(refusal: Exception) -> tuple[str, str, Mapping[str, Any]]:
    """Code, message and details of what a request was refused for."""
    if isinstance(refusal, ConfigError):
        return refusal.code, str(refusal), refusal.details
    if isinstance(refusal, InvalidParametersError):
        count = "1 parameter" if len(refusal.errors) == 1 else f"{len(refusal.errors)} parameters"
        message = f"{_NOTHING_CHANGED}{count} refused. {refusal.errors[0].message}"
        return CODES[422], message, {"errors": [render_parameter_error(error) for error in refusal.errors]}
    if isinstance(refusal, MalformedRequestError):
        errors = malformed.explain(refusal)
        named = "; ".join(f"{error['field']}: {error['message']}" for error in errors[:5])
        return CODES[400], f"The request is malformed. {named}.", {"errors": errors}
    raise refusal


def _status_of_refusal(request: Any) -> tuple[int, Mapping[str, str]]:
    """200 as existing clients expect, 422 for clients that ask for strict handling (RFC 7240); with its headers."""
    if prefers_strict(request.META.get("HTTP_PREFER", "")):
        return 422, {"Preference-Applied": "handling=strict"}
    return 200, {}


def _answer_refusal(request: Any, refusal: InvalidParametersError) -> HttpResponse:
    code, message, details = _explained(refusal)
    status, headers = _status_of_refusal(request)
    return envelope.failure(request, status=status, code=code, message=message, details=details, headers=headers)


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


def _answer_malformed(request: Any, refusal: MalformedRequestError) -> HttpResponse:
    _, message, details = _explained(refusal)
    return _fail(request, 400, message, details)


def _answer_framework(request: Any, exception: exceptions.APIException) -> HttpResponse:
    headers: dict[str, str] = {}
    if challenge := getattr(exception, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    wait = getattr(exception, "wait", None)
    retry_after = None if wait is None else int(wait)
    if isinstance(exception, exceptions.MethodNotAllowed):
        headers["Allow"] = ", ".join(request.parser_context["view"].allowed_methods)
    message = str(exception.detail)
    if isinstance(exception, exceptions.UnsupportedMediaType):
        message = "Send the body as JSON, with Content-Type: application/json."
    return envelope.failure(
        request,
        status=exception.status_code,
        code=CODES[exception.status_code],
        message=message,
        details={} if retry_after is None else {"retry_after": retry_after},
        headers=headers,
        retry_after=retry_after,
    )

"""The envelope around every JSON answer of the API.

``{"success": bool, "data": any | null, "error": {"code", "message", "details"} | null, "metadata": {…}}``;
``metadata.request_id`` is always there and equals the ``X-Request-ID`` header.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.http import HttpResponse

from service_kit import request_ids

CONTENT_TYPE = "application/json"
REQUEST_ID_HEADER = "X-Request-ID"
_encoder = msgspec.json.Encoder()


class EnvelopedResponse(HttpResponse):
    """A finished answer of the API: the middleware leaves its body as it is."""


def success(
    request: Any,
    data: Any,
    *,
    headers: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    status: int = 200,
) -> EnvelopedResponse:
    """Answer 200, or another ``status``, with ``data``: anything that msgspec encodes; msgspec.Raw goes as it is."""
    return _respond(request, status, data=data, error=None, metadata=metadata, headers=headers)


def plain(request: Any, data: Any) -> HttpResponse:
    """Answer 200 with ``data`` alone, without the envelope."""
    headers = {REQUEST_ID_HEADER: request_ids.of(request)}
    return HttpResponse(_encoder.encode(data), content_type=CONTENT_TYPE, headers=headers)


def failure(
    request: Any,
    *,
    status: int,
    code: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    retry_after: int | None = None,
) -> EnvelopedResponse:
    """Answer an error; ``code`` is stable, ``message`` is for people, ``retry_after`` are seconds to wait."""
    error = {"code": code, "message": message, "details": dict(details or {})}
    if retry_after is not None:
        headers = {**(headers or {}), "Retry-After": str(retry_after)}
    return _respond(
        request, status, data=None, error=error, metadata=metadata, headers=headers, retry_after=retry_after
    )


def _respond(
    request: Any,
    status: int,
    *,
    data: Any,
    error: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None,
    retry_after: int | None = None,
) -> EnvelopedResponse:
    request_id = request_ids.of(request)
    body = encode(request_id, data=data, error=error, metadata=metadata, retry_after=retry_after)
    return EnvelopedResponse(
        body, status=status, content_type=CONTENT_TYPE, headers={REQUEST_ID_HEADER: request_id, **(headers or {})}
    )


def encode(
    request_id: str,
    *,
    data: Any,
    error: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None = None,
    retry_after: int | None = None,
) -> bytes:
    """The envelope as JSON. ``retry_after`` stands at the top, where clients of the original look for it."""
    members = {
        "success": error is None,
        "data": data,
        "error": error,
        "metadata": {"request_id": request_id, **(metadata or {})},
    }
    return _encoder.encode(members if retry_after is None else {**members, "retry_after": retry_after})

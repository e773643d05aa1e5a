"""``GET …/config[/{symbol}]`` for bearers of a token: answered before Django's other middleware, from stored bytes.

Everything else about these addresses (other methods, sessions, refusals) is `layers.LayerView`, which reads
through the same functions; this is its short cut and must never answer differently.
"""

import re
import time
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import AuthenticationFailed

from realtime_runtime.config import wire
from realtime_runtime.strategies.registry import STRATEGIES
from strategy_config import shared_cache
from strategy_config.api import authentication, documents, envelope
from strategy_config.api.permissions import Permission, anonymous_permissions
from strategy_config.exceptions import StoreUnavailableError

PREFIX = "/api/v1/strategies/"
GLOBAL_ROUTE = "api/v1/strategies/<str:strategy_id>/config"
SYMBOL_ROUTE = "api/v1/strategies/<str:strategy_id>/config/<str:symbol>"
_BODY = (
    b'{"success":true,"data":%b,"error":null,"metadata":'
    b'{"request_id":"%b","cache_hit":%b,"load_time_ms":%.3f,"degraded":%b}}'
)
_PATH = re.compile(PREFIX + r"([a-z_]+)/config(?:/([A-Za-z0-9_]+))?", re.ASCII)


def try_answer(request: HttpRequest) -> HttpResponse | None:
    """The answer, or None where the request is not the plain case; a refusal is never answered here."""
    path = _PATH.fullmatch(request.path_info) if request.method == "GET" else None
    if path is None or not _accepts_json(request.META.get("HTTP_ACCEPT")):
        return None
    strategy_id, symbol = path[1], path[2]
    if symbol is not None:
        symbol = symbol.upper()
        if wire.SYMBOL_PATTERN.fullmatch(symbol) is None:
            return None
    if strategy_id not in STRATEGIES:
        return None
    started = time.perf_counter()
    try:
        fetched = documents.fetch(strategy_id, symbol)
    except shared_cache.SharedCacheUnavailableError:
        return None
    if fetched.identities is None or not _may_view(request, fetched.identities):
        return None
    reading = documents.from_cache(strategy_id, symbol, fetched)
    return None if reading is None else respond(request, reading, started)


def respond(request: Any, reading: documents.Reading, started: float) -> HttpResponse:
    """The envelope around the stored bytes, or 304 where the client has them; ``started`` is of perf_counter."""
    request_id = envelope.request_id_of(request)
    headers = {
        envelope.REQUEST_ID_HEADER: request_id,
        "ETag": reading.etag,
        "Cache-Control": "private, no-cache",
    }
    if_none_match = request.META.get("HTTP_IF_NONE_MATCH")
    if if_none_match is not None and _has_tag(if_none_match, reading.etag):
        return envelope.EnvelopedResponse(status=304, headers=headers)
    body = _BODY % (
        reading.config,
        request_id.encode(),
        b"true" if reading.cache_hit else b"false",
        (time.perf_counter() - started) * 1000,
        b"true" if reading.degraded else b"false",
    )
    return envelope.EnvelopedResponse(body, content_type=envelope.CONTENT_TYPE, headers=headers)


def _may_view(request: HttpRequest, counter: bytes) -> bool:
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is None:
        return not request.META.get("HTTP_COOKIE") and Permission.VIEW in anonymous_permissions()
    try:
        identity = authentication.identify_token(header, counter=counter, method="GET")
    except (AuthenticationFailed, StoreUnavailableError):
        return False
    return Permission.VIEW in identity.permissions


def _accepts_json(accept: str | None) -> bool:
    return accept is None or accept in {"*/*", envelope.CONTENT_TYPE}


def _has_tag(if_none_match: str, etag: str) -> bool:
    """Weak comparison of RFC 9110: any tag of the list, or ``*``."""
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in if_none_match.split(","))

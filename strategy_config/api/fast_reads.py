"""``GET /strategies`` and ``GET …/config[/{symbol}]`` for bearers of a token: answered before Django, from kept bytes.

Everything else about these addresses (other methods, sessions, refusals, identities not yet known) is
`views` and `layer_views`, which read and render through the same functions; this is their short cut and must never
answer differently. It never asks the store. Measured, it costs a third to a half of an empty view behind the
middleware.
"""

import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from rest_framework.exceptions import AuthenticationFailed, Throttled

from service_kit import request_ids
from strategy_config.api import config_answer, strategy_list
from strategy_config.api.common import authentication, envelope, errors, rate_limits
from strategy_config.api.common.permissions import Permission, anonymous_permissions
from strategy_config.exceptions import RedisUnavailableError
from strategy_config.store import circuit_breaker
from strategy_core.market.symbols import is_symbol
from strategy_core.strategies.registry import STRATEGIES

LIST_ROUTE = "api/v1/strategies"
_LIST_PATH = f"/{LIST_ROUTE}"
_PATH = re.compile(r"/api/v1/strategies/([a-z_]+)/config(?:/([A-Za-z0-9_]+))?", re.ASCII)


def try_answer(environ: dict[str, Any]) -> config_answer.FinishedAnswer | None:
    """The answer to a WSGI request, or None where it is not the plain case.

    The one refusal answered here is that of a caller known already who asks too fast.
    """
    if environ["REQUEST_METHOD"] != "GET":
        return None
    if environ["PATH_INFO"] == _LIST_PATH:
        return _try_list(environ) if _is_plain(environ) else None
    path = _PATH.fullmatch(environ["PATH_INFO"])
    if path is None or path[1] not in STRATEGIES or not _is_plain(environ):
        return None
    return _try_config(environ, path[1], path[2])


def _try_list(environ: dict[str, Any]) -> config_answer.FinishedAnswer | None:
    """The list, where it is kept for the sequence that Redis was told last."""
    digest = authentication.remembered_digest(environ)
    if circuit_breaker.STORE.is_open or (digest is None and not _is_anonymous(environ)):
        return None
    take = rate_limits.take_command(rate_limits.caller(digest, environ), rate_limits.LimitedKind.READS)
    try:
        fetched = config_answer.fetch_sequence(take)
    except RedisUnavailableError:
        return None
    if take is not None:
        environ[rate_limits.CHARGED] = True
        if wait := rate_limits.seconds_to_wait(fetched.taken):
            return _refuse(environ, wait, LIST_ROUTE)
    if fetched.identities is None or fetched.sequence is None or not _may_view(environ, digest, fetched.identities):
        return None
    found = strategy_list.recall(fetched.sequence)
    if found is None:
        return None
    request_id = request_ids.choose(environ.get("HTTP_X_REQUEST_ID"))
    headers = {
        "Content-Type": envelope.CONTENT_TYPE,
        envelope.REQUEST_ID_HEADER: request_id,
        "X-Content-Type-Options": "nosniff",
    }
    metadata = {"total_count": found.count, "degraded": False}
    body = envelope.encode(request_id, data=msgspec.Raw(found.body), error=None, metadata=metadata)
    return config_answer.FinishedAnswer(200, headers, body, LIST_ROUTE)


def _try_config(environ: dict[str, Any], strategy_id: str, symbol: str | None) -> config_answer.FinishedAnswer | None:
    started = time.perf_counter()
    if symbol is not None:
        symbol = symbol.upper()
        if not is_symbol(symbol):
            return None
    digest = authentication.remembered_digest(environ)
    if digest is None and not _is_anonymous(environ):
        return None
    take = rate_limits.take_command(rate_limits.caller(digest, environ), rate_limits.LimitedKind.READS)
    try:
        fetched = config_answer.fetch(strategy_id, symbol, take)
    except RedisUnavailableError:
        return None
    if take is not None:
        environ[rate_limits.CHARGED] = True
        if wait := rate_limits.seconds_to_wait(fetched.taken):
            return _refuse(environ, wait, config_answer.GLOBAL_ROUTE if symbol is None else config_answer.SYMBOL_ROUTE)
    if fetched.identities is None or not _may_view(environ, digest, fetched.identities):
        return None
    reading = config_answer.from_cache(strategy_id, symbol, fetched)
    if reading is None:
        return None
    request_id = request_ids.choose(environ.get("HTTP_X_REQUEST_ID"))
    return config_answer.render(reading, request_id, environ.get("HTTP_IF_NONE_MATCH"), started)


def _is_anonymous(environ: Mapping[str, Any]) -> bool:
    return authentication.credential_of(environ) is None and "HTTP_COOKIE" not in environ


def _refuse(environ: Mapping[str, Any], wait: int, route: str) -> config_answer.FinishedAnswer:
    request_id = request_ids.choose(environ.get("HTTP_X_REQUEST_ID"))
    refusal = Throttled(wait)
    error = {
        "code": errors.CODES[refusal.status_code],
        "message": str(refusal.detail),
        "details": {"retry_after": wait},
    }
    headers = {
        "Content-Type": envelope.CONTENT_TYPE,
        envelope.REQUEST_ID_HEADER: request_id,
        "Retry-After": str(wait),
        "X-Content-Type-Options": "nosniff",
    }
    return config_answer.FinishedAnswer(
        refusal.status_code, headers, envelope.encode(request_id, data=None, error=error, retry_after=wait), route
    )


def _is_plain(environ: Mapping[str, Any]) -> bool:
    """Nothing that Django would have to look at: any answer's form, a host of ours. The API is never redirected."""
    accept = environ.get("HTTP_ACCEPT")
    is_any_form = accept is None or accept in {"*/*", envelope.CONTENT_TYPE}
    return is_any_form and not environ.get("QUERY_STRING") and _is_our_host(environ.get("HTTP_HOST", ""))


@lru_cache(maxsize=64)
def _is_our_host(host: str) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _may_view(environ: Mapping[str, Any], digest: str | None, counter: bytes) -> bool:
    """``digest`` is of the request's token or session, None where it has neither."""
    if digest is None:
        return Permission.VIEW in anonymous_permissions(environ)
    if authentication.credential_of(environ) is None:
        return False
    try:
        identity = authentication.recall_token(digest, counter)
    except AuthenticationFailed:
        return False
    return identity is not None and Permission.VIEW in identity.permissions

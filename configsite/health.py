"""Endpoints about the process itself, for orchestrators and people: no authentication, and no API envelope."""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from configsite import metrics
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.history import positions
from strategy_config.redis import redis_client
from strategy_config.selectors import misfits, summaries
from strategy_config.store import transactions
from strategy_core.strategies.registry import STRATEGIES

NAME = "realtime-strategies"
_STARTED = time.monotonic()
SHOWN_MISFITS = 20
ENDPOINTS = {
    "health": "/healthz",
    "readiness": "/ready",
    "metrics": "/metrics",
    "info": "/info",
    "configuration_api": "/api/v1/strategies",
    "api_docs": "/docs",
    "api_schema": "/api/schema/",
    "openapi_spec": "/openapi.json",
    "admin": "/admin/",
}


@require_safe
def root(request: HttpRequest) -> HttpResponse:
    """Sends browsers to the documentation, and gives programs a list of the endpoints."""
    if "text/html" in request.headers.get("Accept", ""):
        return HttpResponseRedirect(ENDPOINTS["api_docs"])
    version = settings.SPECTACULAR_SETTINGS["VERSION"]
    return JsonResponse({"service": NAME, "version": version, "status": "running", "endpoints": ENDPOINTS})


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process is up."""
    return JsonResponse(
        {
            "status": "healthy",
            "version": settings.SPECTACULAR_SETTINGS["VERSION"],
            "uptime_seconds": round(time.monotonic() - _STARTED, 3),
            "checks": {"server_running": True},
        }
    )


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 while configuration can be read ("degraded" if the database or Redis is down); 503 if both are down."""
    store = _probe(positions.chain_head, StoreUnavailableError)
    redis = _probe(_ask_redis, RedisUnavailableError)
    working = [part["status"] == "ok" for part in (store, redis)]
    status = "ready" if all(working) else "degraded" if any(working) else "unavailable"
    answer = {"status": status, "ready": any(working), "store": store, "redis": redis, "configuration": _misfits()}
    return JsonResponse(answer, status=200 if any(working) else 503)


@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """Metrics for Prometheus."""
    text, content_type = metrics.exposition()
    return HttpResponse(text, content_type=content_type)


@require_safe
def info(request: HttpRequest) -> HttpResponse:
    """The service, its endpoints, and the state of its environment. Values of variables are not shown."""
    environment = settings.STRATEGY_ENVIRONMENT
    enabled_strategies = _enabled_strategies()
    return JsonResponse(
        {
            "service": {
                "name": NAME,
                "version": settings.SPECTACULAR_SETTINGS["VERSION"],
                "description": settings.SPECTACULAR_SETTINGS["TITLE"],
            },
            "environment": {"environment": settings.ENVIRONMENT, "log_level": settings.LOGGING["level"]},
            "strategies": {"enabled": enabled_strategies},
            "endpoints": ENDPOINTS,
            "configuration": {
                "enabled_strategies": enabled_strategies,
                "config": {
                    "environment": settings.ENVIRONMENT,
                    "api_anonymous": ", ".join(map(str, settings.API_ANONYMOUS)) or "none",
                    "redis_key_prefix": settings.REDIS_KEY_PREFIX,
                    "cache_ttl_seconds": settings.CONFIG_CACHE_TTL_SECONDS,
                    "conflict_check_services": sorted(settings.CONFLICT_CHECK_URLS),
                    "environment_problems": [
                        {"strategy_id": strategy_id, "variable": problem.variable, "message": problem.message}
                        for strategy_id in STRATEGIES
                        for problem in environment[strategy_id].problems
                    ],
                    "misfits": _misfits(),
                    "unread_variables": [
                        {"variable": each.variable, "message": each.message} for each in settings.UNREAD_VARIABLES
                    ],
                },
            },
        }
    )


def _probe(ask: Callable[[], object], failure: type[Exception]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        ask()
    except failure:
        status = "unavailable"
    else:
        status = "ok"
    return {"status": status, "latency_ms": round((time.perf_counter() - started) * 1000, 3)}


def _misfits() -> dict[str, Any]:
    """The stored values that are not in force, by name only: the caller is unknown."""
    try:
        with transactions.quickly():
            found = misfits.current()
    except StoreUnavailableError:
        return {"status": "unknown"}
    return {
        "status": "ok" if not (found.layers or found.removed_strategies) else "warning",
        "refused_count": found.refused_count,
        "refused": [
            {**layer.key._asdict(), "parameter": each.parameter, "layer": each.layer}
            for layer in found.layers[:SHOWN_MISFITS]
            for each in layer.refused
        ],
        "removed_strategies": found.removed_strategies,
    }


def _ask_redis() -> None:
    redis_client.run(lambda client: client.ping(), is_patient=True)


def _enabled_strategies() -> list[str]:
    """According to the database, or to the environment alone while the database is unreachable."""
    try:
        return [summary.strategy_id for summary in summaries.strategy_summaries(timezone.now()) if summary.enabled]
    except StoreUnavailableError:
        return [strategy_id for strategy_id in STRATEGIES if settings.STRATEGY_ENVIRONMENT[strategy_id].enabled]

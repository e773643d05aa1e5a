"""Prometheus metrics of the site: requests by route, method and status. All labels are bounded."""

import os
import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_requests = Counter("http_requests_total", "Answered requests.", ["route", "method", "status"])
_duration = Histogram("http_request_duration_seconds", "Time to answer.", ["route", "method"], buckets=_BUCKETS)


class RequestMetrics:
    """Counts and times every request by the template of its route, never by its path."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The answer, unchanged."""
        started = time.perf_counter()
        response = self._get_response(request)
        route = UNMATCHED if request.resolver_match is None else request.resolver_match.route
        method = request.method if request.method in _METHODS else "OTHER"
        observe(route, method, response.status_code, time.perf_counter() - started)
        return response


def observe(route: str, method: str, status: int, seconds: float) -> None:
    """Count and time one answered request."""
    _requests.labels(route, method, status).inc()
    _duration.labels(route, method).observe(seconds)


def exposition() -> tuple[bytes, str]:
    """(text, content type). With PROMETHEUS_MULTIPROC_DIR set, of all worker processes together."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # has no type hints
    return generate_latest(registry), CONTENT_TYPE_LATEST

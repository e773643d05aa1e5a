"""Prometheus metrics of the site: requests by route, method and status, and how far Redis follows the database.

All labels are bounded. Metrics of one part of the app are declared where they are counted.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache

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
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service_kit import tracing
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.history import positions
from strategy_config.observed import runtimes
from strategy_config.publication import publisher
from strategy_config.selectors import misfits
from strategy_config.store import transactions

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
        observe(route, request.method or "", response.status_code, time.perf_counter() - started)
        return response


def observe(route: str, method: str, status: int, seconds: float) -> None:
    """Count and time one answered request, and describe it in its span."""
    method = method if method in _METHODS else "OTHER"
    requests, duration = _of(route, method, status)
    requests.inc()
    duration.observe(seconds)
    if tracing.is_on():
        tracing.describe(f"{method} {route}", {"http.route": route, "http.response.status_code": status})


@lru_cache(maxsize=4_096)
def _of(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """Cached, because looking the two up costs as much as counting."""
    return _requests.labels(route, method, status), _duration.labels(route, method)


class SharedState(Collector):
    """State that all processes see alike, read at each scrape. An unreachable server shows no sequence."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The sequences of database, Redis and relay, whether they answer, and the number of live runtimes."""
        connected = GaugeMetricFamily("configsite_connected", "Whether it answers.", labels=["to"])
        sequence = GaugeMetricFamily(
            "configsite_sequence",
            "Last change: stored, published in Redis, announced to other services.",
            labels=["in"],
        )
        alive = GaugeMetricFamily("configsite_runtimes", "Runtimes whose heartbeat is in Redis.")
        refused = GaugeMetricFamily("configsite_refused_values", "Stored values that do not fit and are not in force.")
        try:
            with transactions.quickly():
                sequence.add_metric(["relay"], positions.relayed_sequence())
                sequence.add_metric(["store"], positions.last_sequence())
            connected.add_metric(["store"], 1)
            with suppress(StoreUnavailableError):
                # After a change this reads every layer: being late says nothing about the database.
                refused.add_metric([], misfits.current().refused_count)
        except StoreUnavailableError:
            connected.add_metric(["store"], 0)
        try:
            sequence.add_metric(["redis"], publisher.last_published())
            alive.add_metric([], len(runtimes.live_runtimes()))
            connected.add_metric(["redis"], 1)
        except RedisUnavailableError:
            connected.add_metric(["redis"], 0)
        yield from (connected, sequence, alive, refused)


def exposition() -> tuple[bytes, str]:
    """(text, content type). With PROMETHEUS_MULTIPROC_DIR set, of all worker processes together."""
    registry = CollectorRegistry()
    registry.register(SharedState())
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # has no type hints
        return generate_latest(registry), CONTENT_TYPE_LATEST
    return generate_latest(registry) + generate_latest(REGISTRY), CONTENT_TYPE_LATEST

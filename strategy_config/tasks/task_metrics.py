"""Metrics of the scheduled tasks. Imported by the worker only; elsewhere these gauges would never be updated."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

from service_kit import tracing
from service_kit.timings import CALL_BOUNDS

Outcome = Literal["done", "postponed"]
"""Postponed: the database or Redis is down; the next run catches up."""

_runs = Counter("configsite_task_runs", "Runs of the scheduled tasks: done, postponed, failed.", ["task", "outcome"])
_seconds = Histogram("configsite_task_seconds", "Time of a run of a task.", ["task"], buckets=(*CALL_BOUNDS, 60.0))
_done_at = Gauge("configsite_task_done_timestamp_seconds", "When the task last completed its work.", ["task"])
audit_intact = Gauge("configsite_audit_intact", "1: the whole history verified at its last check; 0: a row did not.")
redis_may_evict = Gauge("configsite_redis_may_evict", "Whether maxmemory-policy lets Redis evict keys.")
redis_may_evict.set(float("nan"))
# Unknown until the first check.
audit_intact.set(float("nan"))


def measured(task: Callable[[], Outcome]) -> Callable[[], Outcome]:
    """Count, time and trace the runs of a task."""
    name = task.__name__
    # From the start on, so that Prometheus sees the first failure as a rise.
    _runs.labels(name, "failed")

    @wraps(task)
    def run() -> Outcome:
        started = time.perf_counter()
        outcome: str = "failed"
        try:
            with tracing.span(f"task.{name}"):
                outcome = answer = task()
        finally:
            _seconds.labels(name).observe(time.perf_counter() - started)
            _runs.labels(name, outcome).inc()
        if answer == "done":
            _done_at.labels(name).set_to_current_time()
        return answer

    return run

"""What other services hold against a change: all asked in parallel, two seconds in all."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import msgspec
import structlog
import urllib3
from django.conf import settings

from realtime_runtime.config import wire

LIMIT_SECONDS = 2.0
MAX_ANSWER_BYTES = 256 * 1024
MAX_THREADS = 8
MAX_TEXT = 500
_log = structlog.get_logger(__name__)


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """One objection of one service."""

    service: str
    conflict_type: str
    description: str
    resolution: str


class _PeerError(msgspec.Struct):
    message: str
    code: str = "VALIDATION_ERROR"
    field: str | None = None
    suggested_value: Any = None


class _PeerConflict(msgspec.Struct):
    conflict_type: str = "CONFLICT"
    description: str = ""
    resolution: str = ""


class _PeerReport(msgspec.Struct):
    errors: list[_PeerError] = []
    conflicts: list[_PeerConflict] = []


class _PeerAnswer(msgspec.Struct):
    data: _PeerReport


_pool = urllib3.PoolManager(
    num_pools=MAX_THREADS, maxsize=MAX_THREADS, retries=False, timeout=urllib3.Timeout(total=LIMIT_SECONDS)
)
_threads = ThreadPoolExecutor(max_workers=MAX_THREADS, thread_name_prefix="conflict-check")
_decoder = msgspec.json.Decoder(_PeerAnswer)


def find_conflicts(
    *, strategy_id: str, symbol: str | None, parameters: Mapping[str, Any]
) -> tuple[list[Conflict], list[str]]:
    """(objections, warnings): a service that does not answer in time, or not sensibly, is a warning."""
    services: Mapping[str, str] = settings.CONFLICT_CHECK_URLS
    if not services:
        return [], []
    body = msgspec.json.encode({"strategy_id": strategy_id, "symbol": symbol, "parameters": parameters})
    asked = {name: _threads.submit(_ask, url, body) for name, url in services.items()}
    wait(asked.values(), timeout=LIMIT_SECONDS)
    conflicts: list[Conflict] = []
    warnings: list[str] = []
    for name, answer in asked.items():
        problem = _problem(answer)
        if problem is None:
            conflicts.extend(_objections(name, answer.result()))
        else:
            answer.cancel()
            _log.warning("conflict_check.unanswered", service=name, error=problem)
            warnings.append(f"{name} could not be asked for conflicts: {problem}.")
    return conflicts, warnings


def _ask(url: str, body: bytes) -> _PeerReport:
    response = _pool.request(
        "POST",
        f"{url.rstrip('/')}/api/v1/config/validate",
        body=body,
        headers={"Content-Type": "application/json", "Accept": "application/json"},
        redirect=False,
        preload_content=False,
    )
    try:
        answer = response.read(MAX_ANSWER_BYTES + 1)
    finally:
        response.release_conn()
    if response.status != 200 or len(answer) > MAX_ANSWER_BYTES:
        raise ValueError(f"it answered {response.status} with {len(answer)} bytes")
    return _decoder.decode(answer).data


def _problem(answer: Future[_PeerReport]) -> str | None:
    """Why the service has no say, None where it has; never the service's own words."""
    if not answer.done():
        return f"no answer within {LIMIT_SECONDS:g} s"
    exception = answer.exception()
    if exception is None:
        return None
    if isinstance(exception, wire.UNREADABLE):
        return "its answer is not understood"
    return str(exception) if isinstance(exception, ValueError) else "it cannot be reached"


def _objections(service: str, report: _PeerReport) -> list[Conflict]:
    errors = [
        Conflict(
            service=service,
            conflict_type=error.code[:MAX_TEXT],
            description=error.message[:MAX_TEXT],
            resolution=""
            if error.suggested_value is None
            else f"Set {error.field or 'the parameter'} to {error.suggested_value}."[:MAX_TEXT],
        )
        for error in report.errors
    ]
    conflicts = [
        Conflict(
            service=service,
            conflict_type=conflict.conflict_type[:MAX_TEXT],
            description=conflict.description[:MAX_TEXT],
            resolution=conflict.resolution[:MAX_TEXT],
        )
        for conflict in report.conflicts
    ]
    return errors + conflicts

"""Separate threads for each kind of request, so that no kind can exhaust the threads of another."""

import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import structlog

LIVENESS_THREADS = 2
PROBE_THREADS = 3
STOP_THREADS = 8
WAIT_THREADS = 32
DOCUMENT_THREADS = 2
# These, plus two that bring requests to their lanes.
RESERVED_THREADS = LIVENESS_THREADS + PROBE_THREADS + STOP_THREADS + WAIT_THREADS + DOCUMENT_THREADS + 2
_STOPS = re.compile(r"/api/v1/(?:halt|strategies/[^/]+/disable)|/admin/(?:.+/)?(?:switch|switch-all|halts)/", re.ASCII)
# Calls other services, which may be slow.
_CHECK = "/api/v1/config/validate"
_DOCUMENTS = frozenset({"/api/schema/", "/openapi.json"})
_PROBES = frozenset({"/ready", "/metrics", "/info"})
log = structlog.get_logger(__name__)


def is_stop(method: str, path: str) -> bool:
    """Whether the address of a request is one that stops something."""
    return method != "GET" and _STOPS.fullmatch(path) is not None


class Lane:
    """Runs work in its callers' threads, at most ``limit`` at a time; the rest waits in order of arrival."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def enter(self, work: Callable[[], None]) -> None:
        """Run it now, and then the work that has arrived since; or leave it to a thread that is already in here."""
        with self._lock:
            if self._running >= self.limit:
                self._waiting.append(work)
                return
            self._running += 1
        while True:
            try:
                work()
            except Exception:
                # The thread continues with the next request.
                log.exception("request.lost")
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                work = self._waiting.popleft()


class Lanes:
    """The lanes of a worker process; ``threads`` are those for whatever is neither a probe, nor a stop, nor a wait."""

    def __init__(self, threads: int) -> None:
        self.liveness = Lane(LIVENESS_THREADS)
        self.probes = Lane(PROBE_THREADS)
        self.stops = Lane(STOP_THREADS)
        self.others = Lane(threads)
        # A request that waits for runtimes, for changes or for other services holds an idle thread for seconds.
        self.waits = Lane(WAIT_THREADS)
        # The first request generates the document, which takes seconds; the others wait for it.
        self.documents = Lane(DOCUMENT_THREADS)

    def of(self, environ: Mapping[str, Any]) -> Lane:
        """Where a request runs."""
        path = environ["PATH_INFO"]
        if path == "/healthz":
            return self.liveness
        if path in _PROBES:
            return self.probes
        if is_stop(environ["REQUEST_METHOD"], path):
            return self.stops
        if path in _DOCUMENTS:
            return self.documents
        return self.waits if path == _CHECK or "wait" in environ["QUERY_STRING"] else self.others

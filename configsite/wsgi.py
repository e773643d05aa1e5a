"""The site as a WSGI application, for granian."""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "configsite.settings.base")

# A writer releases the interpreter lock at every database statement; with Python's default of 5 ms it then waits that
# long for each other busy thread, while all other writers wait for it.
sys.setswitchinterval(0.0005)
_site = get_wsgi_application()

from configsite import environment_log, metrics  # noqa: E402  (needs Django to be set up)
from service_kit import tracing  # noqa: E402  (as above)
from strategy_config.api import fast_reads  # noqa: E402  (as above)
from strategy_config.history import store_watch  # noqa: E402  (as above)

store_watch.start()
tracing.start(settings.PROCESS_ENVIRONMENT, service="realtime-strategies-web")
environment_log.log_environment()

# Objects loaded by now stay loaded: without them a full collection stops all threads for some milliseconds instead of a
# hundred. The first request would load the views.
import_module(settings.ROOT_URLCONF)
gc.collect()
gc.freeze()

_STATUS_LINES = {status: f"{status} {HTTPStatus(status).phrase}" for status in (200, 304, 429)}


def _respond(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The fast path if it has an answer, otherwise Django's application.

    A complete answer is returned as a list of its bytes: granian sends a list in one piece with
    its length, and anything else in chunks.
    """
    started = time.perf_counter()
    answer = fast_reads.try_answer(environ)
    if answer is not None:
        start_response(_STATUS_LINES[answer.status], list(answer.headers.items()))
        metrics.observe(answer.route, "GET", answer.status, time.perf_counter() - started)
        return [answer.body]
    response: Any = _site(environ, start_response)
    if response.streaming:
        return response  # type: ignore[no-any-return]  # an iterable response, by Django's contract
    try:
        return [response.content]
    finally:
        response.close()


def _respond_traced(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Like `_respond`, in a span that continues the caller's trace."""
    method, parent = environ["REQUEST_METHOD"], environ.get("HTTP_TRACEPARENT")
    attributes = {"http.request.method": method, "url.path": environ["PATH_INFO"]}
    with tracing.span(method, kind="server", parent=parent, attributes=attributes):
        return _respond(environ, start_response)


application = _respond_traced if tracing.is_on() else _respond

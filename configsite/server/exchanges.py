"""One request and its answer, between granian and a WSGI application."""

import io
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from whitenoise.responders import SlicedFile

from configsite import metrics
from configsite.server.environs import environ_of
from service_kit import request_ids
from strategy_config.api.common import envelope, errors

API_PREFIX = "/api/v1/"
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
log = structlog.get_logger(__name__)


class Exchange:
    """A request, to be answered once. ``watcher`` is granian's, with RSGI's ``scope`` and ``proto``."""

    __slots__ = ("_started", "_watcher", "environ", "protocol")

    def __init__(self, watcher: Any) -> None:
        self._started = time.perf_counter()
        self._watcher = watcher
        self.protocol = watcher.proto
        self.environ = environ_of(watcher.scope)

    def answer(self, application: Application, body: bytes) -> None:
        """Answer with the application's answer to this body. Any exception is logged and answered with 500."""
        try:
            self.environ["wsgi.input"] = io.BytesIO(body)
            head = _Head()
            content = application(self.environ, head)
            if isinstance(content, list):
                self.protocol.response_bytes(head.status, head.headers, b"".join(content))
            else:
                _stream(self.protocol, head, content)
        except Exception:
            log.exception("request.failed", method=self.environ["REQUEST_METHOD"], path=self.environ["PATH_INFO"])
        finally:
            self.end()

    def refuse(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer with an error without calling the application, in the format of this address; closes the
        connection."""
        answer_headers = {"Content-Type": "text/plain", "Connection": "close", **(headers or {})}
        body = f"{message}\n".encode()
        if self.environ["PATH_INFO"].startswith(API_PREFIX):
            request_id = request_ids.choose(self.environ.get("HTTP_X_REQUEST_ID"))
            error = {"code": errors.CODES.get(status, errors.CODES[400]), "message": message, "details": {}}
            body = envelope.encode(request_id, data=None, error=error)
            answer_headers |= {"Content-Type": envelope.CONTENT_TYPE, envelope.REQUEST_ID_HEADER: request_id}
        self.protocol.response_bytes(status, list(answer_headers.items()), body)
        seconds = time.perf_counter() - self._started
        metrics.observe(metrics.UNMATCHED, self.environ["REQUEST_METHOD"], status, seconds)
        self.end()

    def end(self) -> None:
        """Signal the end of the answer to granian: 500 if there was no answer at all."""
        self._watcher.done()


class _Head:
    """WSGI's ``start_response``."""

    __slots__ = ("headers", "status")

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[str, str]] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        self.status = int(status[:3])
        self.headers = headers


def _stream(protocol: Any, head: _Head, response: Any) -> None:
    """A streaming response of Django's: a file by its name, so that a slow reader costs neither thread nor memory."""
    try:
        file = getattr(response, "file_to_stream", None)
        if isinstance(file, SlicedFile):
            start = file.fileobj.tell()
            protocol.response_file_range(head.status, head.headers, file.fileobj.name, start, start + file.remaining)
        elif isinstance(file, io.BufferedReader):
            protocol.response_file(head.status, head.headers, file.name)
        else:
            transport = protocol.response_stream(head.status, head.headers)
            for part in response:
                # Raises if the client has disconnected.
                next(transport.send_bytes(part), None)
    finally:
        response.close()

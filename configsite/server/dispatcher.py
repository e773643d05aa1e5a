"""From granian's request to the application's answer: which requests may send a body, and where each waits."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from configsite.body_limit import MAX_BYTES
from configsite.server import callers
from configsite.server.bodies import Deadlines, Failure, Received, Upload
from configsite.server.exchanges import API_PREFIX, Application, Exchange
from configsite.server.lanes import Lane, Lanes
from strategy_config.api.common.parsing import MAX_BODY_BYTES

# A form or a change over the API; a larger body is accepted only from users with a valid session.
SMALL_BYTES = MAX_BODY_BYTES
SMALL_SECONDS = 10.0
LARGE_SECONDS = 30.0
MAX_DISCARDED_BYTES = 2 * MAX_BYTES
REST_SECONDS = 5.0
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
log = structlog.get_logger(__name__)


class Dispatcher:
    """Called by granian with each request, in one of its threads; answers all of them, and never raises."""

    def __init__(self, application: Application, threads: int) -> None:
        self._application = application
        self._lanes = Lanes(threads)
        self._small, self._large, self._rests = (Deadlines(s) for s in (SMALL_SECONDS, LARGE_SECONDS, REST_SECONDS))

    def __call__(self, watcher: Any) -> None:
        """Handle a request; ``watcher`` is granian's."""
        try:
            self._take(Exchange(watcher))
        except Exception:
            log.exception("request.lost")
            watcher.done()

    def end(self) -> None:
        """Stop waiting for bodies, so that the process can end; requests in progress are still answered."""
        for deadlines in (self._small, self._large, self._rests):
            deadlines.end()

    def _take(self, exchange: Exchange) -> None:
        environ = exchange.environ
        lane = self._lanes.of(environ)
        length = _length(environ)
        if length == 0:
            lane.enter(partial(exchange.answer, self._application, b""))
        elif _is_unread(environ, length):
            lane.enter(partial(self._answer_unread, exchange))
        elif length is None or length <= SMALL_BYTES:
            self._receive(exchange, lane, length)
        else:
            lane.enter(partial(self._receive_large, exchange, lane, length))

    def _receive(self, exchange: Exchange, lane: Lane, length: int | None) -> None:
        on_end = partial(self._received, exchange, lane)
        self._small.start(Upload(exchange.protocol, length=length, limit=SMALL_BYTES, on_end=on_end))

    def _receive_large(self, exchange: Exchange, lane: Lane, length: int) -> None:
        """In a thread of its lane, to look the session up."""
        try:
            if callers.has_session(exchange.environ):
                on_end = partial(self._received, exchange, lane)
                self._large.start(Upload(exchange.protocol, length=length, limit=MAX_BYTES, on_end=on_end))
            else:
                self._discard(exchange)
                exchange.refuse(
                    413, f"Log in first: a body larger than {SMALL_BYTES} bytes is read only after a login."
                )
        except Exception:
            log.exception("request.lost")
            exchange.end()

    def _received(self, exchange: Exchange, lane: Lane, received: Received) -> None:
        """In any thread; LATE in that of the deadlines."""
        if isinstance(received, bytes):
            exchange.environ["CONTENT_LENGTH"] = str(len(received))
            exchange.environ.pop("HTTP_TRANSFER_ENCODING", None)
            lane.enter(partial(exchange.answer, self._application, received))
        elif received is Failure.LATE:
            exchange.refuse(408, "The body did not arrive in time: send it at once.")
        elif received is Failure.TOO_LARGE:
            exchange.refuse(413, f"The body is larger than {SMALL_BYTES} bytes, or arrives in too many pieces.")
        else:
            exchange.end()

    def _answer_unread(self, exchange: Exchange) -> None:
        self._discard(exchange)
        exchange.answer(self._application, b"")

    def _discard(self, exchange: Exchange) -> None:
        """Receive and discard the rest: a client that cannot send it might not read the answer."""
        self._rests.start(Upload(exchange.protocol, length=None, limit=MAX_DISCARDED_BYTES, on_end=None))


def _length(environ: Mapping[str, Any]) -> int | None:
    """The length of the body, None where it comes in chunks. 0 also for a length that Django will refuse."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    declared: str = environ.get("CONTENT_LENGTH", "")
    return int(declared) if declared.isdigit() else 0


def _is_unread(environ: Mapping[str, Any], length: int | None) -> bool:
    """Whether the answer is the same whatever the body is."""
    if environ["REQUEST_METHOD"] in _BODILESS:
        return True
    if not environ["PATH_INFO"].startswith(API_PREFIX):
        return length is not None and length > MAX_BYTES
    return (length is not None and length > MAX_BODY_BYTES) or not callers.may_use_api(environ)

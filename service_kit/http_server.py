"""The small HTTP server for probes and metrics of processes other than the web.

A connection carries one request, and always ends after CONNECTION_SECONDS: a slow client costs a socket for that long,
and nothing else.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

SHUTDOWN_SECONDS = 1.0
START_SECONDS = 10.0
# Head, body, answer, and whatever the client still sends.
CONNECTION_SECONDS = 15.0
LINGERING_SECONDS = 2.0
# Beyond this number the oldest connection is closed, so that new clients are answered.
MAX_CONNECTIONS = 256
BACKLOG = 1_024
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpServer:
    """Serves on all interfaces (probes come from outside the pod); ``port`` is the one it listens on once started.

    /healthz (the process is alive) is built in; ``answers`` has the answers to the other paths.
    """

    def __init__(self, port: int, answers: Mapping[str, Answer], *, posts: Mapping[str, Answer] | None = None) -> None:
        """``posts`` are the answers to POST, which no GET reaches."""
        application = web.Application()
        application.add_routes([web.get(path, answer) for path, answer in {"/healthz": _healthz, **answers}.items()])
        application.add_routes([web.post(path, answer) for path, answer in (posts or {}).items()])
        application.on_response_prepare.append(_end_with_this)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=_logger,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_SECONDS,
            lingering_time=LINGERING_SECONDS,
        )
        self._server: asyncio.Server | None = None
        self._connections = _Connections()
        self.port = port

    async def start(self) -> None:
        """Listen; raises OSError where the port is taken."""
        await self._runner.setup()
        make_handler = cast(Callable[[], asyncio.Protocol], self._runner.server)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _Connection(make_handler(), self._connections),
                "0.0.0.0",  # noqa: S104  # see the class
                self.port,
                backlog=BACKLOG,
                reuse_address=True,
            )
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop the server; requests in progress get a second."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    def start_in_thread(self) -> None:
        """Serve in a separate thread until the process ends, for processes without an event loop; raises OSError."""
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="http-server", daemon=True).start()
        asyncio.run_coroutine_threadsafe(self.start(), loop).result(START_SECONDS)


class _Connections:
    """Those that are open, the oldest first."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Transport, asyncio.TimerHandle] = {}

    def add(self, transport: asyncio.Transport) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            oldest = next(iter(self._open))
            self.remove(oldest)
            oldest.abort()
        self._open[transport] = asyncio.get_running_loop().call_later(CONNECTION_SECONDS, transport.abort)

    def remove(self, transport: asyncio.Transport) -> None:
        if (deadline := self._open.pop(transport, None)) is not None:
            deadline.cancel()


class _Connection(asyncio.Protocol):
    """Passes everything on to aiohttp's protocol."""

    def __init__(self, handler: asyncio.Protocol, connections: _Connections) -> None:
        self._connections = connections
        self._handler = handler

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self._transport)
        self._handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self._transport)
        self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()


async def _end_with_this(request: web.Request, response: web.StreamResponse) -> None:
    response.force_close()
    # aiohttp has already processed the header.
    response.headers["Connection"] = "close"


def _is_of_ours(record: logging.LogRecord) -> bool:
    """Whether the line says anything about this process: any client can send bytes that are not HTTP, which would fill
    the log."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


_logger = logging.getLogger(__name__)
_logger.addFilter(_is_of_ours)


async def _healthz(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})

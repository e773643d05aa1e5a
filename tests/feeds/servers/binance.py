"""A server that speaks Binance's protocol: combined streams with control messages, limits and pings, REST depth.

It enforces what the exchange enforces and notes each violation; tests tell it to fail in the ways in which it fails.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from aiohttp import WSCloseCode, WSMsgType, web

CONTROL_MESSAGES_A_SECOND = 5
STREAMS_A_CONNECTION = 1024
BOOK_TYPES = ("depth", "bookTicker")


class Connection:
    """One client's connection, with what it has subscribed to."""

    def __init__(self, socket: web.WebSocketResponse, endpoint: str) -> None:
        self.socket = socket
        self.endpoint = endpoint
        self.streams: set[str] = set()
        self.requests: list[dict[str, Any]] = []
        self.control_times: deque[float] = deque(maxlen=CONTROL_MESSAGES_A_SECOND + 1)
        self.pongs: list[bytes] = []

    def serves(self, stream: str) -> bool:
        """Whether a message of the stream goes to this client: futures serve books and all else at two places."""
        if stream not in self.streams:
            return False
        is_book = stream.partition("@")[2].startswith(BOOK_TYPES)
        return self.endpoint == "" or is_book == (self.endpoint == "public")


class SimulatedBinance:
    """Runs on a free port. ``url`` for websockets (spot; ``/public`` and ``/market`` for futures), ``rest_url``."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.opened = 0
        self.violations: list[str] = []
        self.refusals: deque[tuple[int, dict[str, str]]] = deque()
        self.refused = 0
        self.subscription_error: dict[str, Any] | None = None
        self.is_deaf = False
        self.snapshots: dict[str, bytes] = {}
        self.snapshot_requests: list[dict[str, str]] = []
        self.messages_sent = 0
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        for endpoint in ("", "/public", "/market"):
            app.router.add_get(f"{endpoint}/stream", self._stream)
        app.router.add_get("/api/v3/depth", self._depth)
        app.router.add_get("/fapi/v1/depth", self._depth)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._runner is not None
        await self.drop()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def streams(self) -> list[str]:
        """All that is subscribed to now."""
        return sorted(stream for connection in self.connections for stream in connection.streams)

    async def send(self, stream: str, data: dict[str, Any]) -> int:
        """Send a message to whoever has subscribed to it; returns to how many."""
        return await self.send_line(stream, json.dumps({"stream": stream, "data": data}, separators=(",", ":")))

    async def send_line(self, stream: str, line: str) -> int:
        """Send a message as it stands, to whoever has subscribed to its stream."""
        takers = [connection for connection in self.connections if connection.serves(stream)]
        for connection in takers:
            await self._send(connection, line)
        self.messages_sent += bool(takers)
        return len(takers)

    async def send_raw(self, text: str | bytes) -> None:
        """Send anything to everybody."""
        for connection in list(self.connections):
            if isinstance(text, bytes):
                await connection.socket.send_bytes(text)
            else:
                await self._send(connection, text)

    async def drop(self) -> None:
        """Cut every connection off, without a goodbye."""
        for connection in list(self.connections):
            transport = connection.socket._req.transport if connection.socket._req else None
            if transport is not None:
                transport.abort()
        self.connections.clear()

    @contextmanager
    def refusing(self, status: int, headers: dict[str, str] | None = None) -> Iterator[None]:
        """Refuse every request while the context lasts."""
        self.refusals.append((status, headers or {}))
        yield
        self.refusals.clear()

    async def _send(self, connection: Connection, text: str) -> None:
        try:
            await connection.socket.send_str(text)
        except (ConnectionError, RuntimeError):
            if connection in self.connections:
                self.connections.remove(connection)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.refusals:
            self.refused += 1
            status, headers = self.refusals[0]
            return web.Response(status=status, headers=headers)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        connection = Connection(socket, request.path.removesuffix("/stream").removeprefix("/"))
        self.connections.append(connection)
        self.opened += 1
        async for message in socket:
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                connection.pongs.append(bytes(message.data))
            elif message.type is WSMsgType.TEXT and not self.is_deaf:
                await self._control(connection, json.loads(message.data))
        if connection in self.connections:
            self.connections.remove(connection)
        return socket

    async def _control(self, connection: Connection, message: dict[str, Any]) -> None:
        now = time.monotonic()
        times = connection.control_times
        times.append(now)
        if len(times) > CONTROL_MESSAGES_A_SECOND and now - times[0] < 1.0:
            self.violations.append("too many control messages")
            await connection.socket.close(code=WSCloseCode.POLICY_VIOLATION)
            return
        connection.requests.append(message)
        names = set(message["params"])
        if message["method"] == "SUBSCRIBE":
            connection.streams |= names
        else:
            connection.streams -= names
        if len(connection.streams) > STREAMS_A_CONNECTION:
            self.violations.append("too many streams")
        answer = {"result": None, "id": message["id"]}
        if self.subscription_error is not None:
            answer = {"error": self.subscription_error, "id": message["id"]}
        await self._send(connection, json.dumps(answer))

    async def _depth(self, request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        self.snapshot_requests.append(dict(request.query))
        if self.refusals:
            status, headers = self.refusals.popleft()
            return web.Response(status=status, headers=headers)
        body = self.snapshots.get(request.query["symbol"])
        if body is None:
            return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
        return web.Response(body=body, content_type="application/json")

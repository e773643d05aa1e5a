"""A small HTTP/1.1 load generator: raw keep-alive connections, one request in flight on each.

Written for this purpose because a general client costs more CPU a request than the server under test, and client and
server share two cores here. It reads just enough HTTP to find where an answer ends, and checks every status.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(slots=True)
class Load:
    """What one run measured. ``latencies_ms`` has one entry a request, in order of completion."""

    seconds: float
    latencies_ms: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies_ms) / self.seconds

    def percentile(self, percent: float) -> float:
        """The latency, in ms, that ``percent`` of the requests did not exceed."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def get_request(path: str, *, host: str, token: str | None = None, headers: str = "") -> bytes:
    """The bytes of a GET."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}{headers}\r\n".encode()


def json_request(method: str, path: str, body: bytes, *, host: str, token: str) -> bytes:
    """The bytes of a request with a JSON body."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is complete."""

    def __init__(self, next_request: Callable[[], bytes | None], load: Load, expected_status: bytes) -> None:
        self._next_request = next_request
        self._load = load
        self._expected = b"HTTP/1.1 " + expected_status
        self._received = bytearray()
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance.
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        head_end = received.find(_HEAD_END)
        if head_end < 0:
            return
        head = bytes(received[:head_end]).lower()
        at = head.find(_LENGTH)
        length = 0 if at < 0 else int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
        if len(received) < head_end + 4 + length:
            return
        if not received.startswith(self._expected):
            self._fail(RuntimeError(f"unexpected answer: {bytes(received[:400])!r}"))
            return
        self._load.latencies_ms.append((time.perf_counter() - self._sent_at) * 1000)
        self._load.bodies[:] = [bytes(received[head_end + 4 :])]
        received.clear()
        self._send()

    def connection_lost(self, exception: Exception | None) -> None:
        self._fail(exception or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        request = self._next_request()
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _fail(self, exception: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(exception)
        self._transport.close()


def run_load(
    host: str, port: int, make_request: Callable[[int], bytes], *, connections: int, requests: int, status: int = 200
) -> Load:
    """Send ``requests`` requests over ``connections`` connections; ``make_request`` gets the number of the request.

    Raises where a server closes a connection or answers with another status.
    """

    async def run() -> Load:
        numbers = iter(range(requests))
        load = Load(seconds=0.0)

        def next_request() -> bytes | None:
            number = next(numbers, None)
            return None if number is None else make_request(number)

        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        protocols = []
        for _ in range(connections):
            _, protocol = await loop.create_connection(
                lambda: _Connection(next_request, load, str(status).encode()), host, port
            )
            protocols.append(protocol)
        await asyncio.gather(*(protocol.done for protocol in protocols))
        load.seconds = time.perf_counter() - started
        return load

    return uvloop.run(run())

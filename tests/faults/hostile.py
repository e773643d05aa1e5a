"""Clients that mean harm, or are on a bad line: slow ones, ones that give up, ones that read nothing."""

import selectors
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from embedded.servers import HOST

DRIP_SECONDS = 0.3
WANTED_SECONDS = 1.0
SMALL_WINDOW = 4_096
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _HEADERS, _END_HEADERS = 4, 1, 4


def request(method: str, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The head of a request over HTTP/1.1."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {HOST}",
        *(f"{name}: {text}" for name, text in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def uploads_over_http_2(path: str, count: int = 10) -> bytes:
    """The beginnings of as many POSTs, without being asked whether HTTP/2 is spoken; no body follows."""
    # POST, http, :path, :authority
    head = b"\x83\x86\x04" + bytes([len(path)]) + path.encode() + b"\x01" + bytes([len(HOST)]) + HOST.encode()
    for name, value in ((b"content-length", b"1000"), (b"content-type", b"application/json")):
        head += b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
    begun = b"".join(frame(_HEADERS, _END_HEADERS, 1 + 2 * number, head) for number in range(count))
    return _PREFACE + frame(_SETTINGS, 0, 0) + begun


@dataclass(frozen=True, slots=True)
class Client:
    """What one sends at once, and then a byte at a time; ``reads`` False: nothing of the answer."""

    opening: bytes
    drip: bytes = b""
    reads: bool = True


def slow_clients(get_path: str, post_path: str) -> dict[str, Client]:
    """Each kind, by its name."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return {
        "silent": Client(b""),
        "head": Client(request("GET", get_path)[:-2] + b"X-Slow: ", b"a"),
        "oversized head": Client(request("GET", get_path, {"X-Large": "x" * 30_000})[:-2] + b"X-More: ", b"a" * 500),
        "body": Client(request("POST", post_path, {**form, "Content-Length": "60000"}), b"a"),
        "body never sent": Client(request("POST", post_path, {**form, "Content-Length": "60000"})),
        "chunks": Client(request("POST", post_path, {**form, "Transfer-Encoding": "chunked"}), b"1\r\na\r\n"),
        "body of a GET": Client(request("GET", get_path, {"Content-Length": "60000"}), b"a"),
        "reader": Client(request("GET", get_path) * 20, reads=False),
        "HTTP/2": Client(uploads_over_http_2(post_path)),
    }


class Crowd:
    """Connections that stay open and drip, from the start of the block to its end."""

    def __init__(self, port: int, clients: list[Client], count: int) -> None:
        self._port = port
        self._clients = [clients[number % len(clients)] for number in range(count)]
        self._selector = selectors.DefaultSelector()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._drip, daemon=True)
        self._open: dict[socket.socket, Client] = {}

    def __enter__(self) -> Self:
        for client in self._clients:
            connection = _connect(self._port, client)
            with suppress(OSError):
                connection.sendall(client.opening)
                connection.setblocking(False)
                self._selector.register(connection, selectors.EVENT_READ)
            self._open[connection] = client
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        for connection in self._open:
            connection.close()
        self._selector.close()

    @property
    def are_all_closed(self) -> bool:
        """Whether the server has ended every connection of those that read."""
        return not self._selector.get_map()

    def _drip(self) -> None:
        while not self._is_over.wait(DRIP_SECONDS):
            for key, _ in self._selector.select(0):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if self._open[connection].reads:
                    self._read(connection)
            for connection, client in self._open.items():
                with suppress(OSError):
                    connection.send(client.drip)

    def _read(self, connection: socket.socket) -> None:
        try:
            is_open = bool(connection.recv(65_536))
        except OSError:
            is_open = False
        if not is_open:
            self._selector.unregister(connection)


def abort(port: int, client: Client) -> None:
    """Begin, and cut the connection."""
    with suppress(OSError):
        connection = _connect(port, client)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(client.opening)
        connection.close()


def _connect(port: int, client: Client) -> socket.socket:
    connection = socket.socket()
    if not client.reads:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
    connection.settimeout(10)
    connection.connect((HOST, port))
    return connection


class Figures:
    """How long each question took at worst, by the listener that was attacked."""

    def __init__(self) -> None:
        self._worst: dict[tuple[str, str], float] = {}

    def note(self, listener: str, question: str, seconds: float) -> None:
        """One answer."""
        self._worst[listener, question] = max(seconds, self._worst.get((listener, question), 0.0))

    def table(self) -> str:
        """For people: what should be below a second is marked where it was not."""
        lines = []
        for (listener, question), seconds in sorted(self._worst.items()):
            mark = "" if seconds <= WANTED_SECONDS else f"   more than {WANTED_SECONDS:g} s"
            lines.append(f"{listener:8} {question:60} {seconds * 1000:7.0f} ms at worst{mark}")
        return "\n".join(lines)


FIGURES = Figures()


def under_attack(port: int, clients: list[Client], count: int, then: Callable[[], None]) -> None:
    """Call ``then`` while ``count`` slow connections are open and as many have just been cut."""
    with Crowd(port, clients, count):
        for number in range(count):
            abort(port, clients[number % len(clients)])
        then()

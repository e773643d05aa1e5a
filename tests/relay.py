"""A relay in front of a server that belongs to somebody else: it can hang or break in its place."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from embedded.servers import HOST

CHUNK_BYTES = 65_536


class Relay:
    """Hands bytes on between clients and a server, in threads of its own."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._sockets: list[socket.socket] = []
        self._is_losing = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="relay", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _close(self._listener)
        self.resume()
        self.cut()

    def pause(self) -> None:
        """Hand nothing on; connections stay open, and new ones are accepted."""
        self._flowing.clear()

    def resume(self) -> None:
        """Hand on again, with all that has waited."""
        self._flowing.set()

    def lose_answer(self) -> None:
        """Break the connection over which the server answers next, before the answer is handed on."""
        self._is_losing = True

    def cut(self) -> None:
        """Break every connection."""
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            _close(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += (client, server)
                for pump in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=pump, name="relay", daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                self._flowing.wait()
                if is_answer and self._is_losing:
                    self._is_losing = False
                    break
                sink.sendall(chunk)
        for each in (source, sink):
            _close(each)


def _close(each: socket.socket) -> None:
    """End the connection at once, also for a thread that waits on it."""
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()

"""Anonymous clients that are slow, or that go away in the middle: the others are answered all the same."""

import socket
import struct
from collections.abc import Callable

from embedded.servers import HOST
from tests.live_site import LiveSite

STREAMS = 10
CONNECTIONS = 14
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _HEADERS, _END_HEADERS, _ACK = 4, 1, 4, 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header(name: bytes, value: bytes) -> bytes:
    """A header in HPACK, as a literal that is not indexed."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def abort_uploads(port: int) -> None:
    """Begin ten uploads to the login over HTTP/2 without being asked, and go away before their bodies."""
    login = b"/admin/login/"
    # POST, http, :path, :authority
    head = b"\x83\x86\x04" + bytes([len(login)]) + login + b"\x01" + bytes([len(HOST)]) + HOST.encode()
    head += header(b"content-length", b"1000") + header(b"content-type", b"application/x-www-form-urlencoded")
    head += header(b"cookie", b"csrftoken=0D8OR4ccsjOuhYRkv1D1LKuDTcdiy1JZ")
    uploads = b"".join(frame(_HEADERS, _END_HEADERS, 1 + 2 * number, head) for number in range(STREAMS))
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall(_PREFACE + frame(_SETTINGS, 0, 0))
        connection.recv(4096)
        try:
            connection.sendall(frame(_SETTINGS, _ACK, 0) + uploads)
            connection.recv(4096)
        except OSError:
            pass  # It has been refused.


def test_web__aborted_uploads_over_http_2__still_answers(live_site: Callable[..., LiveSite]) -> None:
    """Each of them used to keep a thread and a part of a core for ever."""
    site = live_site(workers=2)
    for _ in range(CONNECTIONS):
        abort_uploads(site.port)
    for _ in range(10):
        assert site.get("/healthz", timeout=20).status_code == 200

"""A request as WSGI's environ, made from granian's request."""

import sys
from functools import lru_cache
from typing import Any

MAX_KNOWN_NAMES = 1_024
_BASE = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
_PROTOCOLS = {"1": "HTTP/1.0", "1.1": "HTTP/1.1"}
_known_names: dict[str, str | None] = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def environ_of(scope: Any) -> dict[str, Any]:
    """The environ without ``wsgi.input``; ``scope`` is RSGI's, header names in lower case.

    A header whose name has an underscore (``X_Forwarded_For``) is left out: WSGI could not distinguish it from the one
    with a hyphen that our own proxy has written. Repeated headers are joined as HTTP defines.
    """
    path, query, headers = scope.path, scope.query_string, scope.headers
    environ: dict[str, Any] = _BASE.copy()
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = path if path.isascii() else _as_latin_1(path)
    environ["QUERY_STRING"] = query if query.isascii() else _as_latin_1(query)
    environ["SERVER_PROTOCOL"] = _PROTOCOLS.get(scope.http_version, "HTTP/1.1")
    environ["SERVER_NAME"], environ["SERVER_PORT"] = _host_and_port(scope.server)
    environ["REMOTE_ADDR"] = _host_and_port(scope.client)[0]
    environ["wsgi.url_scheme"] = scope.scheme
    items = headers.items()
    for name, value in items:
        try:
            key = _known_names[name]
        except KeyError:
            key = _key(name)
        if key is None:
            continue
        if key in environ:
            environ[key] += f"; {value}" if key == "HTTP_COOKIE" else f",{value}"
        else:
            environ[key] = value
    if len(items) < len(headers):
        _add_undecoded(environ, headers)
    if "HTTP_HOST" not in environ:
        environ["HTTP_HOST"] = scope.authority or ""
    return environ


def _key(name: str) -> str | None:
    key = None if "_" in name else f"HTTP_{name.upper().replace('-', '_')}"
    if len(_known_names) < MAX_KNOWN_NAMES:
        _known_names[name] = key
    return key


def _add_undecoded(environ: dict[str, Any], headers: Any) -> None:
    """A header whose value is not ASCII is kept, but empty: an unreadable condition must not count as absent."""
    for name in headers.keys():  # noqa: SIM118  # not a mapping: iterated, it copies the keys as well
        key = _key(name)
        if key is not None:
            environ.setdefault(key, "")


def _as_latin_1(text: str) -> str:
    """WSGI's form of text: each byte of UTF-8 a character."""
    return text.encode().decode("latin-1")


@lru_cache(maxsize=1_024)
def _host_and_port(address: str) -> tuple[str, str]:
    """Kept, since all requests of a connection have the same two addresses."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), port

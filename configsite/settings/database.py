"""The store, from a URL."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SQLITE_TIMEOUT_SECONDS = 5
# IMMEDIATE: a transaction that reads first and writes later could otherwise fail without waiting for the lock.
SQLITE_OPTIONS = {
    "timeout": SQLITE_TIMEOUT_SECONDS,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
# The last one frees what a writer has locked that hangs, or that the network has lost.
POSTGRESQL_LIMITS_MS = {
    "statement_timeout": 5_000,
    "lock_timeout": 3_000,
    "idle_in_transaction_session_timeout": 10_000,
}
POSTGRESQL_OPTIONS = {
    "connect_timeout": 3,
    "options": " ".join(f"-c {name}={limit}" for name, limit in POSTGRESQL_LIMITS_MS.items()),
}


def from_url(url: str, variable: str) -> dict[str, Any]:
    """Django's settings of ``sqlite:///relative``, ``sqlite:////absolute`` or ``postgresql://user:password@host/name``.

    The query of a PostgreSQL URL holds parameters of libpq, which replace those of POSTGRESQL_OPTIONS.
    ``variable`` is named in the ImproperlyConfigured that anything else raises; the URL is not (it holds a password).
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"{variable} is not a URL.") from None
    name = unquote(parts.path[1:])
    if not name:
        raise ImproperlyConfigured(f"{variable} names no database.")
    if parts.scheme == "sqlite":
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name,
            "OPTIONS": SQLITE_OPTIONS,
            "CONN_MAX_AGE": None,
        }
    if parts.scheme in {"postgresql", "postgres"}:
        return {
            "ENGINE": "configsite.postgresql",
            "NAME": name,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": "" if port is None else str(port),
            "OPTIONS": {**POSTGRESQL_OPTIONS, **dict(parse_qsl(parts.query))},
            "CONN_MAX_AGE": 600,
            "CONN_HEALTH_CHECKS": True,
        }
    raise ImproperlyConfigured(f"{variable} must start with sqlite:/// or postgresql://.")

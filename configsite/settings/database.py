"""The database, from a URL."""

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_VAR = Path(__file__).resolve().parent.parent.parent / "var"
EMBEDDED_URL = f"sqlite:///{_VAR / 'db.sqlite3'}"
SQLITE_TIMEOUT_SECONDS = 5
# IMMEDIATE: a transaction that reads first and writes later could otherwise fail without waiting for the lock.
SQLITE_OPTIONS = {
    "timeout": SQLITE_TIMEOUT_SECONDS,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
# The last one releases the locks of a writer that hangs or has lost its network.
POSTGRESQL_LIMITS_MS = {
    "statement_timeout": 5_000,
    "lock_timeout": 3_000,
    "idle_in_transaction_session_timeout": 10_000,
}
POSTGRESQL_OPTIONS = {
    "connect_timeout": 3,
    "options": " ".join(f"-c {name}={limit}" for name, limit in POSTGRESQL_LIMITS_MS.items()),
}


def checked(url: str) -> str:
    """The URL of a database that `from_url` takes; raises ValueError, which never repeats it (it holds a password)."""
    _parts(url)
    return url


def is_embedded(url: str) -> bool:
    """Whether the URL is of a file where `make run` keeps its own."""
    parts = _parts(url)
    return parts.scheme == "sqlite" and _VAR in Path(unquote(parts.path[1:])).resolve().parents


def from_url(url: str) -> dict[str, Any]:
    """Django's settings of ``sqlite:///relative``, ``sqlite:////absolute`` or ``postgresql://user:password@host/name``.

    The query of a PostgreSQL URL holds parameters of libpq, which replace those of POSTGRESQL_OPTIONS. Raises
    ValueError.
    """
    parts = _parts(url)
    name = unquote(parts.path[1:])
    if parts.scheme == "sqlite":
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name,
            "OPTIONS": SQLITE_OPTIONS,
            "CONN_MAX_AGE": None,
        }
    return {
        "ENGINE": "configsite.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": "" if parts.port is None else str(parts.port),
        "OPTIONS": {**POSTGRESQL_OPTIONS, **dict(parse_qsl(parts.query))},
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if not parts.path[1:]:
        raise ValueError("names no database")
    if parts.scheme not in {"sqlite", "postgresql", "postgres"}:
        raise ValueError("must start with sqlite:/// or postgresql://")
    return parts

"""The options of `make run`, read from the environment and from ``.env``."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded.servers import HOST, free_port, is_port_free
from embedded.state import LaunchError

ROOT = Path(__file__).resolve().parent.parent
FEEDS = ("simulate", "live", "replay", "none")
WEB_PORT = 8080
RUNTIME_PORT = 8081


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run. ``redis_url`` and ``nats_url`` are None if an embedded server has to be started."""

    directory: Path
    web_host: str
    web_port: int
    runtime_port: int
    feed_command: str | None
    has_chain_data: bool
    redis_url: str | None
    nats_url: str | None
    has_own_store: bool
    notes: tuple[str, ...]


def read_options(environ: Mapping[str, str]) -> Options:
    """Read the options; raises `LaunchError` naming the variable that cannot be used."""
    notes: list[str] = []
    web_port = _port(environ, "WEB_PORT", WEB_PORT, notes)
    runtime_port = _port(environ, "HEALTH_CHECK_PORT", RUNTIME_PORT, notes)
    if web_port == runtime_port:
        raise LaunchError(f"WEB_PORT and HEALTH_CHECK_PORT are both {web_port}; give them different ports.")
    feed = environ.get("FEED", "") or "simulate"
    return Options(
        directory=Path(environ.get("VAR_DIR", "") or ROOT / "var").resolve(),
        web_host=environ.get("WEB_HOST", "") or HOST,
        web_port=web_port,
        runtime_port=runtime_port,
        feed_command=_feed_command(feed, environ),
        has_chain_data=feed in {"simulate", "live"},
        redis_url=environ.get("REDIS_URL") or None,
        nats_url=environ.get("NATS_URL") or None,
        has_own_store=bool(environ.get("DATABASE_URL") or environ.get("MONGODB_URI")),
        notes=tuple(notes),
    )


def _port(environ: Mapping[str, str], name: str, default: int, notes: list[str]) -> int:
    """The requested port; if none was requested and the usual one is taken, another one, with a note."""
    text = environ.get(name, "").strip()
    if text and not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise LaunchError(f"{name} must be a port number, not {text!r}.")
    port = int(text) if text else default
    if is_port_free(port):
        return port
    if text:
        raise LaunchError(f"{name}={port}: another process listens on that port. Choose a different one.")
    other = free_port()
    notes.append(f"Port {port} is taken, so {other} is used instead ({name} sets it).")
    return other


def _feed_command(feed: str, environ: Mapping[str, str]) -> str | None:
    if feed not in FEEDS:
        raise LaunchError(f"FEED must be one of {', '.join(FEEDS)}, not {feed!r}.")
    if feed == "none":
        return None
    command = f"python -m realtime_runtime feed {feed}"
    if feed in {"simulate", "live"}:
        return command
    files = shlex.split(environ.get("FILE", ""))
    if not files:
        raise LaunchError("FEED=replay needs FILE=… (one or more recordings, .jsonl, .jsonl.gz or .jsonl.zst).")
    missing = [name for name in files if not Path(name).is_file()]
    if missing:
        raise LaunchError(f"FILE: there is no file {', '.join(missing)}.")
    speed = environ.get("SPEED", "") or "1"
    loop = " --loop" if environ.get("LOOP") else ""
    return (
        f"{command} {shlex.join(str(Path(name).resolve()) for name in files)} --speed {shlex.quote(speed)}{loop} --stay"
    )

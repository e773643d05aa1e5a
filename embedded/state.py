"""What `make run` keeps under ``var/``: a lock, the secret key, the API token, and ``run.json`` while it runs."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path


class LaunchError(Exception):
    """A problem that the user can fix; the message says how."""


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the directory for this process alone. Raises `LaunchError` naming the process that has it.

    The lock belongs to the open file: the kernel drops it with the process, so that a crash leaves none behind.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise LaunchError(
                f"{directory} is in use by process {lock.read().strip()}. "
                "Stop that one first (Ctrl-C in its terminal), or set VAR_DIR to another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def secret_key(directory: Path) -> str:
    """The SECRET_KEY of this installation, generated once."""
    path = directory / "secret_key"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(50))
    return path.read_text().strip()


def stored_token(directory: Path) -> str | None:
    """The API token of an earlier start."""
    path = directory / "token"
    return path.read_text().strip() if path.exists() else None


def store_token(directory: Path, token: str) -> None:
    """Keep the API token for the next start."""
    write_private(directory / "token", token)


@contextmanager
def run_file(directory: Path) -> Iterator["RunFile"]:
    """``run.json`` for scripts; removed at the end."""
    file = RunFile(directory / "run.json")
    file.remove()
    try:
        yield file
    finally:
        file.remove()


class RunFile:
    """Where a running installation can be reached, as JSON that only its owner may read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, facts: Mapping[str, str]) -> None:
        """Write atomically: a reader sees the whole file or none."""
        write_private(self.path, json.dumps(facts, indent=2) + "\n")

    def remove(self) -> None:
        """Remove the file if it exists."""
        with suppress(FileNotFoundError):
            self.path.unlink()


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner may read."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)

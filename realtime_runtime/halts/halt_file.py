"""A runtime's own record of halts, so that a restart without Redis stays halted.

Two lines: the checksum of the second, and the second, the halts in force and the ids that were resumed.
"""

import stat
from hashlib import sha256
from pathlib import Path

import msgspec

from service_kit.atomic_file import replace_file
from strategy_core.configuration.halts import Halt, Halts, read_halts
from strategy_core.market.decoding import UNREADABLE

MAX_BYTES = 64 * 1024 * 1024


class HaltFileError(Exception):
    """There is something at the path, but no halts can be read from it. The message says why."""


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    halts: list[msgspec.Raw]
    resumed: list[str]


def encode(halts: Halts) -> bytes:
    """What the file holds for these halts."""
    body = msgspec.json.encode({"halts": halts.held, "resumed": halts.resumed})
    return sha256(body).hexdigest().encode() + b"\n" + body


def write(path: Path, content: bytes) -> None:
    """Replace the file by what ``encode`` made, on disk when this returns; raises OSError."""
    replace_file(path, content)


def read(path: Path) -> tuple[list[Halt], list[str]]:
    """(halts in force, resumed ids), both empty where there is no file; raises HaltFileError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise HaltFileError("it is not a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise HaltFileError(f"it is larger than {MAX_BYTES} bytes")
        content = path.read_bytes()
    except FileNotFoundError:
        return [], []
    except OSError as exception:
        raise HaltFileError(f"it cannot be read: {exception}") from None
    checksum, _, body = content.partition(b"\n")
    if sha256(body).hexdigest().encode() != checksum:
        raise HaltFileError("the checksum does not match the content")
    try:
        found = msgspec.json.decode(body, type=_Content)
    except UNREADABLE as exception:
        raise HaltFileError(f"the content cannot be read: {exception}") from None
    return read_halts(bytes(raw) for raw in found.halts), found.resumed


def set_aside(path: Path) -> None:
    """Give a damaged file a second name, so that it can be looked at; where that fails it is only written over.

    Until then it stays where it is: a start that found nothing there would trade.
    """
    aside = path.with_name(f"{path.name}.damaged")
    try:
        aside.unlink(missing_ok=True)
        aside.hardlink_to(path)
    except OSError:
        return

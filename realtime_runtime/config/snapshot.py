"""The last good configuration on disk, for a start while Redis is away.

A file of two lines: a header with a checksum of the body, and the body, the accepted documents by field. It is
replaced atomically, so that a crash at any moment leaves the old or the new file, never a mixture.
"""

import errno
import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from realtime_runtime.config.documents import decode_documents, encode_documents
from service_kit.atomic_file import replace_file
from strategy_core.market.decoding import UNREADABLE


class SnapshotError(Exception):
    """The file exists but is not a snapshot of this runtime's configuration. The message says why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Documents by field, as of ``sequence``. ``saved_at`` is ISO 8601 in UTC."""

    prefix: str
    sequence: int
    saved_at: str
    documents: dict[str, bytes]


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    format: Literal[1]
    prefix: str
    sequence: int
    saved_at: str
    sha256: str


def write(path: Path, snapshot: Snapshot) -> None:
    """Replace the file; raises OSError, and the file that was there stays as it was. Readable by the owner only.

    Something else under that name (a directory, a pipe, a device) is never replaced.
    """
    _require_file_or_nothing(path)
    body = encode_documents(snapshot.documents)
    header = _Header(
        format=1,
        prefix=snapshot.prefix,
        sequence=snapshot.sequence,
        saved_at=snapshot.saved_at,
        sha256=sha256(body).hexdigest(),
    )
    replace_file(path, msgspec.json.encode(header) + b"\n" + body)


def read(path: Path, *, prefix: str) -> Snapshot | None:
    """The snapshot, or None where there is no file; raises SnapshotError, and OSError where it cannot be read."""
    try:
        content = _read_file(path)
    except FileNotFoundError:
        return None
    first_line, _, body = content.partition(b"\n")
    try:
        header = msgspec.json.decode(first_line, type=_Header)
    except UNREADABLE as exception:
        raise SnapshotError(f"not a snapshot of this format: {exception}") from None
    if sha256(body).hexdigest() != header.sha256:
        raise SnapshotError("the checksum does not match the content")
    if header.prefix != prefix:
        raise SnapshotError(f"it belongs to the prefix {header.prefix!r}")
    try:
        documents = decode_documents(body)
    except UNREADABLE as exception:
        raise SnapshotError(f"the documents cannot be read: {exception}") from None
    return Snapshot(header.prefix, header.sequence, header.saved_at, documents)


def _read_file(path: Path) -> bytes:
    """What a regular file holds; never waits, as a pipe would have it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SnapshotError("it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _require_file_or_nothing(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))

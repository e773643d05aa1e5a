"""The last good configuration on disk, for a start while Redis is away.

A file of two lines: a header with a checksum of the body, and the body, the accepted documents by field. It is
replaced atomically, so that a crash at any moment leaves the old or the new file, never a mixture.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from realtime_runtime.config.atomic_file import replace_file
from realtime_runtime.config.documents import decode_documents, encode_documents
from realtime_runtime.config.wire import UNREADABLE


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
    """Replace the file; raises OSError, and the file that was there stays as it was. Readable by the owner only."""
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
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    first_line, _, body = content.partition(b"\n")
    try:
        header = msgspec.json.decode(first_line, type=_Header)
    except UNREADABLE as exception:
        raise SnapshotError(f"not a snapshot of this format: {exception}") from None
    if sha256(body).hexdigest() != header.sha256:
        raise SnapshotError("the checksum does not fit the content")
    if header.prefix != prefix:
        raise SnapshotError(f"it belongs to the prefix {header.prefix!r}")
    try:
        documents = decode_documents(body)
    except UNREADABLE as exception:
        raise SnapshotError(f"the documents cannot be read: {exception}") from None
    return Snapshot(header.prefix, header.sequence, header.saved_at, documents)

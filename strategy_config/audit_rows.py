"""What a row of the history says and what its hash covers: the one list of its columns.

Format 1 (NULL) has the texts that name people in its hash. Format 2 has a digest of each of them instead, salted with
a random value of its own: a row whose text was taken out (``redacted``: the digest that is left, by name; the text is
empty, the salt is gone) verifies as before, and nobody can guess the text from what is left.
"""

import hashlib
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from strategy_config.models import ConfigAudit
from strategy_config.resolution import iso

FORMAT = 2
LEGACY_ACTOR = "import_legacy"
"""The actor of rows that stand for changes in the service that this one replaced."""
SEALED = ("changed_by", "actor", "reason")
"""The texts that may be redacted."""
_SALT_BYTES = 16


class ReadRow(NamedTuple):
    """A row of the history as it is read by the hundred thousand, where instances of the model cost more than the rest.

    The names are those of the model's fields, all of them.
    """

    position: int | None
    sequence: int | None
    changed_at: datetime
    strategy_id: str
    symbol: str
    action: str
    version: int | None
    changed_by: str
    actor: str
    channel: str
    request_id: str
    reason: str
    changes: list[dict[str, Any]]
    old_parameters: dict[str, Any] | None
    new_parameters: dict[str, Any] | None
    object_kind: str | None
    object_id: str | None
    object_version: int | None
    set_id: uuid.UUID | None
    previous_hash: str
    hash: str
    id: uuid.UUID
    format: int | None
    salts: dict[str, str] | None
    redacted: dict[str, str] | None


Row = ConfigAudit | ReadRow


def canonical(value: Any) -> Any:
    """A JSON value with numbers as in RFC 8785: 1.0 is 1, because not every store keeps them apart."""
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is dict:
        return {name: canonical(inner) for name, inner in value.items()}
    return [canonical(inner) for inner in value] if kind is list else value


def _id(value: uuid.UUID | None) -> str | None:
    return None if value is None else str(value)


_AS_JSON: Mapping[str, Callable[[Any], Any]] = {
    "id": _id,
    "set_id": _id,
    "action": str,
    "changed_at": iso,
    "changes": canonical,
    "old_parameters": canonical,
    "new_parameters": canonical,
}
_FORMAT_1 = (
    *("id", "sequence", "strategy_id", "symbol", "action", "version", "old_parameters", "new_parameters", "changes"),
    *("changed_by", "actor", "channel", "request_id", "changed_at", "reason", "previous_hash"),
)
_ADDED_BY_2 = ("format", "position", "object_kind", "object_id", "object_version", "set_id")
_FORMAT_2 = (*(name for name in _FORMAT_1 if name not in SEALED), *_ADDED_BY_2)


def as_json(row: Row) -> dict[str, Any]:
    """The whole row as JSON types."""
    return _plain(row, ReadRow._fields)


def content(row: Row) -> dict[str, Any]:
    """What the row's hash covers, as JSON types."""
    if row.format is None:
        return _plain(row, _FORMAT_1)
    covered = _plain(row, _FORMAT_2)
    for name in SEALED:
        covered[f"{name}_digest"] = _digest(row, name)
    return covered


def content_hash(row: Row) -> str:
    """The SHA-256 of the row's content in canonical JSON."""
    text = json.dumps(content(row), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def seal(row: ConfigAudit) -> None:
    """Give a new row the format of today, and its texts their salts."""
    row.format = FORMAT
    row.salts = {name: secrets.token_hex(_SALT_BYTES) for name in SEALED}


def redacted_texts(row: Row) -> tuple[str, ...]:
    """The names of the texts that were taken out of the row."""
    return tuple(name for name in SEALED if isinstance(row.redacted, dict) and name in row.redacted)


def row_name(row: Row) -> str:
    """The layer or the object that the row is about, for people."""
    if row.object_kind is not None:
        return f"{row.object_kind} {row.object_id}"
    return f"{row.strategy_id} {row.symbol or 'global'}"


def _plain(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for name in names:
        value, convert = getattr(row, name), _AS_JSON.get(name)
        found[name] = value if convert is None else convert(value)
    return found


def _digest(row: Row, name: str) -> str | None:
    text = getattr(row, name)
    if text == "" and name in redacted_texts(row) and row.redacted is not None:
        return row.redacted[name]
    salt = row.salts.get(name) if isinstance(row.salts, dict) else None
    return hashlib.sha256(f"{salt}:{text}".encode()).hexdigest()

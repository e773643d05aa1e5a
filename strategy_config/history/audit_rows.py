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
from operator import attrgetter
from typing import Any, NamedTuple

from strategy_config.models import ConfigAudit
from strategy_config.resolution.instants import iso

FORMAT = 2
LEGACY_ACTOR = "import_legacy"
"""The actor of rows that stand for changes in the service that this one replaced."""
SWITCH_ACTIONS = (ConfigAudit.Action.ENABLE, ConfigAudit.Action.DISABLE)
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
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_FORMAT_2 = (*(name for name in _FORMAT_1 if name not in SEALED), *_ADDED_BY_2)


class _Columns:
    """Some columns of a row as JSON types: found at once, which counts where a history of millions is verified."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._values = attrgetter(*names)
        self._converted = [(name, _AS_JSON[name]) for name in names if name in _AS_JSON]

    def of(self, row: Row) -> dict[str, Any]:
        found = dict(zip(self._names, self._values(row), strict=True))
        for name, convert in self._converted:
            found[name] = convert(found[name])
        return found


_WHOLE, _COVERED_BY_1, _COVERED_BY_2 = map(_Columns, (ReadRow._fields, _FORMAT_1, _FORMAT_2))


def as_json(row: Row) -> dict[str, Any]:
    """The whole row as JSON types."""
    return _WHOLE.of(row)


def content(row: Row) -> dict[str, Any]:
    """What the row's hash covers, as JSON types."""
    if row.format is None:
        return _COVERED_BY_1.of(row)
    covered = _COVERED_BY_2.of(row)
    for name in SEALED:
        covered[f"{name}_digest"] = _digest(row, name)
    return covered


def content_hash(row: Row) -> str:
    """The SHA-256 of the row's content in canonical JSON."""
    return hashlib.sha256(_encode(content(row)).encode()).hexdigest()


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


def _digest(row: Row, name: str) -> str | None:
    text = getattr(row, name)
    if text == "" and isinstance(row.redacted, dict) and name in row.redacted:
        return row.redacted[name]
    salt = row.salts.get(name) if isinstance(row.salts, dict) else None
    return hashlib.sha256(f"{salt}:{text}".encode()).hexdigest()

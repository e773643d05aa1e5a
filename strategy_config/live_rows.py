"""The rows that are in force against the history: each must be what the last change of its layer wrote."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from strategy_config import resolution
from strategy_config.models import ConfigAudit, StrategyConfig, SymbolOverride

LayerKey = tuple[str, str]
_SWITCHED = {ConfigAudit.Action.ENABLE.value: True, ConfigAudit.Action.DISABLE.value: False}


@dataclass(frozen=True, slots=True)
class Difference:
    """A layer that is not what its history says; ``position`` is that of its last change, 0 where it has none."""

    position: int
    problem: str


class LastChanges:
    """What the history says of each layer: fed with its rows in their order, from the first one on if ``is_whole``."""

    def __init__(self, *, is_whole: bool) -> None:
        self._is_whole = is_whole
        self._last: dict[LayerKey, ConfigAudit] = {}
        self._objects: dict[tuple[str, str | None], int | None] = {}
        self._enabled: dict[LayerKey, bool] = {}
        self._expires_at: dict[LayerKey, str | None] = {}

    def add(self, row: ConfigAudit) -> None:
        """The next row of the history; what is no layer's is compared with nothing."""
        if row.object_kind is not None:
            self._objects[row.object_kind, row.object_id] = row.object_version
            return
        key = row.strategy_id, row.symbol
        self._last[key] = row
        if row.action in _SWITCHED:
            self._enabled[key] = _SWITCHED[row.action]
        for change in row.changes:
            if change["parameter"] == "expires_at":
                self._expires_at[key] = change["new"]

    def version_of(self, row: ConfigAudit) -> int | None:
        """The version so far of what the row is about; None: not known, its history began before the first row."""
        if row.object_kind is not None:
            version = self._objects.get((row.object_kind, row.object_id))
        else:
            last = self._last.get((row.strategy_id, row.symbol))
            version = None if last is None else last.version
        return 0 if version is None and self._is_whole else version

    def first_difference(self, rows: Iterable[StrategyConfig | SymbolOverride]) -> Difference | None:
        """The one whose last change is the oldest, of ``rows``, which must be all layers as of the last row added.

        Where the history is not whole, layers without a change in it are passed over.
        """
        found = []
        missing = dict(self._last)
        for live in rows:
            key = live.strategy_id, live.symbol if isinstance(live, SymbolOverride) else ""
            last = missing.pop(key, None)
            if last is None and not self._is_whole:
                continue
            wrong = self._wrong_fields(live, last, key)
            if wrong:
                position = 0 if last is None else _position(last)
                found.append(Difference(position, f"live row: {', '.join(wrong)} of {_name(key)} not as last recorded"))
        found.extend(Difference(_position(row), f"live row: {_name(key)} is missing") for key, row in missing.items())
        return min(found, key=lambda difference: difference.position, default=None)

    def _wrong_fields(
        self, live: StrategyConfig | SymbolOverride, last: ConfigAudit | None, key: LayerKey
    ) -> list[str]:
        expected: dict[str, Any] = {
            "parameters": None if last is None else last.new_parameters,
            "version": 0 if last is None else last.version,
            "sequence": 0 if last is None else last.sequence,
        }
        if key in self._enabled:
            expected["enabled"] = self._enabled[key]
        elif self._is_whole:
            # Never switched: the global switch is left to the environment, a symbol's is on.
            expected["enabled"] = True if isinstance(live, SymbolOverride) else None
        wrong = [name for name, value in expected.items() if getattr(live, name) != value]
        if isinstance(live, SymbolOverride) and (self._is_whole or key in self._expires_at):
            wrong += ["expires_at"] if resolution.iso(live.expires_at) != self._expires_at.get(key) else []
        return wrong


def _position(row: ConfigAudit) -> int:
    return row.position or 0


def _name(key: LayerKey) -> str:
    return f"{key[0]} {key[1] or 'global'}"

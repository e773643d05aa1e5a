"""The rows that are in force against the history: each must be what the last acts on it wrote."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from strategy_config.history.audit_rows import LEGACY_ACTOR, redacted_texts
from strategy_config.models import ApiToken, ConfigAudit, Halt, StrategyConfig, SymbolOverride
from strategy_config.resolution import instants
from strategy_config.resolution.layer_keys import LayerKey

_SWITCHED = {ConfigAudit.Action.ENABLE.value: True, ConfigAudit.Action.DISABLE.value: False}
HALT = "halt"
TOKEN = "token"  # noqa: S105  (the kind of object)


class LiveRows(Protocol):
    """All rows that the history accounts for."""

    @property
    def layers(self) -> list[StrategyConfig | SymbolOverride]:
        """Of strategies and of symbols."""

    @property
    def tokens(self) -> list[ApiToken]:
        """Revoked and expired ones, too."""

    @property
    def usernames(self) -> frozenset[str]:
        """Of all users."""

    @property
    def halts(self) -> list[Halt]:
        """Ended ones, too."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A live row that is not what its history says; ``position`` is that of its last act, 0 where it has none."""

    position: int
    problem: str


class LastChanges:
    """What the history says of each layer and object: fed with its rows in order, from the first on if ``is_whole``."""

    def __init__(self, *, is_whole: bool) -> None:
        self._is_whole = is_whole
        self._layers: dict[LayerKey, _LayerHistory] = {}
        self._objects: dict[tuple[str, str], _ObjectHistory] = {}
        self._is_of_one_format = True

    def add(self, row: ConfigAudit) -> None:
        """The next row of the history."""
        if row.format is None:
            self._is_of_one_format = False
        if row.object_kind is None:
            key = LayerKey(row.strategy_id, row.symbol or None)
            self._layers.setdefault(key, _LayerHistory(row, self._is_whole)).add(row)
        else:
            self._objects.setdefault((row.object_kind, row.object_id or ""), _ObjectHistory(row)).add(row)

    def version_of(self, row: ConfigAudit) -> int | None:
        """The version so far of what the row is about; None: not known, its history began before the first row."""
        if row.object_kind is not None:
            known = self._objects.get((row.object_kind, row.object_id or ""))
            version = None if known is None else known.last.object_version
            # An object may be older than its first row: those of before format 2 had none.
            return 0 if version is None and self._is_whole and self._is_of_one_format else version
        layer = self._layers.get(LayerKey(row.strategy_id, row.symbol or None))
        version = None if layer is None else layer.last.version
        return 0 if version is None and self._is_whole else version

    def first_difference(self, live: LiveRows) -> Difference | None:
        """The one whose last act is the oldest, of all layers, tokens and halts as of the last row added.

        Where the history is not whole, what has no row in it is passed over.
        """
        found = [
            *self._layer_differences(live.layers),
            *self._token_differences(live.tokens, live.usernames),
            *self._halt_differences(live.halts),
        ]
        return min(found, key=lambda difference: difference.position, default=None)

    def _layer_differences(self, layers: Iterable[StrategyConfig | SymbolOverride]) -> list[Difference]:
        found = []
        missing = dict(self._layers)
        for live in layers:
            key = LayerKey(live.strategy_id, live.symbol if isinstance(live, SymbolOverride) else None)
            history = missing.pop(key, None)
            if history is None and not self._is_whole:
                continue
            wrong = _never_written(live) if history is None else history.wrong_members(live)
            if wrong:
                position = 0 if history is None else _position(history.last)
                found.append(Difference(position, f"live row: {', '.join(wrong)} of {_name(key)} not as last recorded"))
        for key, history in missing.items():
            found.append(Difference(_position(history.last), f"live row: {_name(key)} is missing"))
        return found

    def _token_differences(self, tokens: Iterable[ApiToken], usernames: frozenset[str]) -> list[Difference]:
        """Of tokens that are there; one that is gone (with its user) opens nothing.

        A token of another user than recorded was passed on, unless nobody has the recorded name any more: people are
        renamed. A revoked one is of no use to anybody.
        """
        found = []
        for token in tokens:
            history = self._objects.get((TOKEN, str(token.pk)))
            if history is not None:
                wrong = history.wrong_members(token_members(token))
                is_harmless = token.revoked_at is not None or history.members.get("user") not in usernames
                if "user" in wrong and is_harmless:
                    wrong.remove("user")
                if wrong:
                    problem = f"live row: {', '.join(wrong)} of token {token.pk} not as last recorded"
                    found.append(Difference(_position(history.last), problem))
            elif self._is_whole and any(kind == TOKEN for kind, _ in self._objects):
                found.append(Difference(0, f"live row: no record of who created token {token.pk}"))
        return found

    def _halt_differences(self, halts: Iterable[Halt]) -> list[Difference]:
        found = []
        missing = {halt_id: history for (kind, halt_id), history in self._objects.items() if kind == HALT}
        for row in halts:
            history = missing.pop(str(row.pk), None)
            if history is None:
                if self._is_whole:
                    found.append(Difference(0, f"live row: no record of who set halt {row.pk}"))
                continue
            wrong = _wrong_halt_members(row, history.last)
            if wrong:
                problem = f"live row: {', '.join(wrong)} of halt {row.pk} not as last recorded"
                found.append(Difference(_position(history.last), problem))
        for halt_id, history in missing.items():
            found.append(Difference(_position(history.last), f"live row: halt {halt_id} is missing"))
        return found


def _wrong_halt_members(row: Halt, last: ConfigAudit) -> list[str]:
    """What of a halt is not what its last act says: its scope, and who set or ended it."""
    is_ended = last.action == "RESUME"
    recorded = {change["parameter"]: change["old" if is_ended else "new"] for change in last.changes}
    expected: dict[str, Any] = {
        "strategy_id": recorded.get("strategy_id") or "",
        "symbol": recorded.get("symbol") or "",
        "resumed_at": last.changed_at if is_ended else None,
        "resumed_by" if is_ended else "by": last.changed_by,
        "resume_reason" if is_ended else "reason": last.reason,
    }
    redacted = set(redacted_texts(last))
    texts = {"by": "changed_by", "resumed_by": "changed_by", "reason": "reason", "resume_reason": "reason"}
    return [name for name, value in expected.items() if texts.get(name) not in redacted and getattr(row, name) != value]


def token_members(token: ApiToken) -> dict[str, Any]:
    """What the history says of a token. The digest is that of 256 random bits, so it may stand there."""
    return {
        "name": token.name,
        "user": token.user.get_username(),
        "digest": token.digest,
        "expires_at": instants.iso(token.expires_at),
        "revoked_at": instants.iso(token.revoked_at),
    }


@dataclass(slots=True)
class _LayerHistory:
    """What the rows of one layer lead to."""

    last: ConfigAudit
    is_whole: bool
    members: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None

    def add(self, row: ConfigAudit) -> None:
        self.last = row
        if row.action in _SWITCHED:
            self.members["enabled"] = _SWITCHED[row.action]
        for change in row.changes:
            if change["parameter"] == "expires_at":
                self.members["expires_at"] = change["new"]
        is_created = row.version == 1 or (row.old_parameters is None and row.new_parameters is not None)
        if row.actor == LEGACY_ACTOR:
            # The layer came with an instant of its own.
            self.created_at = None
        elif is_created:
            self.created_at = row.changed_at

    def wrong_members(self, live: StrategyConfig | SymbolOverride) -> list[str]:
        last = self.last
        expected: dict[str, Any] = {
            "parameters": last.new_parameters,
            "version": last.version,
            "sequence": last.sequence,
            "updated_at": last.changed_at,
            "updated_by": last.changed_by,
            "reason": last.reason,
        }
        if self.created_at is not None:
            expected["created_at"] = self.created_at
        if "enabled" in self.members:
            expected["enabled"] = self.members["enabled"]
        elif self.is_whole:
            expected["enabled"] = _unswitched(live)
        wrong = [name for name, value in expected.items() if getattr(live, name) != value]
        if isinstance(live, SymbolOverride) and (self.is_whole or "expires_at" in self.members):
            wrong += ["expires_at"] if instants.iso(live.expires_at) != self.members.get("expires_at") else []
        return wrong


@dataclass(slots=True)
class _ObjectHistory:
    """What the rows of one object lead to."""

    last: ConfigAudit
    members: dict[str, Any] = field(default_factory=dict)

    def add(self, row: ConfigAudit) -> None:
        self.last = row
        self.members.update({change["parameter"]: change["new"] for change in row.changes})

    def wrong_members(self, live: dict[str, Any]) -> list[str]:
        return [name for name, value in live.items() if name in self.members and self.members[name] != value]


def _never_written(live: StrategyConfig | SymbolOverride) -> list[str]:
    """The state of a layer that was never changed."""
    nothing: dict[str, Any] = {
        **{"parameters": None, "version": 0, "sequence": 0, "updated_by": "", "reason": ""},
        **{"updated_at": None, "created_at": None, "enabled": _unswitched(live)},
    }
    if isinstance(live, SymbolOverride):
        nothing["expires_at"] = None
    return [name for name, value in nothing.items() if getattr(live, name) != value]


def _unswitched(live: StrategyConfig | SymbolOverride) -> bool | None:
    """Never switched: the global switch is left to the environment, a symbol's is on."""
    return True if isinstance(live, SymbolOverride) else None


def _position(row: ConfigAudit) -> int:
    return row.position or 0


def _name(key: LayerKey) -> str:
    return f"{key.strategy_id} {key.symbol or 'global'}"

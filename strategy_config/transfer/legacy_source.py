"""Reads what the service that this one replaces has kept in its MongoDB. Never writes there."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pymongo.database import Database

from strategy_config.exceptions import ConfigError
from strategy_config.models import CHANGED_BY_LENGTH, REASON_LENGTH
from strategy_config.resolution import instants
from strategy_config.resolution.layer_keys import LayerKey
from strategy_core.strategies.registry import STRATEGIES

GLOBAL_CONFIGS = "strategy_configs_global"
SYMBOL_CONFIGS = "strategy_configs_symbol"
AUDIT = "strategy_config_audit"
ACTIONS = frozenset({"CREATE", "UPDATE", "DELETE", "ROLLBACK"})


class UnreadableError(ValueError):
    """The document is not of the shape that the original service wrote."""


@dataclass(frozen=True, slots=True)
class LegacyConfig:
    """The state of one layer."""

    parameters: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class LegacyChange:
    """One row of the original history. ``version`` is the one that it led to, None where the row does not tell."""

    id: str
    action: str
    version: int | None
    old_parameters: dict[str, Any] | None
    new_parameters: dict[str, Any] | None
    changed_by: str
    changed_at: datetime
    reason: str


@dataclass(slots=True)
class LegacyData:
    """All that could be read, the history of each layer in its order; and what could not, for people to read.

    ``foreign`` counts the documents of strategies that are not in the code: another service keeps its own in the same
    database, in collections of the same names.
    """

    configs: dict[LayerKey, LegacyConfig] = field(default_factory=dict)
    changes: dict[LayerKey, list[LegacyChange]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)


def read(database: Database[Any]) -> LegacyData:
    """Everything in the three collections of the original service. Raises PyMongoError."""
    data = LegacyData()

    def keep_config(key: LayerKey, document: Mapping[str, Any]) -> None:
        data.configs[key] = _config(key.strategy_id, document)

    def keep_change(key: LayerKey, document: Mapping[str, Any]) -> None:
        change = _change(key.strategy_id, document)
        data.changes.setdefault(key, []).append(change)

    keepers: dict[str, Callable[[LayerKey, Mapping[str, Any]], None]] = {
        GLOBAL_CONFIGS: keep_config,
        SYMBOL_CONFIGS: keep_config,
        AUDIT: keep_change,
    }
    for collection, keep in keepers.items():
        for document in database[collection].find():
            try:
                strategy_id = _text(document, "strategy_id", length=None)
                if strategy_id not in STRATEGIES:
                    data.foreign[strategy_id] += 1
                    continue
                keep(_key(strategy_id, document, needs_symbol=collection == SYMBOL_CONFIGS), document)
            except (UnreadableError, ConfigError) as exception:
                data.problems.append(f"{collection} {document['_id']}: {exception}")
    for changes in data.changes.values():
        changes.sort(key=lambda change: (change.changed_at, change.id))
    return data


def _key(strategy_id: str, document: Mapping[str, Any], *, needs_symbol: bool) -> LayerKey:
    if document.get("symbol") is None and not needs_symbol:
        return LayerKey(strategy_id, None)
    return LayerKey.named(strategy_id, _text(document, "symbol", length=None))


def _config(strategy_id: str, document: Mapping[str, Any]) -> LegacyConfig:
    version = document.get("version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise UnreadableError(f"version is {version!r}, not a whole number from 1 up")
    parameters = _parameters(strategy_id, document, "parameters")
    if parameters is None:
        raise UnreadableError("parameters are missing")
    updated_at = _instant(document, "updated_at")
    created_at = _instant(document, "created_at") if document.get("created_at") else updated_at
    return LegacyConfig(parameters, int(version), created_at, updated_at)


def _change(strategy_id: str, document: Mapping[str, Any]) -> LegacyChange:
    action = document.get("action")
    if action not in ACTIONS:
        raise UnreadableError(f"action is {action!r}")
    new_parameters = _parameters(strategy_id, document, "new_parameters")
    if (new_parameters is None) is not (action == "DELETE"):
        raise UnreadableError(f"{action} with{'out' if new_parameters is None else ''} new_parameters")
    return LegacyChange(
        id=str(document["_id"]),
        action=action,
        version=_version_after(document),
        old_parameters=_parameters(strategy_id, document, "old_parameters"),
        new_parameters=new_parameters,
        changed_by=_text(document, "changed_by", length=CHANGED_BY_LENGTH),
        changed_at=_instant(document, "changed_at"),
        reason=_text(document, "reason", length=REASON_LENGTH) if document.get("reason") else "",
    )


def _version_after(document: Mapping[str, Any]) -> int | None:
    for name, step in (("new_parameters", 0), ("old_parameters", 1)):
        version = (document.get(name) or {}).get("version")
        if isinstance(version, int) and not isinstance(version, bool) and version > 0:
            return int(version) + step
    return None


def _parameters(strategy_id: str, document: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The parameters without the ``version`` that the original service mixed in, as JSON values."""
    values = document.get(name)
    if values is None:
        return None
    if not isinstance(values, dict):
        raise UnreadableError(f"{name} is no object")
    types = {spec.name: spec.type for spec in STRATEGIES[strategy_id].specs()}
    try:
        plain: dict[str, Any] = json.loads(json.dumps({key: values[key] for key in values if key != "version"}))
    except (TypeError, ValueError, RecursionError) as exception:
        raise UnreadableError(f"{name} holds what JSON cannot: {exception}") from None
    # Shells and drivers of other languages store 5 as 5.0.
    return {
        key: int(value) if types.get(key) == "int" and isinstance(value, float) and value.is_integer() else value
        for key, value in plain.items()
    }


def _text(document: Mapping[str, Any], name: str, *, length: int | None) -> str:
    """The text, cut to ``length``."""
    value = document.get(name)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise UnreadableError(f"{name} is no text")
    return value[:length]


def _instant(document: Mapping[str, Any], name: str) -> datetime:
    value = document.get(name)
    if not isinstance(value, datetime):
        raise UnreadableError(f"{name} is no instant")
    return instants.to_milliseconds(value if value.tzinfo else value.replace(tzinfo=UTC))

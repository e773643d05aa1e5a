"""Takes over layers of the service that this one replaces, with their versions and their history."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from strategy_config.history import chain
from strategy_config.history.audit_rows import LEGACY_ACTOR
from strategy_config.history.chain import Chain
from strategy_config.models import ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.publication import publisher
from strategy_config.resolution import known_strategies, layer_rows
from strategy_config.resolution.differences import differences
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.selectors import strategy_rows
from strategy_config.transfer.legacy_source import LegacyChange, LegacyConfig, LegacyData
from strategy_core.configuration import validation
from strategy_core.configuration.parameter_values import NOTHING, Values
from strategy_core.configuration.validation import InvalidParametersError

UNRECORDED = "The original service kept no record of this change."
STATE_AT_IMPORT = "The state at the import, which the original history does not account for."
MOST_UNRECORDED = 10_000
_NAMESPACE = uuid.UUID("5f0c0a52-9b0e-4a35-8f39-6a3c0b6d7a11")


@dataclass(slots=True)
class LayerPlan:
    """A layer as it will be, and its history from version 1 on (without places in the chain)."""

    key: LayerKey
    parameters: dict[str, Any] | None
    created_at: datetime
    history: list[ConfigAudit]
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.key.strategy_id} {self.key.symbol or 'global'}"


@dataclass(slots=True)
class Plan:
    """What an import would do. ``problems`` are what it leaves out, ``foreign`` other services' documents."""

    layers: list[LayerPlan]
    problems: list[str]
    foreign: Mapping[str, int]


def make_plan(data: LegacyData) -> Plan:
    """Decide for every layer of ``data``; changes nothing.

    A layer is left out as a whole, and said to be, where its parameters do not validate or where it has been
    changed here already.
    """
    plan = Plan([], list(data.problems), data.foreign)
    accepted: dict[LayerKey, dict[str, Any]] = {}
    # Global layers first: a symbol's parameters are judged together with them.
    for key in sorted({*data.configs, *data.changes}, key=lambda key: (key.strategy_id, key.symbol or "")):
        config, changes = data.configs.get(key), data.changes.get(key, [])
        try:
            if config is not None:
                config = replace(config, parameters=_validated(key, config, accepted))
                accepted[key] = config.parameters
            if (version := _version_here(key)) > 0:
                raise _LeftOutError(f"it has been changed here already (version {version})")
            plan.layers.append(_layer_plan(key, config, changes))
        except InvalidParametersError as exception:
            reasons = "; ".join(error.message for error in exception.errors)
            plan.problems.append(
                f"{key.strategy_id} {key.symbol or 'global'}: left out, its parameters are refused: {reasons}"
            )
        except _LeftOutError as exception:
            plan.problems.append(f"{key.strategy_id} {key.symbol or 'global'}: left out, {exception}")
    return plan


def apply(plan: Plan) -> bool:
    """Write the plan, all of it in one transaction, then publish; answers whether Redis knows it.

    Raises StoreUnavailableError, and RuntimeError where a layer was changed since the plan was made: then nothing
    was written.
    """

    def use_case(end: Chain) -> None:
        rows = [_untouched_row(layer.key) for layer in plan.layers]
        for change in sorted((row for layer in plan.layers for row in layer.history), key=_when):
            end.append(change, keeps_id=True)
        for row, layer in zip(rows, plan.layers, strict=True):
            last = layer.history[-1]
            row.parameters = layer.parameters
            row.version, row.sequence = last.layer_version, last.told_sequence
            row.created_at, row.updated_at = layer.created_at, last.changed_at
            row.updated_by, row.reason = last.changed_by, last.reason
            row.save()

    chain.write(use_case)
    return publisher.publish_pending()


class _LeftOutError(Exception):
    """The layer is not taken over; says why."""


def _when(row: ConfigAudit) -> tuple[datetime, str, str, int]:
    return row.changed_at, row.strategy_id, row.symbol, row.layer_version


def _validated(key: LayerKey, config: LegacyConfig, accepted: dict[LayerKey, dict[str, Any]]) -> dict[str, Any]:
    strategy_id, symbol = key
    common: Values | None = None
    if symbol is not None:
        row = strategy_rows.strategy_row(strategy_id)
        common = (
            accepted.get(LayerKey(strategy_id, None), NOTHING) if row.parameters is None else layer_rows.own_values(row)
        )
    below = layer_rows.values_below(strategy_id, common)
    return validation.validate_layer(known_strategies.strategy_class(strategy_id), config.parameters, below=below)


def _version_here(key: LayerKey) -> int:
    return _row(key).version


def _row(key: LayerKey) -> StrategyConfig | SymbolOverride:
    strategy_id, symbol = key
    if symbol is None:
        return StrategyConfig.objects.get(strategy_id=strategy_id)
    found = SymbolOverride.objects.filter(strategy_id=strategy_id, symbol=symbol).first()
    return found or SymbolOverride(strategy_id=strategy_id, symbol=symbol)


def _untouched_row(key: LayerKey) -> StrategyConfig | SymbolOverride:
    row = _row(key)
    if row.version > 0:
        raise RuntimeError(
            f"{key.strategy_id} {key.symbol or 'global'} was changed since the plan was made. Nothing was imported."
        )
    return row


def _layer_plan(key: LayerKey, config: LegacyConfig | None, changes: Sequence[LegacyChange]) -> LayerPlan:
    history = _History(key)
    for change in changes:
        history.add(change)
    history.arrive_at(config)
    created_at = history.rows[0].changed_at if config is None else config.created_at
    parameters = None if config is None else config.parameters
    return LayerPlan(key, parameters, created_at, history.rows, history.notes())


class _History:
    """Builds the history of one layer: every original row, with versions that rise by one from 1.

    Where the original rows do so too, their versions are kept. Where a version has no row, one that says so fills
    the place; where rows share a version or start again from 1, the later ones are numbered on.
    """

    def __init__(self, key: LayerKey) -> None:
        self.rows: list[ConfigAudit] = []
        self._key = key
        self._is_renumbered = False
        self._unrecorded = 0

    def add(self, change: LegacyChange) -> None:
        if change.version is not None and not self._is_renumbered:
            if change.old_parameters is not None:
                self._fill(change.version - 1, change.old_parameters, change.changed_at)
            self._is_renumbered = change.version != self._version + 1
        row_id = uuid.uuid5(_NAMESPACE, change.id)
        self._append(change.action, change.old_parameters, change.new_parameters, change, row_id)

    def arrive_at(self, config: LegacyConfig | None) -> None:
        """End with the state that the original service had, whatever its history says."""
        if config is None:
            if self._parameters is not None:
                last = self.rows[-1]
                self._append("DELETE", self._parameters, None, _unrecorded(last.changed_at, STATE_AT_IMPORT))
            return
        is_same = self._parameters == config.parameters
        if not self._is_renumbered and config.version > self._version:
            self._fill(config.version - 1, self._parameters or config.parameters, config.updated_at)
            is_same = False
        if not is_same:
            action = "CREATE" if self._parameters is None else "UPDATE"
            self._append(action, self._parameters, config.parameters, _unrecorded(config.updated_at, STATE_AT_IMPORT))
        if self._version != config.version:
            self._is_renumbered = True

    def notes(self) -> list[str]:
        """What a reader should know of the result."""
        notes = []
        if self._is_renumbered:
            notes.append(f"versions are numbered anew, up to {self._version}")
        if self._unrecorded:
            notes.append(f"{self._unrecorded} versions without a record")
        return notes

    @property
    def _version(self) -> int:
        return len(self.rows)

    @property
    def _parameters(self) -> dict[str, Any] | None:
        return self.rows[-1].new_parameters if self.rows else None

    def _fill(self, version: int, parameters: dict[str, Any], at: datetime) -> None:
        """Account for versions up to ``version``, which led to ``parameters``."""
        if version - self._version > MOST_UNRECORDED:
            raise _LeftOutError(f"its history lacks {version - self._version} versions")
        while self._version < version:
            action = "UPDATE" if self.rows else "CREATE"
            self._append(action, self._parameters, parameters, _unrecorded(at, UNRECORDED))
            self._unrecorded += 1

    def _append(
        self,
        action: str,
        old: dict[str, Any] | None,
        new: dict[str, Any] | None,
        change: LegacyChange,
        row_id: uuid.UUID | None = None,
    ) -> None:
        strategy_id, symbol = self._key
        self.rows.append(
            ConfigAudit(
                id=row_id or uuid.uuid4(),
                strategy_id=strategy_id,
                symbol=symbol or "",
                action=action,
                version=self._version + 1,
                old_parameters=old,
                new_parameters=new,
                changes=differences(old or {}, new or {}),
                changed_by=change.changed_by,
                actor=LEGACY_ACTOR,
                channel="import",
                # Time does not run backwards in a history, whatever the clocks of the original service did.
                changed_at=max([change.changed_at, *(row.changed_at for row in self.rows[-1:])]),
                reason=change.reason,
            )
        )


def _unrecorded(at: datetime, reason: str) -> LegacyChange:
    return LegacyChange("", "", None, None, None, LEGACY_ACTOR, at, reason)


def counted(plans: Iterable[LayerPlan]) -> int:
    """The rows of history in all."""
    return sum(len(plan.history) for plan in plans)

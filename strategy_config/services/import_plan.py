"""What would have to change so that layers become as wanted: judged together, written together."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from strategy_config.exceptions import ConfigError, InvalidRequestError, Refusal
from strategy_config.history.origins import Origin
from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import expiry, instants, known_strategies, layer_rows, work_limit
from strategy_config.resolution.differences import differences
from strategy_config.resolution.expiry import check_expiry
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.services.open_batch import OpenBatch
from strategy_core.configuration import validation
from strategy_core.configuration.parameter_values import NOTHING, StrategyClass, Values
from strategy_core.configuration.validation import InvalidParametersError

PlannedAction = Literal["CREATE", "UPDATE", "DELETE", "ENABLE", "DISABLE"]
"""What a request may spend on a plan."""
MAY_NOT_SWITCH = "Enabling and disabling is for operators. Leave enabled out, or ask one of them."


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a layer shall be. ``parameters`` count where ``has_parameters``; then None is "no layer".

    ``expires_at`` goes with the parameters. ``enabled`` None: as it is.
    """

    key: LayerKey
    has_parameters: bool = False
    parameters: Values | None = None
    expires_at: datetime | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One row of history to come. ``changes`` as the history shows them; ``version`` is the one it will be."""

    key: LayerKey
    action: PlannedAction
    version: int
    changes: tuple[dict[str, Any], ...]
    parameters: dict[str, Any] | None = None
    expires_at: datetime | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Every change to come, in order, and every refusal: with one of those nothing can be applied.

    ``kept_off`` are layers that are off and were wanted on, without the permission to switch on; ``passed_over``
    strategies that the code no longer has.
    """

    changes: tuple[PlannedChange, ...]
    refusals: tuple[Refusal, ...]
    unchanged: int
    kept_off: tuple[LayerKey, ...] = ()
    passed_over: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Equal for plans that do the same to the same state."""
        told = [[*each.key, each.action, each.version, list(each.changes)] for each in self.changes]
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()

    def count(self, *actions: str) -> int:
        """How many changes are of these actions."""
        return sum(each.action in actions for each in self.changes)


class ImportRefusedError(ConfigError):
    """Something in the file is refused, so nothing of it was applied; ``plan`` holds every refusal."""

    code = "IMPORT_REFUSED"
    status = 422

    def __init__(self, plan: Plan) -> None:
        count = len(plan.refusals)
        super().__init__(f"{count} {'entry was' if count == 1 else 'entries were'} refused; nothing was changed.")
        self.plan = plan


@dataclass(slots=True)
class _StrategyState:
    """A strategy as it is, and the parameters of its layers as they are wanted."""

    row: StrategyConfig
    overrides: Mapping[str, SymbolOverride]
    wanted: list[Wanted] = field(default_factory=list)

    @property
    def strategy(self) -> StrategyClass:
        return known_strategies.strategy_class(self.row.strategy_id)

    def own(self, symbol: str | None, at: datetime) -> dict[str, Any] | None:
        """The layer's parameters as they count at the instant."""
        if symbol is None:
            return self.row.parameters
        override = self.overrides.get(symbol)
        return None if override is None or expiry.is_due(override, at) else override.parameters

    def layer(self, symbol: str | None) -> StrategyConfig | SymbolOverride:
        if symbol is None:
            return self.row
        return self.overrides.get(symbol) or SymbolOverride(strategy_id=self.row.strategy_id, symbol=symbol)


class _Planner:
    def __init__(self, at: datetime, *, may_switch: bool, allow_enable: bool) -> None:
        self._at = at
        self._may_switch = may_switch
        self._allow_enable = allow_enable
        self.kept_off: list[LayerKey] = []
        self.changes: list[PlannedChange] = []
        self.refusals: list[Refusal] = []
        self.unchanged = 0

    def plan_strategy(self, state: _StrategyState) -> None:
        """The global layer first: the symbols are judged on what it will be."""
        strategy_id, own = state.row.strategy_id, layer_rows.own_values(state.row)
        untouched = self._untouched(state)
        for wanted in sorted(state.wanted, key=lambda each: each.key.symbol or ""):
            work_limit.check()
            is_global = wanted.key.symbol is None
            below = layer_rows.values_below(strategy_id, None if is_global else own)
            stored = state.own(wanted.key.symbol, self._at) or NOTHING
            accepted = self._accepted(state.strategy, wanted, below, untouched if is_global else {}, stored)
            if is_global and wanted.has_parameters and accepted is not None:
                own = accepted
            before = (len(self.changes), len(self.refusals))
            self._plan_parameters(state, wanted, accepted)
            self._plan_switch(state, wanted)
            self.unchanged += before == (len(self.changes), len(self.refusals)) and accepted is not None

    def _untouched(self, state: _StrategyState) -> dict[str, Values]:
        """The parameters of the symbols that keep theirs."""
        replaced = {wanted.key.symbol for wanted in state.wanted if wanted.has_parameters}
        found = {symbol: state.own(symbol, self._at) for symbol in state.overrides if symbol not in replaced}
        return {symbol: own for symbol, own in found.items() if own is not None}

    def _accepted(
        self, strategy: StrategyClass, wanted: Wanted, below: Values, above: Mapping[str, Values], stored: Values
    ) -> dict[str, Any] | None:
        """The wanted parameters, normalised; nothing where none are wanted; None where they are refused."""
        if not wanted.has_parameters or (wanted.parameters is None and wanted.key.symbol is not None):
            return {}
        try:
            own = wanted.parameters or NOTHING
            return validation.validate_layer(strategy, own, below=below, overrides=above, stored=stored)
        except InvalidParametersError as exception:
            self.refusals.extend(Refusal(str(wanted.key), error.message) for error in exception.errors)
            return None

    def _plan_parameters(self, state: _StrategyState, wanted: Wanted, accepted: dict[str, Any] | None) -> None:
        if not wanted.has_parameters or accepted is None:
            return
        key, layer = wanted.key, state.layer(wanted.key.symbol)
        new = None if wanted.parameters is None else accepted
        old = state.own(key.symbol, self._at)
        old_expiry = layer.expires_at if isinstance(layer, SymbolOverride) and old is not None else None
        if (old, old_expiry) == (new, wanted.expires_at):
            return
        try:
            check_expiry(wanted.expires_at, symbol=key.symbol, parameters=accepted, at=self._at)
        except InvalidRequestError as refusal:
            self.refusals.append(Refusal(str(key), refusal.message))
            return
        action: PlannedAction = "DELETE" if new is None else "CREATE" if old is None else "UPDATE"
        new_expiry = {"expires_at": instants.iso(wanted.expires_at)}
        changes = differences(old or {}, new or {}) + differences({"expires_at": instants.iso(old_expiry)}, new_expiry)
        version = self._next_version(layer)
        self.changes.append(PlannedChange(key, action, version, tuple(changes), new, wanted.expires_at))

    def _plan_switch(self, state: _StrategyState, wanted: Wanted) -> None:
        layer = state.layer(wanted.key.symbol)
        if wanted.enabled is None or wanted.enabled == layer.enabled:
            return
        is_on = layer.enabled if isinstance(layer, SymbolOverride) else layer_rows.is_enabled(layer)
        if wanted.enabled and not is_on and not self._allow_enable:
            self.kept_off.append(wanted.key)
            return
        if not self._may_switch:
            self.refusals.append(Refusal(str(wanted.key), MAY_NOT_SWITCH))
            return
        is_second = bool(self.changes) and self.changes[-1].key == wanted.key
        version = self._next_version(layer) + is_second
        change = {"parameter": "enabled", "old": layer.enabled, "new": wanted.enabled}
        action: PlannedAction = "ENABLE" if wanted.enabled else "DISABLE"
        self.changes.append(PlannedChange(wanted.key, action, version, (change,), enabled=wanted.enabled))

    def _next_version(self, layer: StrategyConfig | SymbolOverride) -> int:
        """An expiry that is not recorded yet comes first."""
        has_expired = isinstance(layer, SymbolOverride) and expiry.is_due(layer, self._at)
        return layer.version + 1 + has_expired


def make_plan(
    *,
    rows: Sequence[StrategyConfig],
    overrides: Sequence[SymbolOverride],
    wanted: Sequence[Wanted],
    at: datetime,
    may_switch: bool = True,
    allow_enable: bool = False,
) -> Plan:
    """Compare how layers are with how they are wanted, and judge the result as a whole; changes nothing.

    ``rows`` and ``overrides`` are all layers of the strategies that ``wanted`` names; of a layer at most one is wanted.
    """
    above: dict[str, dict[str, SymbolOverride]] = defaultdict(dict)
    for override in overrides:
        above[override.strategy_id][override.symbol] = override
    states = {row.strategy_id: _StrategyState(row, above[row.strategy_id]) for row in rows}
    for each in wanted:
        states[each.key.strategy_id].wanted.append(each)
    planner = _Planner(at, may_switch=may_switch, allow_enable=allow_enable)
    for state in states.values():
        planner.plan_strategy(state)
    return Plan(tuple(planner.changes), tuple(planner.refusals), planner.unchanged, tuple(planner.kept_off))


def record(plan: Plan, batch: OpenBatch, origin: Origin) -> None:
    """Write the changes of a plan that was made of this batch."""
    for change in plan.changes:
        layer = batch.layer(change.key)
        layer.record_due_expiry()
        if change.enabled is None:
            layer.record(change.action, change.parameters, origin, expires_at=change.expires_at)
            continue
        expires_at = layer.own.expires_at if isinstance(layer.own, SymbolOverride) else None
        layer.record(change.action, layer.own.parameters, origin, enabled=change.enabled, expires_at=expires_at)

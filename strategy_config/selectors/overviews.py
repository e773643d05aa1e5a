"""What people read first: each strategy in a few facts, and its last changes. Selectors, in few queries."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from django.db.models import QuerySet

from strategy_config.models import ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.resolution import resolution, work_limit
from strategy_config.selectors import selectors
from strategy_config.store import transactions
from strategy_core.strategies.registry import STRATEGIES

_SWITCHES = (ConfigAudit.Action.ENABLE, ConfigAudit.Action.DISABLE)
SwitchSource = Literal["default", "environment", "global"]


class _Override(NamedTuple):
    """A symbol's row, as much as an overview needs: a thousand instances of the model cost more than the rest."""

    strategy_id: str
    symbol: str
    parameters: dict[str, Any] | None
    enabled: bool
    expires_at: datetime | None
    version: int
    sequence: int
    updated_at: datetime | None
    updated_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class LastChange:
    """The newest accepted change of any layer of a strategy; ``symbol`` is None for the global one."""

    at: datetime
    changed_by: str
    reason: str
    symbol: str | None
    version: int


@dataclass(frozen=True, slots=True)
class StrategyOverview:
    """A strategy at a glance. The counts are of parameters that the environment, the global layer set.

    ``overridden`` are the symbols with parameters of their own, ``switched_off`` those that are off. One that the code
    no longer has (``is_in_code``) counts as on until it was switched off: a runtime of an older version may trade it.
    """

    strategy_id: str
    name: str
    description: str
    is_enabled: bool
    enabled_by: SwitchSource
    version: int
    sequence: int
    parameter_count: int
    environment_count: int
    own_count: int
    overridden: tuple[str, ...]
    switched_off: tuple[str, ...]
    last_change: LastChange | None
    is_in_code: bool = True


@dataclass(frozen=True, slots=True)
class SwitchState:
    """A kill switch by itself, whatever the one above it says; ``last`` is who last moved it, if anybody has."""

    strategy_id: str
    symbol: str | None
    is_on: bool
    last: ConfigAudit | None

    @property
    def where(self) -> str:
        name = resolution.strategy_name(self.strategy_id)
        return name if self.symbol is None else f"{name} on {self.symbol}"


@transactions.store_errors()
def strategy_overviews(at: datetime) -> list[StrategyOverview]:
    """All strategies in catalogue order, then those that the code no longer has.

    In two queries however many overrides there are.
    """
    rows = selectors.with_new_strategies(StrategyConfig.objects.all())
    overrides: dict[str, list[_Override]] = defaultdict(list)
    for override in _overrides(SymbolOverride.objects.all()):
        work_limit.check()
        overrides[override.strategy_id].append(override)
    return [_overview(row, overrides[strategy_id], at) for strategy_id, row in rows.items()]


@transactions.store_errors()
def strategy_overview(strategy_id: str, at: datetime) -> StrategyOverview:
    """One strategy, also one that the code no longer has; raises NotFoundError."""
    row = selectors.any_strategy_row(strategy_id)
    return _overview(row, _overrides(SymbolOverride.objects.filter(strategy_id=strategy_id)), at)


@transactions.store_errors()
def last_changes(limit: int) -> list[ConfigAudit]:
    """The newest accepted changes of all strategies."""
    return list(ConfigAudit.objects.filter(sequence__gt=0).order_by("-sequence")[:limit])


@transactions.store_errors()
def last_switch(*, strategy_id: str, symbol: str | None = None) -> ConfigAudit | None:
    """Who last switched the strategy, or the symbol of it, on or off; None where nobody ever has."""
    history = ConfigAudit.objects.filter(strategy_id=strategy_id, symbol=symbol or "", action__in=_SWITCHES)
    return history.order_by("-sequence").first()


@transactions.store_errors()
def switch_state(*, strategy_id: str, symbol: str | None = None) -> SwitchState:
    """The kill switch of the strategy, or of one symbol of it; raises NotFoundError."""
    row = selectors.any_strategy_row(strategy_id)
    if symbol is None:
        is_on = resolution.may_run(row)
    else:
        is_on = not SymbolOverride.objects.filter(strategy_id=strategy_id, symbol=symbol, enabled=False).exists()
    return SwitchState(strategy_id, symbol, is_on, last_switch(strategy_id=strategy_id, symbol=symbol))


@transactions.store_errors()
def changes_since(*, strategy_id: str, symbol: str | None = None, sequence: int, limit: int = 20) -> list[ConfigAudit]:
    """The changes after ``sequence`` that affect the layer (those of the global layer do), newest first."""
    symbols = [""] if symbol is None else ["", symbol]
    history = ConfigAudit.objects.filter(strategy_id=strategy_id, symbol__in=symbols, sequence__gt=sequence)
    return list(history.order_by("-sequence")[:limit])


def _overrides(rows: QuerySet[SymbolOverride]) -> list[_Override]:
    return [_Override(*values) for values in rows.order_by().values_list(*_Override._fields)]


def _overview(row: StrategyConfig, overrides: list[_Override], at: datetime) -> StrategyOverview:
    strategy = STRATEGIES.get(row.strategy_id)
    environment = resolution.environment_of(row.strategy_id)
    live = [each for each in overrides if each.parameters is not None and not resolution.is_due(each, at)]
    layers: list[StrategyConfig | _Override] = [row, *overrides]
    newest = max(layers, key=lambda layer: layer.sequence)
    return StrategyOverview(
        strategy_id=row.strategy_id,
        name=resolution.strategy_name(row.strategy_id),
        description="" if strategy is None else strategy.description,
        is_enabled=resolution.may_run(row),
        enabled_by="global" if row.enabled is not None else "environment" if environment.is_enabled_set else "default",
        version=row.version,
        sequence=newest.sequence,
        parameter_count=len(row.parameters or ()) if strategy is None else len(strategy.specs()),
        environment_count=len(environment.values),
        own_count=len(row.parameters or ()),
        overridden=tuple(sorted(each.symbol for each in live)),
        switched_off=tuple(sorted(each.symbol for each in overrides if not each.enabled)),
        last_change=_last_change(newest),
        is_in_code=strategy is not None,
    )


def _last_change(layer: StrategyConfig | _Override) -> LastChange | None:
    if layer.updated_at is None:
        return None
    symbol = layer.symbol if isinstance(layer, _Override) else None
    return LastChange(layer.updated_at, layer.updated_by, layer.reason, symbol, layer.version)

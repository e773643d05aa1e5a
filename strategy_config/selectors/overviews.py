"""What people read first: each strategy in a few facts, and its last changes. Selectors, in few queries."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from django.db.models import QuerySet

from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import expiry, known_strategies, layer_rows, work_limit
from strategy_config.selectors import strategy_rows
from strategy_config.store import transactions
from strategy_core.strategies.registry import STRATEGIES

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


@transactions.store_errors()
def strategy_overviews(at: datetime) -> list[StrategyOverview]:
    """All strategies in catalogue order, then those that the code no longer has.

    In two queries however many overrides there are.
    """
    rows = strategy_rows.with_new_strategies(StrategyConfig.objects.all())
    overrides: dict[str, list[_Override]] = defaultdict(list)
    for override in _overrides(SymbolOverride.objects.all()):
        work_limit.check()
        overrides[override.strategy_id].append(override)
    return [_overview(row, overrides[strategy_id], at) for strategy_id, row in rows.items()]


@transactions.store_errors()
def strategy_overview(strategy_id: str, at: datetime) -> StrategyOverview:
    """One strategy, also one that the code no longer has; raises NotFoundError."""
    row = strategy_rows.any_strategy_row(strategy_id)
    return _overview(row, _overrides(SymbolOverride.objects.filter(strategy_id=strategy_id)), at)


def _overrides(rows: QuerySet[SymbolOverride]) -> list[_Override]:
    return [_Override(*values) for values in rows.order_by().values_list(*_Override._fields)]


def _overview(row: StrategyConfig, overrides: list[_Override], at: datetime) -> StrategyOverview:
    strategy = STRATEGIES.get(row.strategy_id)
    environment = known_strategies.environment_of(row.strategy_id)
    live = [each for each in overrides if each.parameters is not None and not expiry.is_due(each, at)]
    layers: list[StrategyConfig | _Override] = [row, *overrides]
    newest = max(layers, key=lambda layer: layer.sequence)
    return StrategyOverview(
        strategy_id=row.strategy_id,
        name=known_strategies.strategy_name(row.strategy_id),
        description="" if strategy is None else strategy.description,
        is_enabled=layer_rows.may_run(row),
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

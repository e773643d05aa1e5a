"""The global layers as rows, those of strategies without one yet, or no longer in the code, included."""

from collections.abc import Iterable

from strategy_config.models import StrategyConfig
from strategy_config.resolution import known_strategies, layer_rows
from strategy_config.store import transactions
from strategy_core.strategies.registry import STRATEGIES


def strategy_row(strategy_id: str) -> StrategyConfig:
    """The global layer, a new row where there is none yet; raises NotFoundError for a strategy not in the code."""
    known_strategies.strategy_class(strategy_id)
    return any_strategy_row(strategy_id)


def any_strategy_row(strategy_id: str) -> StrategyConfig:
    """As ``strategy_row``, also of a strategy that only the store has; raises NotFoundError where nobody has it."""
    try:
        return StrategyConfig.objects.get(strategy_id=strategy_id)
    except StrategyConfig.DoesNotExist:
        return layer_rows.new_row(strategy_id)


@transactions.store_errors()
def removed_strategies() -> list[str]:
    """The strategies of the store that the code no longer has."""
    return list(StrategyConfig.objects.exclude(strategy_id__in=list(STRATEGIES)).values_list("strategy_id", flat=True))


def with_new_strategies(rows: Iterable[StrategyConfig]) -> dict[str, StrategyConfig]:
    """Global layers by strategy, catalogue order first; a new row for each strategy that `migrate` has not seen yet.

    Those that the code no longer has come last.
    """
    found = {row.strategy_id: row for row in rows}
    known = {each: found[each] if each in found else layer_rows.new_row(each) for each in STRATEGIES}
    return {**known, **found}

"""Changes of many layers as one: all of them are stored, or none is. Each is a version and a row of history."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.models import ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.publication import publisher
from strategy_config.resolution import resolution
from strategy_config.resolution.resolution import FieldState, unknown_strategy
from strategy_config.services.open_layer import OpenLayer
from strategy_core.strategies.registry import STRATEGIES

T = TypeVar("T")


class OpenBatch:
    """All layers of some strategies, read under the lock of the chain, in ``chain.write``.

    A strategy that the code has and `migrate` has not seen yet counts as one that was never set.
    """

    def __init__(self, chain: Chain, strategy_ids: Iterable[str], at: datetime) -> None:
        self._at = at
        self._chain = chain
        wanted = set(strategy_ids)
        self._rows = {row.strategy_id: row for row in StrategyConfig.objects.filter(strategy_id__in=wanted)}
        for strategy_id in STRATEGIES:
            if strategy_id in wanted and strategy_id not in self._rows:
                self._rows[strategy_id] = resolution.new_row(strategy_id)
        self._overrides: dict[str, dict[str, SymbolOverride]] = defaultdict(dict)
        for override in SymbolOverride.objects.filter(strategy_id__in=list(self._rows)):
            self._overrides[override.strategy_id][override.symbol] = override

    @property
    def changes(self) -> list[ConfigAudit]:
        """The rows of history so far, oldest first: those of this transaction."""
        return self._chain.rows

    @property
    def rows(self) -> list[StrategyConfig]:
        """The global layers."""
        return list(self._rows.values())

    def overrides(self, strategy_id: str) -> list[SymbolOverride]:
        """The symbol rows of the strategy."""
        return list(self._overrides[strategy_id].values())

    def layer(self, strategy_id: str, symbol: str | None) -> OpenLayer:
        """A layer to change; its row is new where the symbol has none yet. Raises NotFoundError."""
        row = self._rows.get(strategy_id)
        if row is None:
            raise unknown_strategy(strategy_id)
        if symbol is None:
            return OpenLayer(self._chain, row, self.overrides(strategy_id), None, self._at)
        known = self._overrides[strategy_id]
        override = known.setdefault(symbol, SymbolOverride(strategy_id=strategy_id, symbol=symbol))
        return OpenLayer(self._chain, row, [override], symbol, self._at)

    def touched(self) -> dict[str, FieldState]:
        """What the shared cache is to hold of everything that the changes touched."""
        touched: dict[str, set[str]] = defaultdict(set)
        for change in self.changes:
            if change.object_kind is None:
                touched[change.strategy_id].add(change.symbol)
        states: dict[str, FieldState] = {}
        for strategy_id, symbols in touched.items():
            overrides = self.overrides(strategy_id)
            affected = overrides if "" in symbols else [each for each in overrides if each.symbol in symbols]
            states.update(resolution.states_of(self._rows[strategy_id], affected))
        return states


def commit(
    strategy_ids: Iterable[str], at: datetime, change: Callable[[OpenBatch], T]
) -> tuple[T, list[ConfigAudit], bool]:
    """Run ``change`` in one transaction, again where another writer was in the way; then publish what it recorded.

    Answers what ``change`` answered, the rows of history, and whether the shared cache knows them now.
    """
    wanted = tuple(strategy_ids)

    def use_case(end: Chain) -> tuple[T, list[ConfigAudit], dict[str, FieldState]]:
        batch = OpenBatch(end, wanted, at)
        answer = change(batch)
        return answer, batch.changes, batch.touched()

    answer, changes, states = chain.write(use_case)
    return answer, changes, not changes or publisher.publish(changes, states)

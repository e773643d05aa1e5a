"""Changes of many layers as one: all of them are stored, or none is. Each is a version and a row of history."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from strategy_config.exceptions import InvalidRequestError, Refusal
from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin, reasoned_origin
from strategy_config.models import ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.publication import publisher
from strategy_config.resolution import layer_documents, layer_rows
from strategy_config.resolution.known_strategies import unknown_strategy
from strategy_config.resolution.layer_documents import FieldState
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.services.open_layer import OpenLayer
from strategy_core.strategies.registry import STRATEGIES

MOST_AT_ONCE = 1_000
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
                self._rows[strategy_id] = layer_rows.new_row(strategy_id)
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
            states.update(layer_documents.states_of(self._rows[strategy_id], affected))
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


@dataclass(frozen=True, slots=True)
class BatchWrite:
    """The rows of history, oldest first; none where everything was as wanted already.

    ``published`` false: stored, the shared cache will be told as soon as it is back. ``failures``: what could not be
    stopped, and why; only a stop has any, everything else is done for all or for none.
    """

    changes: tuple[ConfigAudit, ...]
    published: bool
    failures: tuple[Refusal, ...] = ()

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def sequence(self) -> int | None:
        """The sequence of the last change."""
        return self.changes[-1].told_sequence if self.changes else None


def write_together(keys: Sequence[LayerKey], origin: Origin, change: Callable[[OpenBatch, Origin], None]) -> BatchWrite:
    origin = reasoned_origin(origin)
    check_keys(keys)
    strategy_ids = [key.strategy_id for key in keys]
    _, changes, published = commit(strategy_ids, origin.at, lambda batch: change(batch, origin))
    return BatchWrite(tuple(changes), published)


def check_keys(keys: Sequence[LayerKey]) -> None:
    if not 1 <= len(keys) <= MOST_AT_ONCE:
        raise InvalidRequestError(f"Choose 1 to {MOST_AT_ONCE} symbols.", field="symbols")
    for key in keys:
        if key.symbol is None or normalise_symbol(key.symbol) != key.symbol:
            raise InvalidRequestError("Each must be a symbol, in capitals.", field="symbols")

"""Layers under change, stored together or not at all: each change is a version and a row of history.

Every service that writes layers has the same shape: an attempt, which `chain.write` runs again where another writer was
in the way, opens a batch, changes its layers and answers the batch; after the commit the batch is published.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from strategy_config.exceptions import InvalidRequestError, Refusal
from strategy_config.history.chain import Chain
from strategy_config.models import GLOBAL_SYMBOL, ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.publication import publisher
from strategy_config.resolution import layer_documents, layer_rows
from strategy_config.resolution.layer_documents import FieldState
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.services.open_layer import OpenLayer
from strategy_config.store import compiled_queries
from strategy_core.configuration import redis_keys
from strategy_core.strategies.registry import STRATEGIES

MOST_AT_ONCE = 1_000


class OpenBatch:
    """Layers read under the lock of the history's end, to be changed within a ``with`` block::

        def attempt(end: Chain) -> OpenBatch:
            with OpenBatch(end, origin.at) as batch:
                batch.layer(key).record("DELETE", None, origin)
            return batch

        batch = chain.write(attempt)
        batch.publish()

    A layer is read when it is first asked for, or with all those of its strategy by ``read``. The end of the block
    works out what Redis is to hold. A document that cannot be made refuses a layer that was read by itself; where
    layers were read together, it is left out and the others are written. A strategy that the code has and `migrate` has
    not seen yet counts as one that was never set.
    """

    def __init__(self, end: Chain, at: datetime) -> None:
        self._at = at
        self._end = end
        self._rows: dict[str, StrategyConfig] = {}
        self._overrides: dict[str, dict[str, SymbolOverride]] = defaultdict(dict)
        self._whole: set[str] = set()
        self._states: dict[str, FieldState] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._states = self._touched()

    @property
    def changes(self) -> list[ConfigAudit]:
        """The rows of history so far, oldest first: those of this transaction."""
        return self._end.rows

    @property
    def rows(self) -> list[StrategyConfig]:
        """The global layers that were read."""
        return list(self._rows.values())

    def overrides(self, strategy_id: str) -> list[SymbolOverride]:
        """The symbol rows of the strategy that were read."""
        return list(self._overrides[strategy_id].values())

    def read(self, strategy_ids: Iterable[str]) -> None:
        """Read all layers of these strategies, in two queries; those that nobody knows are left out."""
        wanted = set(strategy_ids)
        for row in StrategyConfig.objects.filter(strategy_id__in=wanted):
            self._rows.setdefault(row.strategy_id, row)
        for strategy_id in STRATEGIES:
            if strategy_id in wanted and strategy_id not in self._rows:
                self._rows[strategy_id] = layer_rows.new_row(strategy_id)
        self._read_overrides(wanted)

    def layer(self, key: LayerKey) -> OpenLayer:
        """A layer to change; its row is new where there is none yet. Raises NotFoundError for an unknown strategy."""
        row = self._row(key.strategy_id)
        if key.symbol is None:
            if key.strategy_id not in self._whole:
                self._read_overrides({key.strategy_id})
            return OpenLayer(self._end, row, self.overrides(key.strategy_id), None, self._at)
        return OpenLayer(self._end, row, [self._override(key.strategy_id, key.symbol)], key.symbol, self._at)

    def matched_layer(self, key: LayerKey, if_match: str | None) -> OpenLayer:
        """As ``layer``, where an If-Match header names it; an expiry that is due is recorded. VersionConflictError."""
        layer = self.layer(key)
        layer.require_match(if_match)
        layer.record_due_expiry()
        return layer

    def state_of(self, layer: OpenLayer) -> FieldState:
        """What Redis is to hold of the layer."""
        return self._states.get(layer.field) or layer.state()

    def publish(self) -> bool:
        """After the commit: tell Redis what was recorded. Whether it knows it now; true where there is nothing."""
        return not self.changes or publisher.publish(self.changes, self._states)

    def _row(self, strategy_id: str) -> StrategyConfig:
        row = self._rows.get(strategy_id)
        if row is None:
            row = compiled_queries.find(StrategyConfig, strategy_id=strategy_id) or layer_rows.new_row(strategy_id)
            self._rows[strategy_id] = row
        return row

    def _override(self, strategy_id: str, symbol: str) -> SymbolOverride:
        known = self._overrides[strategy_id]
        if symbol not in known:
            found = None
            if strategy_id not in self._whole:
                found = compiled_queries.find(SymbolOverride, strategy_id=strategy_id, symbol=symbol)
            known[symbol] = found or SymbolOverride(strategy_id=strategy_id, symbol=symbol)
        return known[symbol]

    def _read_overrides(self, strategy_ids: set[str]) -> None:
        for override in SymbolOverride.objects.filter(strategy_id__in=strategy_ids).order_by():
            self._overrides[override.strategy_id].setdefault(override.symbol, override)
        self._whole |= strategy_ids

    def _touched(self) -> dict[str, FieldState]:
        """What Redis is to hold of everything that the changes touched: of a global change, all of the strategy."""
        touched: dict[str, set[str]] = defaultdict(set)
        for change in self.changes:
            if change.object_kind is None:
                touched[change.strategy_id].add(change.symbol)
        states: dict[str, FieldState] = {}
        for strategy_id, symbols in touched.items():
            row, overrides = self._rows[strategy_id], self._overrides[strategy_id]
            if GLOBAL_SYMBOL in symbols:
                states.update(layer_documents.states_of(row, overrides.values()))
            elif strategy_id in self._whole:
                states.update(layer_documents.symbol_states(row, [overrides[symbol] for symbol in sorted(symbols)]))
            else:
                for symbol in symbols:
                    field = redis_keys.field_name(strategy_id, symbol)
                    states[field] = layer_documents.symbol_state(row, overrides[symbol])
        return states


@dataclass(frozen=True, slots=True)
class BatchWrite:
    """The rows of history, oldest first; none where everything was as wanted already.

    ``published`` false: stored, Redis will be told as soon as it is back. ``failures``: what could not be stopped, and
    why; only a stop has any, everything else is done for all or for none.
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


def batch_write(batch: OpenBatch, failures: Sequence[Refusal] = ()) -> BatchWrite:
    """Publish a batch that was committed, and answer what was written."""
    published = batch.publish()
    return BatchWrite(tuple(batch.changes), published, tuple(failures))


def check_keys(keys: Sequence[LayerKey]) -> None:
    """Raises InvalidRequestError where there are too many keys, or none, or one is not that of a symbol."""
    if not 1 <= len(keys) <= MOST_AT_ONCE:
        raise InvalidRequestError(f"Choose 1 to {MOST_AT_ONCE} symbols.", field="symbols")
    for key in keys:
        if key.symbol is None or normalise_symbol(key.symbol) != key.symbol:
            raise InvalidRequestError("Each must be a symbol, in capitals.", field="symbols")

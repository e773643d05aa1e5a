"""What Redis is to hold, read from the database as of one sequence."""

from collections import defaultdict
from dataclasses import dataclass

from strategy_config.history.positions import last_sequence
from strategy_config.history.snapshots import all_layers, at_one_end
from strategy_config.models import GLOBAL_SYMBOL, ChangeSequence, ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.resolution import item_failures, layer_documents
from strategy_config.resolution.layer_documents import FieldState
from strategy_config.selectors.strategy_rows import with_new_strategies
from strategy_config.store import transactions
from strategy_core.configuration import redis_keys


@dataclass(frozen=True, slots=True)
class PublicationState:
    """The store at one sequence: accepted changes, oldest first, and the state of fields of Redis.

    ``states`` are all fields, or at least those that the changes touched; ``fields`` the names of all layers, where
    ``states`` are: some of them may have no state.
    """

    sequence: int
    changes: list[ConfigAudit]
    states: dict[str, FieldState]
    fields: frozenset[str] = frozenset()


@transactions.store_errors()
def whole_state() -> PublicationState:
    """Every layer as of one sequence, without history."""
    sequence, rows, all_overrides = all_layers()
    overrides: dict[str, list[SymbolOverride]] = defaultdict(list)
    for override in all_overrides:
        overrides[override.strategy_id].append(override)
    states: dict[str, FieldState] = {}
    every = with_new_strategies(rows)
    for strategy_id, row in every.items():
        with item_failures.contained("document", strategy_id=strategy_id):
            states.update(layer_documents.states_of(row, overrides[strategy_id]))
    symbols = (redis_keys.field_name(each.strategy_id, each.symbol) for each in all_overrides)
    return PublicationState(sequence, [], states, frozenset((*every, *symbols)))


@transactions.store_errors()
def state_after(sequence: int, *, limit: int) -> PublicationState | None:
    """The changes after ``sequence`` and what they touched; None where they are more than ``limit``.

    No changes where ``sequence`` is the last one, or ahead of the store.
    """
    last = last_sequence()
    if last <= sequence:
        return PublicationState(last, [], {})
    if last - sequence > limit:
        return None

    def read(head: ChangeSequence) -> tuple[int, list[ConfigAudit], list[tuple[StrategyConfig, list[SymbolOverride]]]]:
        changes = list(ConfigAudit.objects.filter(sequence__gt=sequence).order_by("sequence"))
        return head.value, changes, _touched_by(changes)

    last, changes, touched = at_one_end(read)
    states: dict[str, FieldState] = {}
    for row, overrides in touched:
        with item_failures.contained("document", strategy_id=row.strategy_id):
            states.update(layer_documents.states_of(row, overrides))
    return PublicationState(last, changes, states)


def _touched_by(changes: list[ConfigAudit]) -> list[tuple[StrategyConfig, list[SymbolOverride]]]:
    """The layers whose documents the changes have altered: for a global change, all of the strategy."""
    symbols: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        if change.object_kind is None:
            symbols[change.strategy_id].add(change.symbol)
    touched = []
    for strategy_id, names in symbols.items():
        overrides = SymbolOverride.objects.filter(strategy_id=strategy_id)
        if GLOBAL_SYMBOL not in names:
            overrides = overrides.filter(symbol__in=names)
        row = StrategyConfig.objects.filter(strategy_id=strategy_id).first()
        touched.append((StrategyConfig(strategy_id=strategy_id) if row is None else row, list(overrides)))
    return touched

"""From rows of the database to the documents that Redis holds. Asks the database nothing."""

from collections.abc import Iterable
from typing import NamedTuple

from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import item_failures
from strategy_config.resolution.expiry import expired
from strategy_config.resolution.known_strategies import is_known
from strategy_config.resolution.layer_configs import global_config, symbol_config
from strategy_core.configuration import redis_keys, wire_documents


class FieldState(NamedTuple):
    """A field of Redis as of the last change that affected it.

    ``is_switch_unknown``: nobody has moved the switch, and only a version of the code that has the strategy knows its
    default.
    """

    sequence: int
    document: wire_documents.Document
    is_switch_unknown: bool = False


def global_document(row: StrategyConfig) -> wire_documents.Document:
    """The document of the global layer."""
    return wire_documents.Document(config=global_config(row), global_version=row.version, symbol_version=0)


def symbol_document(row: StrategyConfig, override: SymbolOverride) -> wire_documents.Document:
    """The document of a symbol's layer. One that is gone keeps it: its version is still to be named."""
    expires_at = override.expires_at
    return wire_documents.Document(
        config=symbol_config(row, override),
        global_version=row.version,
        symbol_version=override.version,
        expires_at_ms=None if expires_at is None else round(expires_at.timestamp() * 1000),
        after=None if expires_at is None else symbol_config(row, expired(override)),
    )


def global_state(row: StrategyConfig) -> FieldState:
    """What Redis is to hold of the global layer."""
    return FieldState(row.sequence, global_document(row), _is_switch_unknown(row))


def symbol_state(row: StrategyConfig, override: SymbolOverride) -> FieldState:
    """What Redis is to hold of the symbol's layer."""
    is_switch_unknown = override.enabled and _is_switch_unknown(row)
    return FieldState(max(row.sequence, override.sequence), symbol_document(row, override), is_switch_unknown)


def states_of(row: StrategyConfig, overrides: Iterable[SymbolOverride]) -> dict[str, FieldState]:
    """What Redis is to hold of the strategy's global layer and of the given rows, by field.

    Nothing for a strategy that the code lacks and nobody has ever set: a runtime that has it knows its defaults.
    """
    found = {}
    if row.version or is_known(row.strategy_id):
        found[redis_keys.field_name(row.strategy_id, None)] = global_state(row)
    return found | symbol_states(row, overrides)


def symbol_states(row: StrategyConfig, overrides: Iterable[SymbolOverride]) -> dict[str, FieldState]:
    """What Redis is to hold of these rows of the strategy, by field; one that cannot be made is left out."""
    found = {}
    for override in overrides:
        with item_failures.contained("document", strategy_id=row.strategy_id, symbol=override.symbol):
            found[redis_keys.field_name(row.strategy_id, override.symbol)] = symbol_state(row, override)
    return found


def _is_switch_unknown(row: StrategyConfig) -> bool:
    return row.enabled is None and not is_known(row.strategy_id)

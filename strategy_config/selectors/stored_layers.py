"""One layer as it holds at an instant."""

from datetime import datetime

from strategy_config.models import SymbolOverride
from strategy_config.resolution import expiry, known_strategies, layer_configs, layer_documents
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.selectors.strategy_rows import strategy_row
from strategy_config.store import transactions
from strategy_core.configuration import wire_documents


@transactions.store_errors()
def layer_config(*, strategy_id: str, symbol: str | None = None, at: datetime) -> wire_documents.LayerConfig:
    """What holds for the strategy, or for one symbol of it, at the instant ``at``.

    A symbol without a layer shows the global one under its own version (0 where it never had a layer).
    Raises NotFoundError, InvalidSymbolError.
    """
    known_strategies.strategy_class(strategy_id)
    if symbol is None:
        return layer_configs.global_config(strategy_row(strategy_id))
    symbol = normalise_symbol(symbol)
    return layer_configs.symbol_config(strategy_row(strategy_id), effective_override(strategy_id, symbol, at))


def effective_override(strategy_id: str, symbol: str, at: datetime) -> SymbolOverride:
    """The symbol's layer as it counts at the instant: without what has expired, a new row where it never had one."""
    override = SymbolOverride.objects.filter(strategy_id=strategy_id, symbol=symbol).first()
    if override is None:
        return SymbolOverride(strategy_id=strategy_id, symbol=symbol)
    return expiry.expired(override) if expiry.is_due(override, at) else override


@transactions.store_errors()
def documents(strategy_id: str) -> dict[str, wire_documents.Document]:
    """The document of every layer of the strategy that was ever set, by the field of Redis.

    Raises NotFoundError.
    """
    row = strategy_row(strategy_id)
    states = layer_documents.states_of(row, SymbolOverride.objects.filter(strategy_id=strategy_id))
    return {field: state.document for field, state in states.items()}

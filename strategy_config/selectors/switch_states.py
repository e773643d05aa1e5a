"""The kill switches, and who last moved them."""

from dataclasses import dataclass

from strategy_config.models import ConfigAudit, SymbolOverride
from strategy_config.resolution import known_strategies, layer_rows
from strategy_config.selectors import strategy_rows
from strategy_config.selectors.history import last_switch
from strategy_config.store import transactions


@dataclass(frozen=True, slots=True)
class SwitchState:
    """A kill switch by itself, whatever the one above it says; ``last`` is who last moved it, if anybody has."""

    strategy_id: str
    symbol: str | None
    is_on: bool
    last: ConfigAudit | None

    @property
    def where(self) -> str:
        name = known_strategies.strategy_name(self.strategy_id)
        return name if self.symbol is None else f"{name} on {self.symbol}"


@transactions.store_errors()
def switch_state(*, strategy_id: str, symbol: str | None = None) -> SwitchState:
    """The kill switch of the strategy, or of one symbol of it; raises NotFoundError."""
    row = strategy_rows.any_strategy_row(strategy_id)
    if symbol is None:
        is_on = layer_rows.may_run(row)
    else:
        is_on = not SymbolOverride.objects.filter(strategy_id=strategy_id, symbol=symbol, enabled=False).exists()
    return SwitchState(strategy_id, symbol, is_on, last_switch(strategy_id=strategy_id, symbol=symbol))

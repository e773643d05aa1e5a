"""The tables, by subject. Django finds them here, and so does everybody else: their folder says which is where.

Imports nothing of ours.
"""

from strategy_config.models.columns import (
    CHANGED_BY_LENGTH,
    GLOBAL_SYMBOL,
    REASON_LENGTH,
    REQUEST_ID_LENGTH,
    STRATEGY_ID_LENGTH,
    SYMBOL_LENGTH,
)
from strategy_config.models.halts import Halt
from strategy_config.models.history import ConfigAudit, ImmutableRowError
from strategy_config.models.layers import StrategyConfig, SymbolOverride
from strategy_config.models.positions import ChangeSequence, RelayPosition
from strategy_config.models.tokens import ApiToken

__all__ = [
    "CHANGED_BY_LENGTH",
    "GLOBAL_SYMBOL",
    "REASON_LENGTH",
    "REQUEST_ID_LENGTH",
    "STRATEGY_ID_LENGTH",
    "SYMBOL_LENGTH",
    "ApiToken",
    "ChangeSequence",
    "ConfigAudit",
    "Halt",
    "ImmutableRowError",
    "RelayPosition",
    "StrategyConfig",
    "SymbolOverride",
]

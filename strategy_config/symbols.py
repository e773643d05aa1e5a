"""What a trading symbol is."""

from realtime_runtime.config.wire import SYMBOL_PATTERN
from strategy_config.exceptions import InvalidSymbolError


def normalise_symbol(text: str) -> str:
    """The symbol in capitals (``btcusdt`` -> ``BTCUSDT``); raises InvalidSymbolError."""
    symbol = text.upper()
    if not text.isascii() or SYMBOL_PATTERN.fullmatch(symbol) is None:
        raise InvalidSymbolError(
            "A symbol has 4 to 24 letters, digits or underscores and starts with a letter or digit, like BTCUSDT."
        )
    return symbol

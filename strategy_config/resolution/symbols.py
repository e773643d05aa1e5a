"""What a trading symbol is."""

from strategy_config.exceptions import InvalidSymbolError
from strategy_core.configuration.wire import SYMBOL_PATTERN

LONGEST_SHOWN = 32


def normalise_symbol(text: str) -> str:
    """The symbol in capitals (``btcusdt`` -> ``BTCUSDT``); raises InvalidSymbolError."""
    symbol = text.upper()
    if not text.isascii() or SYMBOL_PATTERN.fullmatch(symbol) is None:
        raise InvalidSymbolError(
            f"{text[:LONGEST_SHOWN]!a} is no symbol: that has 4 to 24 letters, digits or underscores and starts with a "
            "letter or digit, like BTCUSDT."
        )
    return symbol

"""What a trading symbol is."""

from strategy_config.exceptions import InvalidSymbolError
from strategy_core.market.symbols import is_symbol

LONGEST_SHOWN = 32


def normalise_symbol(text: str) -> str:
    """The symbol in capitals (``btcusdt`` -> ``BTCUSDT``); raises InvalidSymbolError."""
    symbol = text.upper()
    if not text.isascii() or not is_symbol(symbol):
        raise InvalidSymbolError(
            f"{text[:LONGEST_SHOWN]!a} is not a valid symbol: use 4 to 24 letters, digits or underscores, starting "
            "with a letter or digit, such as BTCUSDT."
        )
    return symbol

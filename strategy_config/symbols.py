"""What a trading symbol is."""

import re

from strategy_config.exceptions import InvalidSymbolError

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_]{3,23}", re.ASCII)


def normalise_symbol(text: str) -> str:
    """The symbol in capitals (``btcusdt`` -> ``BTCUSDT``); raises InvalidSymbolError."""
    symbol = text.upper()
    if not text.isascii() or _SYMBOL.fullmatch(symbol) is None:
        raise InvalidSymbolError(
            "A symbol has 4 to 24 letters, digits or underscores and starts with a letter or digit, like BTCUSDT."
        )
    return symbol

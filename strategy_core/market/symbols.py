"""What may be the name of a symbol, on every way in. Pure."""

import re

SYMBOL_PATTERN = re.compile(r"[A-Z0-9][A-Z0-9_]{3,23}", re.ASCII)
"""Matches the whole of a symbol's name (``fullmatch``)."""


def is_symbol(text: str) -> bool:
    """Whether ``text`` can be a symbol: ASCII capitals, digits and ``_``, 4 to 24 of them."""
    return SYMBOL_PATTERN.fullmatch(text) is not None

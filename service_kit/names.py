"""Lists of names in a sentence."""

from collections.abc import Iterable

NAMES_SHOWN = 5


def listed(names: Iterable[str], most: int = NAMES_SHOWN) -> str:
    """The first few names, and how many more there are: "a, b and 3 more"."""
    every = list(names)
    first, rest = every[:most], len(every) - most
    return ", ".join(first) + (f" and {rest} more" if rest > 0 else "")

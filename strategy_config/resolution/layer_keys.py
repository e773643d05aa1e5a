"""How a layer is named: the one key of the site, and the words for it."""

from typing import NamedTuple


class LayerKey(NamedTuple):
    """A layer: of a strategy as a whole, or of one symbol of it."""

    strategy_id: str
    symbol: str | None

    def __str__(self) -> str:
        return f"{self.strategy_id} {'global' if self.symbol is None else f'on {self.symbol}'}"

"""How a layer is named: the one key of the site, and the words for it."""

from typing import NamedTuple, Self

from strategy_config.resolution.symbols import normalise_symbol


class LayerKey(NamedTuple):
    """A layer: of a strategy as a whole (``symbol`` None), or of one symbol of it."""

    strategy_id: str
    symbol: str | None

    @classmethod
    def named(cls, strategy_id: str, symbol: str | None) -> Self:
        """The key of the layer that a caller names; raises InvalidSymbolError."""
        return cls(strategy_id, None if symbol is None else normalise_symbol(symbol))

    @property
    def in_words(self) -> str:
        """As the subject of a sentence."""
        return f"{self.strategy_id} {'as a whole' if self.symbol is None else f'on {self.symbol}'}"

    def __str__(self) -> str:
        return f"{self.strategy_id} {'global' if self.symbol is None else f'on {self.symbol}'}"

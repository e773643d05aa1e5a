"""The configuration that the runtime trades on right now, swapped whole between two messages. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from strategy_core.configuration.halts import Halts
from strategy_core.strategies.base import Parameters


@dataclass(frozen=True, slots=True)
class ActiveConfig:
    """One strategy's configuration, for all symbols or for one: what a decision is made under.

    ``sequence`` is that of the last change behind it, 0 where only environment and defaults speak. ``held_back`` says
    why it does not trade where that is not for a switch: then ``enabled`` is false, too.
    """

    enabled: bool
    parameters: Parameters
    sequence: int
    global_version: int
    symbol_version: int
    held_back: str | None = None


LayerKey = tuple[str, str | None]
"""Strategy and symbol; None for the global layer."""
Layers = Mapping[LayerKey, ActiveConfig]


class ActiveConfigs:
    """All active configurations, and the halts over them.

    ``generation`` rises with every swap and halt: plans made under an older one are stale. ``on_swap`` is called after
    every swap.
    """

    __slots__ = ("_layers", "generation", "halts", "on_swap")

    def __init__(self, layers: Layers) -> None:
        """``layers`` must hold the global layer (symbol None) of every strategy."""
        self._layers: Layers = MappingProxyType(dict(layers))
        self.halts = Halts()
        self.generation = 0
        self.on_swap: Callable[[], object] = _ignore

    def lookup(self, strategy_id: str, symbol: str | None) -> ActiveConfig:
        """The symbol's own layer where there is one, else the global one.

        A symbol trades while neither switch is off: that of the strategy holds, too, where the symbol's own document
        has not been told of it. A strategy that is only held back leaves a symbol's own, valid layer alone.
        """
        own, whole = self._layers.get((strategy_id, symbol)), self._layers[strategy_id, None]
        if own is None:
            return whole
        is_switched_off = not whole.enabled and whole.held_back is None
        return replace(own, enabled=False, held_back=None) if own.enabled and is_switched_off else own

    def is_stopped(self, strategy_id: str, symbol: str) -> bool:
        """Whether no signal of the strategy on the symbol may leave now: for a halt, a switch, what holds it back."""
        if self.halts.is_halted(strategy_id, symbol):
            return True
        return (strategy_id, None) in self._layers and not self.lookup(strategy_id, symbol).enabled

    @property
    def layers(self) -> Layers:
        """The layers in force, read-only."""
        return self._layers

    def swap(self, layers: Layers) -> None:
        """Put ``layers`` in force, all at once."""
        self._layers = MappingProxyType(dict(layers))
        self.generation += 1
        self.on_swap()

    def note_halts(self) -> None:
        """Have what has changed in ``halts`` seen at the next message."""
        self.generation += 1


def _ignore() -> None:
    """No callback for swaps."""

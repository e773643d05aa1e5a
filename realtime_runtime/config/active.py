"""The configuration that the runtime trades on right now, swapped whole between two messages. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from realtime_runtime.config.halts import Halts
from realtime_runtime.strategies.base import Parameters


@dataclass(frozen=True, slots=True)
class ActiveConfig:
    """One strategy's configuration, for all symbols or for one: what a decision is made under.

    ``sequence`` is that of the last change behind it, 0 where only environment and defaults speak.
    """

    enabled: bool
    parameters: Parameters
    sequence: int
    global_version: int
    symbol_version: int


Layers = Mapping[tuple[str, str | None], ActiveConfig]


class ActiveConfigs:
    """All active configurations, and the halts over them.

    ``generation`` rises with every swap and halt: plans made under an older one are stale.
    """

    __slots__ = ("_layers", "generation", "halts")

    def __init__(self, layers: Layers) -> None:
        """``layers`` must hold the global layer (symbol None) of every strategy."""
        self._layers: Layers = MappingProxyType(dict(layers))
        self.halts = Halts()
        self.generation = 0

    def lookup(self, strategy_id: str, symbol: str | None) -> ActiveConfig:
        """The symbol's own layer where there is one, else the global one."""
        own = self._layers.get((strategy_id, symbol))
        return self._layers[strategy_id, None] if own is None else own

    @property
    def layers(self) -> Layers:
        """The layers in force, read-only."""
        return self._layers

    def swap(self, layers: Layers) -> None:
        """Put ``layers`` in force, all at once."""
        self._layers = MappingProxyType(dict(layers))
        self.generation += 1

    def note_halts(self) -> None:
        """Have what has changed in ``halts`` seen at the next message."""
        self.generation += 1

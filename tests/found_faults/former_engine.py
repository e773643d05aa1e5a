"""The engine as the scripts call it. Needs no Django."""

from collections.abc import Sequence

from strategy_core.engine import engine
from strategy_core.engine.signals import Signal
from strategy_core.market.event_kinds import DOMINANCE


class Engine(engine.Engine):
    """With a method a kind of observation; today there is one for all."""

    def dominance(self, payload: bytes, *, received_ms: int, is_replay: bool) -> Sequence[Signal]:
        """One message on market.dominance."""
        return self.observation(DOMINANCE, payload, received_ms=received_ms, is_replay=is_replay)

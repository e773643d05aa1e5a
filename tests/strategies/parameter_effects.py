"""The law that every parameter has an effect, as a table that each strategy's test file fills.

    CASES = declare_effects(MyStrategy, {"window": Effect(events=[...], base={...}, changed={"window": 7}), ...})

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_my_strategy__one_parameter_changed__changes_the_outcome(case: Case) -> None:
        case.check()

``test_completeness.py`` fails where a declared parameter of a registered strategy has no case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from strategy_core.strategies.base import Strategy
from tests.strategies.playback import Event, play


@dataclass(frozen=True)
class Effect:
    """Events on which changing one parameter alone changes what goes out.

    ``base`` are the parameters that differ from their default, ``changed`` the one that is changed on top.
    Compared are the signals: on which event, action, confidence, price, stop and target; the deciding
    numbers only with ``in_details``, for a parameter whose one effect is there.
    """

    events: list[Event]
    changed: dict[str, Any]
    base: dict[str, Any] = field(default_factory=dict)
    symbol: str = "BTCUSDT"
    in_details: bool = False


@dataclass(frozen=True)
class Case:
    """One entry of the table."""

    strategy: type[Strategy[Any]]
    parameter: str
    effect: Effect

    def __str__(self) -> str:
        return f"{self.strategy.id}.{self.parameter}"

    def check(self) -> None:
        """Fails unless exactly this parameter is changed and the outcome differs."""
        effect = self.effect
        assert set(effect.changed) == {self.parameter}
        before, after = self._outcome(effect.base), self._outcome({**effect.base, **effect.changed})
        assert before != after, f"{self} has no effect: {before}"

    def _outcome(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        decisions = play(self.strategy, self.effect.events, values, symbol=self.effect.symbol)
        if not self.effect.in_details:
            decisions = [(index, decision._replace(details={}, signal_type="")) for index, decision in decisions]
        return decisions, self.strategy.symbol_limit(self.strategy.parameters.model_validate(dict(values)))


EFFECTS: dict[tuple[str, str], Case] = {}


def declare_effects(strategy: type[Strategy[Any]], effects: Mapping[str, Effect]) -> list[Case]:
    """Enter a strategy's cases, by parameter, into the table; returns them."""
    cases = {(strategy.id, name): Case(strategy, name, effect) for name, effect in effects.items()}
    EFFECTS.update(cases)
    return list(cases.values())

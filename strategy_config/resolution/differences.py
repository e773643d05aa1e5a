"""How two states of a layer differ. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strategy_core.configuration.parameter_values import StrategyClass
from strategy_core.strategies.base import ParameterSpec


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry for each name whose value differs; None where it was or is not set."""
    return [
        {"parameter": name, "old": old.get(name), "new": new.get(name)}
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """A parameter whose resolved value would change; ``percent_of_range`` is None where there is no range."""

    parameter: str
    old: Any
    new: Any
    percent_of_range: float | None


def percent_of_range(spec: ParameterSpec | None, old: Any, new: Any) -> float | None:
    """How far a number moves within its range; None where one of them is not set or there is no range."""
    if spec is None or old is None or new is None or spec.type not in {"int", "float"}:
        return None
    if spec.minimum is None or spec.maximum is None:
        return None
    return float(round(abs(new - old) / (spec.maximum - spec.minimum) * 100, 2))


def own_differences(
    strategy: StrategyClass | None, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> list[ParameterChange]:
    """How a layer's own parameters differ, None where one is not set. ``strategy`` None: the code no longer has it."""
    specs = {} if strategy is None else {spec.name: spec for spec in strategy.specs()}
    return [
        ParameterChange(
            each["parameter"],
            each["old"],
            each["new"],
            percent_of_range(specs.get(each["parameter"]), each["old"], each["new"]),
        )
        for each in differences(old or {}, new or {})
    ]

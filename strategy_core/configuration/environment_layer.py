"""The layer of parameters that the environment sets. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from strategy_core.configuration.parameter_values import StrategyClass, Values, in_short, parse_switch, parse_text
from strategy_core.configuration.validation import broken_rules, check_values


@dataclass(frozen=True, slots=True)
class EnvironmentProblem:
    """A variable that could not be used and was left out of the layer."""

    variable: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class EnvironmentLayer:
    """What the environment says of one strategy: usable values, the enabled switch, what was left out.

    ``variables`` maps each parameter that is set to the variable that set it.
    """

    values: Values
    enabled: bool
    is_enabled_set: bool
    variables: Mapping[str, str]
    problems: tuple[EnvironmentProblem, ...]


def read_environment(strategy: StrategyClass, environ: Mapping[str, str]) -> EnvironmentLayer:
    """Read a strategy's variables. What cannot be used is left out and reported; nothing is raised."""
    values: dict[str, Any] = {}
    variables: dict[str, str] = {}
    problems: list[EnvironmentProblem] = []
    for spec in strategy.specs():
        names = (*spec.environment, *strategy.former_variables(spec.name))
        variable = next((name for name in names if environ.get(name, "").strip()), None)
        if variable is None:
            continue
        text = environ[variable].strip()
        try:
            accepted, errors = check_values(strategy, {spec.name: parse_text(spec, text)})
        except ValueError as exception:
            problems.append(EnvironmentProblem(variable, spec.name, str(exception)))
            continue
        if errors:
            problems.append(EnvironmentProblem(variable, spec.name, errors[0].message))
            continue
        values.update(accepted)
        variables[spec.name] = variable
    problems.extend(_drop_broken(strategy, values, variables))
    names = strategy.enabled_variables()
    variable = next((name for name in names if environ.get(name, "").strip()), names[0])
    text = environ.get(variable, "").strip()
    switch = parse_switch(text)
    if switch is None and text:
        problems.append(
            EnvironmentProblem(variable, "enabled", f"enabled must be true or false, not {in_short(text)}.")
        )
    return EnvironmentLayer(
        values=MappingProxyType(values),
        enabled=strategy.enabled_by_default if switch is None else switch,
        is_enabled_set=switch is not None,
        variables=MappingProxyType(variables),
        problems=tuple(problems),
    )


def _drop_broken(
    strategy: StrategyClass, values: dict[str, Any], variables: dict[str, str]
) -> Iterator[EnvironmentProblem]:
    """Take values that break a rule out of both, until none does: without them another rule may break."""
    while broken := [(name, rule) for rule in broken_rules(strategy, values) for name in rule.fields if name in values]:
        for name, rule in broken:
            if name in values:
                del values[name]
                yield EnvironmentProblem(variables.pop(name), name, rule.message)

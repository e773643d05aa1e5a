"""Resolution of parameters, and the one validation behind every way to change them. Pure.

Per parameter the highest layer that sets it wins: symbol > global > environment > default.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from pydantic import ValidationError

from strategy_core.strategies.base import (
    BrokenRule,
    Parameters,
    ParametersClass,
    ParameterSpec,
    Strategy,
    parameter_specs,
)

Layer = Literal["default", "environment", "global", "symbol"]
Source = Literal["default", "environment", "global", "symbol", "refused"]
"""The layer that a value comes from; "refused": a layer above it sets one that no longer fits (see ``usable``)."""
ErrorCode = Literal["UNKNOWN_PARAMETER", "INVALID_TYPE", "OUT_OF_RANGE", "NOT_ALLOWED", "CONFLICTING_VALUES"]
Values = Mapping[str, Any]
StrategyClass = type[Strategy[Any]]
NOTHING: Values = MappingProxyType({})

LARGEST_EXACT = 2**53
_SHOWN_LENGTH = 40
_SHOWN_ITEMS = 6
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list of texts",
}


@dataclass(frozen=True, slots=True)
class ParameterError:
    """One reason for a refusal. ``suggested_value`` is a value that would be accepted, or None.

    ``symbol`` names the override that a change of a lower layer would break.
    """

    field: str
    code: ErrorCode
    message: str
    suggested_value: Any = None
    symbol: str | None = None


class InvalidParametersError(Exception):
    """The parameters break their declaration or a rule; ``errors`` holds every reason."""

    def __init__(self, errors: Iterable[ParameterError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(error.message for error in self.errors))


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


@dataclass(frozen=True, slots=True)
class Resolved:
    """All parameters of a strategy and the layer that each came from; ``sources`` belongs to the caller."""

    parameters: Parameters
    sources: dict[str, Source]


def carried_over(strategy: StrategyClass, values: Values) -> Values:
    """The values under the names that parameters have now; one under its present name counts more."""
    if not strategy.renamed or strategy.renamed.keys().isdisjoint(values):
        return values
    names = {name: strategy.renamed.get(name, name) for name in values}
    return {names[name]: value for name, value in values.items() if names[name] == name or names[name] not in values}


def check_values(strategy: StrategyClass, values: Values) -> tuple[dict[str, Any], list[ParameterError]]:
    """Check each value by itself: (accepted values, normalised to their type; every error)."""
    values = carried_over(strategy, values)
    specs = _specs_by_name(strategy.id, strategy.parameters)
    errors: dict[str, ParameterError] = {}
    known: dict[str, Any] = {}
    for name, value in values.items():
        if name in specs:
            known[name] = _whole(value) if specs[name].type == "int" else value
        else:
            errors[name] = ParameterError(name, "UNKNOWN_PARAMETER", _unknown_message(strategy, name))
    try:
        strategy.parameters.model_validate(known)
    except ValidationError as exception:
        for detail in exception.errors(include_url=False, include_context=False, include_input=False):
            if detail["loc"]:
                spec = specs[str(detail["loc"][0])]
                errors.setdefault(spec.name, _explain(spec, detail["type"], known[spec.name]))
    accepted = {name: _normalise(specs[name], value) for name, value in known.items() if name not in errors}
    return accepted, [errors[name] for name in values if name in errors]


def resolve(
    strategy: StrategyClass,
    *,
    environment: Values = NOTHING,
    global_values: Values = NOTHING,
    symbol_values: Values = NOTHING,
) -> Resolved:
    """Resolve the layers, each already checked or not; raises InvalidParametersError with every error."""
    merged: dict[str, Any] = {}
    sources: dict[str, Source] = dict.fromkeys(strategy.parameters.model_fields, "default")
    layers: tuple[tuple[Layer, Values], ...] = (
        ("environment", environment),
        ("global", global_values),
        ("symbol", symbol_values),
    )
    for source, values in layers:
        values = carried_over(strategy, values)
        merged.update(values)
        sources.update(dict.fromkeys(values, source))
    try:
        return Resolved(strategy.parameters.model_validate(merged), sources)
    except ValidationError:
        raise InvalidParametersError(_all_errors(strategy, merged)) from None


def validate_layer(
    strategy: StrategyClass,
    values: Values,
    *,
    below: Values = NOTHING,
    overrides: Mapping[str, Values] = MappingProxyType({}),
    stored: Values = NOTHING,
) -> dict[str, Any]:
    """Check a layer's own values by themselves and as resolved; returns them normalised.

    ``below`` are the values of the lower layers that are in force (defaults may be left out), ``overrides`` the own
    values of the symbol layers above, by symbol: a rule that the change would break for one of them refuses the
    change and names the symbol, unless the layer itself breaks it in the same way. ``stored`` are the layer's own
    values before the change: one that no longer fits and is left as it is refuses nothing and comes back as it is.
    Raises InvalidParametersError with every error at once.
    """
    values, stored = carried_over(strategy, values), carried_over(strategy, stored)
    accepted, errors = check_values(strategy, values)
    kept = {error.field: values[error.field] for error in errors if _is_left_as_it_is(error.field, values, stored)}
    errors = [error for error in errors if error.field not in kept]
    refused = {error.field for error in errors}
    was = {**below, **check_values(strategy, stored)[0]}
    resolved = {**below, **accepted}
    changed = {name for name in {**stored, **values} if not _is_left_as_it_is(name, values, stored)}
    errors.extend(
        error
        for rule, error in _rule_errors(strategy, resolved, unusable=refused)
        if not changed.isdisjoint(rule.fields) or rule.fields not in _broken_fields(strategy, was)
    )
    reported = {error.message for error in errors}
    for symbol, own in overrides.items():
        usable = own if _is_valid(strategy, {**resolved, **own}) else check_values(strategy, own)[0]
        for rule, error in _rule_errors(strategy, {**resolved, **usable}, unusable=refused - usable.keys()):
            if error.message in reported or rule.fields in _broken_fields(strategy, {**was, **usable}):
                continue
            errors.append(replace(error, symbol=symbol, message=f"With the override for {symbol}: {error.message}"))
    if errors:
        raise InvalidParametersError(errors)
    return {name: accepted[name] if name in accepted else kept[name] for name in values}


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
    switch = _parse_switch(text)
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


def parse_text(spec: ParameterSpec, text: str) -> Any:
    """The value that ``text`` (a variable or a form field) stands for; raises ValueError with a message."""
    if spec.type == "list":
        return [item.strip() for item in text.split(",") if item.strip()]
    if spec.type == "str":
        return text
    try:
        return _parse_switch_strictly(text) if spec.type == "bool" else _parse_number(text, spec.type)
    except ValueError:
        raise ValueError(f"{spec.name} must be {_EXPECTED[spec.type]}, not {in_short(text)}.") from None


def as_json(parameters: Parameters) -> dict[str, Any]:
    """The parameters as JSON types, in declaration order."""
    return parameters.model_dump(mode="json")


def _parse_switch(text: str) -> bool | None:
    lowered = text.lower()
    return True if lowered in _TRUE else False if lowered in _FALSE else None


def _parse_switch_strictly(text: str) -> bool:
    switch = _parse_switch(text)
    if switch is None:
        raise ValueError
    return switch


def _parse_number(text: str, kind: str) -> int | float:
    """Python also reads ``1_000`` and digits of other scripts; here these are typing errors."""
    if "_" in text or not text.isascii():
        raise ValueError
    if kind == "float":
        return float(text)
    try:
        return int(text)
    except ValueError:
        number = _whole(float(text))
        if isinstance(number, int):
            return number
        raise


@cache
def _specs_by_name(strategy_id: str, model: ParametersClass) -> Mapping[str, ParameterSpec]:
    return MappingProxyType({spec.name: spec for spec in parameter_specs(strategy_id, model)})


def _is_valid(strategy: StrategyClass, values: Values) -> bool:
    """The cheap answer, a fifth of the time of a full explanation."""
    try:
        strategy.parameters.model_validate(values)
    except ValidationError:
        return False
    return True


def _all_errors(strategy: StrategyClass, merged: Values) -> list[ParameterError]:
    """Every error of resolved values; a rule that needs a refused value is not judged."""
    accepted, errors = check_values(strategy, merged)
    broken = _rule_errors(strategy, accepted, unusable={error.field for error in errors})
    return [*errors, *(error for _, error in broken)]


def _is_left_as_it_is(name: str, values: Values, stored: Values) -> bool:
    """Whether a change leaves this value, of the same type, where it was."""
    return name in values and name in stored and _typed(values[name]) == _typed(stored[name])


def _typed(value: Any) -> Any:
    """For a comparison in which 1, 1.0 and true differ."""
    return [_typed(item) for item in value] if isinstance(value, (list, tuple)) else (type(value), value)


def broken_rules(strategy: StrategyClass, values: Values) -> list[BrokenRule]:
    """The rules that usable values break; what is not among them stands at its default."""
    return list(strategy.parameters.model_construct(**dict(values)).broken_rules())


def _broken_fields(strategy: StrategyClass, values: Values) -> list[tuple[str, ...]]:
    return [rule.fields for rule in broken_rules(strategy, values)]


def _rule_errors(
    strategy: StrategyClass, values: Values, *, unusable: AbstractSet[str]
) -> list[tuple[BrokenRule, ParameterError]]:
    """The broken rules; one that needs an ``unusable`` field is not judged."""
    if not unusable and _is_valid(strategy, values):
        return []
    return [
        (rule, ParameterError(rule.field, "CONFLICTING_VALUES", rule.message, rule.suggested_value))
        for rule in broken_rules(strategy, values)
        if unusable.isdisjoint(rule.fields)
    ]


def _drop_broken(
    strategy: StrategyClass, values: dict[str, Any], variables: dict[str, str]
) -> Iterator[EnvironmentProblem]:
    """Take values that break a rule out of both, until none does: without them another rule may break."""
    while broken := [(name, rule) for rule in broken_rules(strategy, values) for name in rule.fields if name in values]:
        for name, rule in broken:
            if name in values:
                del values[name]
                yield EnvironmentProblem(variables.pop(name), name, rule.message)


def _whole(value: Any) -> Any:
    """JSON's 8.0 is the integer 8, as far as a float holds integers exactly."""
    is_whole = type(value) is float and value.is_integer() and abs(value) <= LARGEST_EXACT
    return int(value) if is_whole else value


def _normalise(spec: ParameterSpec, value: Any) -> Any:
    if spec.type == "float":
        return float(value) + 0.0  # no negative zero
    return list(value) if spec.type == "list" else value


def _unknown_message(strategy: StrategyClass, name: str) -> str:
    known = ", ".join(strategy.parameters.model_fields)
    return f"{strategy.id} has no parameter {name[:64]!r}. It has: {known}."


def _explain(spec: ParameterSpec, kind: str, value: Any) -> ParameterError:
    """Put pydantic's error of one field into the product's words."""
    shown = in_short(value)
    if kind in {"greater_than_equal", "less_than_equal"}:
        suggestion = spec.minimum if kind == "greater_than_equal" else spec.maximum
        message = f"{spec.name} {shown} must be between {spec.minimum:g} and {spec.maximum:g}{_unit(spec)}."
        return ParameterError(spec.name, "OUT_OF_RANGE", message, suggestion)
    if kind == "too_short":
        message = f"{spec.name} must have at least {spec.minimum:g} different items."
        return ParameterError(spec.name, "OUT_OF_RANGE", message, spec.default)
    if kind in {"literal_error", "duplicate_items"}:
        allowed = ", ".join(str(item) for item in spec.allowed_values or ())
        message = f"{spec.name} {shown} must be chosen from {allowed}, each at most once."
        return ParameterError(spec.name, "NOT_ALLOWED", message, spec.default)
    if spec.type == "float" and type(value) is int:  # too large for a float
        return _explain(spec, "greater_than_equal" if value < 0 else "less_than_equal", value)
    message = f"{spec.name} must be {_EXPECTED[spec.type]}, not {shown}."
    return ParameterError(spec.name, "INVALID_TYPE", message, _as_type(spec, value))


def _as_type(spec: ParameterSpec, value: Any) -> Any:
    """The value in the declared type where that is obvious (``"5"`` for an int), else the default."""
    if spec.type in {"int", "float"} and isinstance(value, (str, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            return spec.default
        if math.isfinite(number) and (spec.type == "float" or number.is_integer()):
            low, high = spec.minimum, spec.maximum
            in_range = min(max(number, number if low is None else low), number if high is None else high)
            return int(in_range) if spec.type == "int" else in_range
    return spec.default


def in_short(value: Any) -> str:
    """A short form for messages, safe for whatever a parser may have produced (depth, length, digits)."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else "a number beyond 64 bits"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        shown = ["a list" if isinstance(item, (list, tuple)) else in_short(item) for item in value[:_SHOWN_ITEMS]]
        return f"[{', '.join(shown)}{', ...' if len(value) > _SHOWN_ITEMS else ''}]"
    text = repr(value[:_SHOWN_LENGTH] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 3] + "..."


def _unit(spec: ParameterSpec) -> str:
    return f" ({spec.unit})" if spec.unit else ""

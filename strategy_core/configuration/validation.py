"""The one validation behind every way to change parameters. Pure."""

import math
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from pydantic import ValidationError

from strategy_core.configuration.parameter_values import (
    EXPECTED,
    NOTHING,
    StrategyClass,
    Values,
    as_whole,
    carried_over,
    in_short,
)
from strategy_core.strategies.base import BrokenRule, ParametersClass, ParameterSpec, parameter_specs

ErrorCode = Literal["UNKNOWN_PARAMETER", "INVALID_TYPE", "OUT_OF_RANGE", "NOT_ALLOWED", "CONFLICTING_VALUES"]


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


def check_values(strategy: StrategyClass, values: Values) -> tuple[dict[str, Any], list[ParameterError]]:
    """Check each value by itself: (accepted values, normalised to their type; every error)."""
    values = carried_over(strategy, values)
    specs = _specs_by_name(strategy.id, strategy.parameters)
    errors: dict[str, ParameterError] = {}
    known: dict[str, Any] = {}
    for name, value in values.items():
        if name in specs:
            known[name] = as_whole(value) if specs[name].type == "int" else value
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


def all_errors(strategy: StrategyClass, merged: Values) -> list[ParameterError]:
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
    message = f"{spec.name} must be {EXPECTED[spec.type]}, not {shown}."
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


def _unit(spec: ParameterSpec) -> str:
    return f" ({spec.unit})" if spec.unit else ""

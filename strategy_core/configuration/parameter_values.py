"""Values of parameters: under the names of now, as a text, in short, as JSON. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from strategy_core.strategies.base import Parameters, ParameterSpec, Strategy

Values = Mapping[str, Any]
StrategyClass = type[Strategy[Any]]
NOTHING: Values = MappingProxyType({})
LARGEST_EXACT = 2**53
_SHOWN_LENGTH = 40
_SHOWN_ITEMS = 6
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list of texts",
}


def carried_over(strategy: StrategyClass, values: Values) -> Values:
    """The values under the names that parameters have now; one under its present name counts more."""
    if not strategy.renamed or strategy.renamed.keys().isdisjoint(values):
        return values
    names = {name: strategy.renamed.get(name, name) for name in values}
    return {names[name]: value for name, value in values.items() if names[name] == name or names[name] not in values}


def parse_text(spec: ParameterSpec, text: str) -> Any:
    """The value that ``text`` (a variable or a form field) stands for; raises ValueError with a message."""
    if spec.type == "list":
        return [item.strip() for item in text.split(",") if item.strip()]
    if spec.type == "str":
        return text
    try:
        return _parse_switch_strictly(text) if spec.type == "bool" else _parse_number(text, spec.type)
    except ValueError:
        raise ValueError(f"{spec.name} must be {EXPECTED[spec.type]}, not {in_short(text)}.") from None


def as_json(parameters: Parameters) -> dict[str, Any]:
    """The parameters as JSON types, in declaration order."""
    return parameters.model_dump(mode="json")


def parse_switch(text: str) -> bool | None:
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    return False if lowered in _FALSE else None


def _parse_switch_strictly(text: str) -> bool:
    switch = parse_switch(text)
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
        number = as_whole(float(text))
        if isinstance(number, int):
            return number
        raise


def as_whole(value: Any) -> Any:
    """JSON's 8.0 is the integer 8, as far as a float holds integers exactly."""
    is_whole = type(value) is float and value.is_integer() and abs(value) <= LARGEST_EXACT
    return int(value) if is_whole else value


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

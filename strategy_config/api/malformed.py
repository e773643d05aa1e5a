"""The words for a body or a query string of the wrong shape: what each member must be, with its limit."""

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from strategy_config.api.requests import CURSOR_PATTERN, NAME_PATTERN, TEXT_PATTERN

_BY_TYPE: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "int_type": "must be a whole number",
    "is_instance_of": "must be a UUID",
    "string_type": "must be a text",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
_BY_PATTERN: Mapping[str, str] = {
    NAME_PATTERN: "must not be blank, nor hold a NUL character",
    TEXT_PATTERN: "must not hold a NUL character",
    CURSOR_PATTERN: "must be the next_cursor of an earlier answer",
}


def explain(refusal: ValidationError) -> list[dict[str, str]]:
    """One ``{field, message}`` for each member that was refused; the message goes on from the member's name."""
    return [
        {"field": ".".join(map(str, detail["loc"])), "message": _message(detail)}
        for detail in refusal.errors(include_url=False, include_input=False)
    ]


def _message(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "string_pattern_mismatch":
        return _BY_PATTERN[context["pattern"]]
    template = _BY_TYPE.get(detail["type"])
    return detail["msg"] if template is None else template.format(**context)

"""The words for a body or a query string of the wrong shape: what each member must be, with its limit."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from pydantic_core import ErrorDetails

from strategy_config.api.common.request_fields import ANY_STRATEGY_PATTERN, CURSOR_PATTERN
from strategy_config.api.common.request_models import MalformedRequestError

_BY_TYPE: Mapping[str, str] = {
    "missing": "is required",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "int_type": "must be a whole number",
    "is_instance_of": "must be a UUID",
    "string_type": "must be a string",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
_BY_PATTERN: Mapping[str, str] = {
    CURSOR_PATTERN: "must be the next_cursor of an earlier answer",
    ANY_STRATEGY_PATTERN: "must be letters, digits, underscores, dots or hyphens",
}


def explain(refusal: MalformedRequestError) -> list[dict[str, str]]:
    """One ``{field, message}`` for each member that was refused; the message goes on from the member's name."""
    return [
        {"field": ".".join(map(str, detail["loc"])), "message": _message(detail, refusal.known)}
        for detail in refusal.refusal.errors(include_url=False, include_input=False)
    ]


def _message(detail: ErrorDetails, known: Sequence[str]) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "string_pattern_mismatch":
        return _BY_PATTERN.get(context["pattern"], f"must match {context['pattern']}")
    if detail["type"] == "extra_forbidden":
        return unknown(str(detail["loc"][-1]), known)
    template = _BY_TYPE.get(detail["type"])
    return detail["msg"] if template is None else template.format(**context)


def unknown(name: str, known: Sequence[str]) -> str:
    """What is said of a name that is not among the known ones, with the nearest of them."""
    nearest = get_close_matches(name, known, n=1)
    if nearest:
        return f"is unknown (did you mean {nearest[0]}?)"
    return f"is unknown; expected one of: {', '.join(known)}" if known else "is unknown; no parameters are expected"

"""The types of members that request bodies and query strings have in common."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, WithJsonSchema

from strategy_config.models import CHANGED_BY_LENGTH, REASON_LENGTH, STRATEGY_ID_LENGTH
from strategy_config.resolution import texts
from strategy_config.resolution.symbols import normalise_symbol
from strategy_core.strategies.registry import STRATEGIES

SYMBOL_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_]{3,23}$"

ANY_STRATEGY_PATTERN = "^[A-Za-z0-9_.-]+$"
"""Also the id of a strategy that the code no longer has."""

CURSOR_PATTERN = "^[0-9]{1,15}$"

MAX_VERSION = 2**31 - 1

MAX_WAIT_MS = 5_000

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

_NO_INSTANT = "must be an RFC 3339 timestamp with an offset, like 2026-01-31T12:00:00Z"

_DIGITS = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def _as_instant(value: Any) -> Any:
    """Only RFC 3339 texts with an offset: neither numbers nor bare dates stand for an instant."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or _INSTANT.fullmatch(value) is None:
        raise ValueError(_NO_INSTANT)
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_NO_INSTANT) from None


def as_whole(value: Any) -> Any:
    """2.0 is a whole number in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_uuid(value: Any) -> Any:
    try:
        return uuid.UUID(value) if isinstance(value, str) and len(value) == 36 else value
    except ValueError:
        raise ValueError("must be a UUID") from None


def _checked(problem_of: Callable[[str], str | None]) -> AfterValidator:
    def check(text: str) -> str:
        problem = problem_of(text)
        if problem is not None:
            raise ValueError(problem)
        return text

    return AfterValidator(check)


def _as_number(value: Any) -> Any:
    """A number in a query string: decimal digits, nothing around them."""
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def as_flag(value: Any) -> Any:
    """A switch in a query string: true or false, as in JSON."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


Instant = Annotated[AwareDatetime, BeforeValidator(_as_instant)]

RowId = Annotated[uuid.UUID, BeforeValidator(_as_uuid)]

QueryNumber = BeforeValidator(_as_number)

LayerVersion = Annotated[int, Field(ge=0, le=MAX_VERSION, strict=True), QueryNumber]

Cursor = Annotated[
    Annotated[str, Field(pattern=CURSOR_PATTERN)] | None,
    Field(description="`metadata.next_cursor` of the page before; left out: the first page."),
]
PageSize = Annotated[int, Field(ge=1, le=1000, strict=True), QueryNumber]

Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=CHANGED_BY_LENGTH,
        json_schema_extra={"pattern": texts.NAME_PATTERN},
        description="Who makes the change, as claimed, on one line; the authenticated actor is recorded, too.",
        examples=["jane"],
    ),
    _checked(texts.problem_of_name),
]

ChangedBy = Annotated[Name | None, Field(description="Who makes the change, as claimed; the caller if left out.")]

Reason = Annotated[
    str,
    Field(
        max_length=REASON_LENGTH,
        json_schema_extra={"pattern": texts.TEXT_PATTERN},
        description="The reason, kept in the history.",
        examples=["tighter"],
    ),
    _checked(texts.problem_of_text),
]

RequiredReason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=REASON_LENGTH,
        json_schema_extra={"pattern": texts.REQUIRED_TEXT_PATTERN},
        description="The reason, kept in the history for the person on call.",
    ),
    _checked(texts.problem_of_required_text),
]

Symbol = Annotated[
    str,
    AfterValidator(normalise_symbol),
    WithJsonSchema({"type": "string", "pattern": SYMBOL_PATTERN}),
    Field(description="A trading symbol, in any case.", examples=["BTCUSDT"]),
]
"""In capitals; anything else is answered INVALID_SYMBOL."""

StrategyId = Annotated[str, WithJsonSchema({"type": "string", "enum": list(STRATEGIES)})]
"""One that the code does not know is answered 404, like an unknown resource."""

AnyStrategyId = Annotated[str, Field(max_length=STRATEGY_ID_LENGTH, pattern=ANY_STRATEGY_PATTERN)]
"""Also one that the code no longer has."""
OwnParameters = Annotated[
    dict[str, Any], Field(description="Parameters by name; see the schema of the strategy for types and ranges.")
]

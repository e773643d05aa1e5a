"""What the API is sent: bodies and query strings, shape and types only. Unknown members are refused."""

import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from rest_framework.request import Request

from realtime_runtime.market.analytics import Timeframe
from realtime_runtime.strategies.registry import STRATEGIES
from strategy_config.api.answers import AuditAction
from strategy_config.api.parsing import parse_object
from strategy_config.exceptions import InvalidRequestError
from strategy_config.models import CHANGED_BY_LENGTH, REASON_LENGTH
from strategy_config.services import normalise_symbol

SYMBOL_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_]{3,23}$"
TEXT_PATTERN = r"^[^\x00]*$"
NAME_PATTERN = r"^[^\x00]*[^\x00-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\x00]*$"
"""No NUL, and something beside white space."""
CURSOR_PATTERN = "^[0-9]{1,15}$"
MAX_VERSION = 2**31 - 1
MAX_SEQUENCE = 10**15 - 1
MAX_WAIT_MS = 5_000
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_NO_INSTANT = "must be an instant of the years 1 to 9999 with an offset, like 2026-01-31T12:00:00Z"
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


def _as_whole(value: Any) -> Any:
    """2.0 is a whole number in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_uuid(value: Any) -> Any:
    try:
        return uuid.UUID(value) if isinstance(value, str) and len(value) == 36 else value
    except ValueError:
        raise ValueError("must be a UUID") from None


def _as_number(value: Any) -> Any:
    """A number in a query string: decimal digits, nothing around them."""
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


Instant = Annotated[AwareDatetime, BeforeValidator(_as_instant)]
RowId = Annotated[uuid.UUID, BeforeValidator(_as_uuid)]
QueryNumber = BeforeValidator(_as_number)
LayerVersion = Annotated[int, Field(ge=0, le=MAX_VERSION, strict=True), QueryNumber]
PageSize = Annotated[int, Field(ge=1, le=1000, strict=True), QueryNumber]
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=CHANGED_BY_LENGTH,
        pattern=NAME_PATTERN,
        description="Who changes this, as claimed; the authenticated actor is recorded beside it.",
        examples=["jane"],
    ),
]
Reason = Annotated[
    str,
    Field(max_length=REASON_LENGTH, pattern=TEXT_PATTERN, description="Why, for the history.", examples=["tighter"]),
]
RequiredReason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=REASON_LENGTH,
        pattern=NAME_PATTERN,
        description="Why, for the history and for whoever switches back.",
    ),
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
OwnParameters = Annotated[
    dict[str, Any], Field(description="Parameters by name; the schema of the strategy has their types and ranges.")
]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ReplaceGlobal(_Body):
    """The parameters that the strategy's global layer is to have from now on, instead of those it has."""

    parameters: OwnParameters
    changed_by: Name
    reason: Reason | None = None
    validate_only: bool | None = Field(default=False, description="Check only; nothing is changed.")


class ReplaceSymbol(ReplaceGlobal):
    """The parameters that the symbol's layer is to have from now on, instead of those it has."""

    expires_at: Instant | None = Field(
        default=None, description="From this instant on the layer's parameters no longer count; it must have some."
    )


class MergeGlobal(ReplaceGlobal):
    """Parameters to set in the strategy's global layer; null removes one from it (RFC 7396)."""


class MergeSymbol(ReplaceSymbol):
    """Parameters to set in the symbol's layer; null removes one from it (RFC 7396). ``expires_at`` null: no expiry."""


class RollBack(_Body):
    """Which state to restore: of a version, of a row of the history, or (neither) before the last change."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "not": {
                "properties": {"target_version": {"type": "integer"}, "rollback_id": {"type": "string"}},
                "required": ["target_version", "rollback_id"],
            }
        },
    )

    changed_by: Name
    reason: Reason | None = None
    target_version: Annotated[int, Field(ge=1, le=MAX_VERSION), BeforeValidator(_as_whole)] | None = None
    rollback_id: RowId | None = Field(default=None, description="The id of an audit row: the state after that change.")


class Switch(_Body):
    """Who flips the kill switch, and why."""

    changed_by: Name
    reason: RequiredReason


class Check(_Body):
    """A change to check against this service and those that conflict checks are configured for."""

    strategy_id: StrategyId
    symbol: Symbol | None = None
    parameters: OwnParameters


class _Query(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class WaitQuery(_Query):
    """Of every write to a layer. Unknown parameters are refused: a misspelt ``symbol`` would change all symbols."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wait_for_runtimes: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_WAIT_MS,
            strict=True,
            description="Wait this many ms for the live runtimes to apply the change.",
        ),
        QueryNumber,
    ] = 0


class DeleteQuery(WaitQuery):
    """Of DELETE: who and why come in the query string."""

    changed_by: Name
    reason: Reason = ""


class LayerQuery(_Query):
    """Of reads that one layer may narrow."""

    symbol: Symbol | None = None


class LayerActionQuery(WaitQuery):
    """Of actions that write to one layer."""

    symbol: Symbol | None = None


class AuditQuery(LayerQuery):
    """Which part of the history."""

    action: AuditAction | None = None
    changed_by: Name | None = None
    since: Instant | None = Field(default=None, description="Changes at or after this instant.")
    until: Instant | None = Field(default=None, description="Changes at or before this instant.")
    limit: PageSize = 100
    cursor: (
        Annotated[str, Field(pattern=CURSOR_PATTERN, description="From metadata.next_cursor of the page before.")]
        | None
    ) = None


class ChangesQuery(_Query):
    """Which accepted changes."""

    since: Annotated[
        int,
        Field(ge=0, le=MAX_SEQUENCE, strict=True, description="Changes after this sequence; 0: from the first on."),
        QueryNumber,
    ] = 0
    limit: PageSize = 100


class PressureQuery(_Query):
    """Over which time."""

    timeframe: Timeframe = Field(default="5m", description="The length of the history, in event time.")


class SignalsQuery(LayerQuery):
    """Which of the latest signals."""

    strategy_id: StrategyId | None = None
    action: Literal["buy", "sell", "hold", "close"] | None = None
    global_version: LayerVersion | None = Field(
        default=None, description="Decided under this version of the strategy's global layer; 0: never set."
    )
    symbol_version: LayerVersion | None = Field(
        default=None, description="Decided under this version of the symbol's layer; 0: never set."
    )
    since: Instant | None = Field(default=None, description="Signals at or after this instant, by their timestamp.")
    limit: PageSize = 100


Model = TypeVar("Model", bound=BaseModel)


def body(request: Request, model: type[Model]) -> Model:
    """The request's body as ``model``; raises InvalidRequestError or pydantic's ValidationError.

    A request without a body and without a Content-Type has an empty object for its body.
    """
    data = request.data
    return model.model_validate(data if isinstance(data, dict) else parse_object(b""))


def query(request: Request, model: type[Model]) -> Model:
    """The query string as ``model``; a parameter that is given twice is refused."""
    values: dict[str, str] = {}
    for name, given in request.query_params.lists():
        if len(given) > 1 and name in model.model_fields:
            raise InvalidRequestError(f"{name} is given {len(given)} times.", field=name)
        values[name] = given[0]
    return model.model_validate(values)

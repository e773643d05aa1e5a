"""What the API is sent: bodies and query strings, shape and types only. Unknown members are refused."""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import CoreSchema
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from strategy_config.api.answers import AuditAction
from strategy_config.api.common.parsing import parse_object
from strategy_config.exceptions import InvalidRequestError
from strategy_config.models import CHANGED_BY_LENGTH, REASON_LENGTH, STRATEGY_ID_LENGTH
from strategy_config.resolution import texts
from strategy_config.resolution.symbols import normalise_symbol
from strategy_core.configuration.halts import Scope
from strategy_core.market.analytics import Timeframe
from strategy_core.strategies.registry import STRATEGIES

SYMBOL_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_]{3,23}$"
ANY_STRATEGY_PATTERN = "^[A-Za-z0-9_.-]+$"
"""Also the id of a strategy that the code no longer has."""
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


def _as_flag(value: Any) -> Any:
    """A switch in a query string: true or false, as in JSON."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


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
        json_schema_extra={"pattern": texts.NAME_PATTERN},
        description="Who changes this, as claimed, in one line; the authenticated actor is recorded beside it.",
        examples=["jane"],
    ),
    _checked(texts.problem_of_name),
]
ChangedBy = Annotated[Name | None, Field(description="Who changes this, as claimed. Left out: the caller.")]
Reason = Annotated[
    str,
    Field(
        max_length=REASON_LENGTH,
        json_schema_extra={"pattern": texts.TEXT_PATTERN},
        description="Why, for the history.",
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
        description="Why, for the history and for whoever switches back.",
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
OwnParameters = Annotated[
    dict[str, Any], Field(description="Parameters by name; the schema of the strategy has their types and ranges.")
]


class _Body(BaseModel):
    """Its document names no defaults: generated clients take a member with a default for a required one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(core_schema)
        for described in handler.resolve_ref_schema(found).get("properties", {}).values():
            described.pop("default", None)
        return found


class EditGlobal(_Body):
    """Parameters to set in the strategy's global layer; null removes one from it (RFC 7396).

    What is not named stays as it is. `enabled` among the parameters is the kill switch.
    """

    parameters: OwnParameters
    changed_by: ChangedBy = None
    reason: Reason | None = None
    validate_only: bool | None = Field(default=False, description="Check only; nothing is changed.")


class EditSymbol(EditGlobal):
    """Parameters to set in the symbol's layer; null removes one from it (RFC 7396).

    What is not named stays as it is. `enabled` among the parameters is the symbol's kill switch.
    """

    expires_at: Instant | None = Field(
        default=None,
        description="From this instant on the layer's parameters no longer count; it must have some. Null: no expiry.",
    )


class ReplaceGlobal(EditGlobal):
    """The parameters that the strategy's global layer is to have from now on, instead of those it has."""


class ReplaceSymbol(EditSymbol):
    """The parameters that the symbol's layer is to have from now on, instead of those it has."""


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

    changed_by: ChangedBy = None
    reason: Reason | None = None
    target_version: Annotated[int, Field(ge=1, le=MAX_VERSION), BeforeValidator(_as_whole)] | None = None
    rollback_id: RowId | None = Field(default=None, description="The id of an audit row: the state after that change.")


class SwitchOn(_Body):
    """Who switches on, and why."""

    changed_by: ChangedBy = None
    reason: RequiredReason


class Stop(_Body):
    """Who stops, and why, as text. What cannot be kept of it is left out or cut: a stop is not refused for its body."""

    model_config = ConfigDict(extra="allow", frozen=True)

    changed_by: Any = Field(default=None, description="Who stops, as claimed. Left out: the caller.")
    reason: Any = Field(default=None, description="Why, for the history.")

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = super().__get_pydantic_json_schema__(core_schema, handler)
        # What is no object says nothing of who and why, and stops all the same.
        handler.resolve_ref_schema(found).pop("type", None)
        return found


class ScopeBody(_Body):
    """A strategy, a symbol of all strategies, a strategy on a symbol; neither: everything."""

    strategy_id: Annotated[str, Field(max_length=STRATEGY_ID_LENGTH, pattern=ANY_STRATEGY_PATTERN)] | None = Field(
        default=None, description="It need not be in the code any more."
    )
    symbol: Symbol | None = None

    @property
    def halted(self) -> Scope:
        """As the services take it."""
        return Scope(strategy_id=self.strategy_id, symbol=self.symbol)


class HaltBody(_Body):
    """What to stop, who stops it, and why. Left out: everything, the caller, no reason."""

    scope: ScopeBody | None = None
    changed_by: Any = Field(default=None, description="Who stops, as claimed. What cannot be kept of it is cut.")
    reason: Any = Field(default=None, description="Why, for the history. What cannot be kept of it is cut.")
    id: RowId | None = Field(default=None, description="An id of the caller's own: the same halt is stored once.")

    @property
    def halted_scope(self) -> Scope:
        """As the services take it."""
        return Scope() if self.scope is None else self.scope.halted


_NOT_NULL: dict[str, Any] = {"not": {"const": None}}


class ResumeBody(_Body):
    """Which halts to end: those of these ids, or all in force that have exactly this scope. One of the two."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        # Neither, or both. As `oneOf` Redoc could not merge it into the members, nor show it in readable colours.
        json_schema_extra={
            "not": {
                "anyOf": [
                    {"properties": {"ids": {"const": None}, "scope": {"const": None}}},
                    {"required": ["ids", "scope"], "properties": {"ids": _NOT_NULL, "scope": _NOT_NULL}},
                ]
            }
        },
    )

    ids: Annotated[list[RowId], Field(min_length=1, max_length=1_000)] | None = None
    scope: ScopeBody | None = None
    restore: bool = Field(default=False, description="Switch on again what was switched off beside the halts.")
    changed_by: ChangedBy = None
    reason: RequiredReason


class Check(_Body):
    """A change to check against this service and those that conflict checks are configured for."""

    strategy_id: StrategyId
    symbol: Symbol | None = None
    parameters: OwnParameters
    config_type: Literal["strategy"] = Field(
        default="strategy", description="What some services call this kind; there is no other here."
    )


class _Query(BaseModel):
    """Unknown parameters are refused: a misspelt ``symbol`` would change all symbols."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(_Query):
    """Of requests that take no parameters."""


class WaitQuery(_Query):
    """Of every write to a layer."""

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


class EditQuery(WaitQuery):
    """Of changes to a layer's parameters."""

    force: Annotated[
        bool, Field(description="Record a version also where nothing would change."), BeforeValidator(_as_flag)
    ] = False


class DeleteQuery(WaitQuery):
    """Of DELETE: who and why come in the query string."""

    changed_by: ChangedBy = None
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


class MalformedRequestError(Exception):
    """A body or a query string of the wrong shape. ``known`` are the members that it may have."""

    def __init__(self, refusal: ValidationError, known: Iterable[str]) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.known = tuple(known)


class EncodedBodyError(InvalidRequestError):
    """The body is compressed."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


def raw_body(request: Request) -> dict[str, Any]:
    """The request's body as a JSON object, not judged; raises InvalidRequestError.

    A request without a body and without a Content-Type has an empty object for its body.
    """
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding != "identity":
        raise EncodedBodyError("Send the body as it is, without Content-Encoding: it is not decompressed here.")
    data = request.data
    return data if isinstance(data, dict) else parse_object(b"")


def given(request: Request) -> Mapping[str, Any]:
    """What the body says, as far as it can be read."""
    try:
        return raw_body(request)
    except (InvalidRequestError, APIException):
        return {}


def body(request: Request, model: type[Model]) -> Model:
    """The request's body as ``model``; raises InvalidRequestError, MalformedRequestError."""
    return _as(model, raw_body(request))


def query(request: Request, model: type[Model]) -> Model:
    """The query string as ``model``; a parameter that is given twice is refused, as one that is not known."""
    values: dict[str, str] = {}
    for name, given in request.query_params.lists():
        if len(given) > 1 and name in model.model_fields:
            raise InvalidRequestError(f"{name} is given {len(given)} times.", field=name)
        values[name] = given[0]
    return _as(model, values)


def _as(model: type[Model], values: dict[str, Any]) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as refusal:
        raise MalformedRequestError(refusal, model.model_fields) from None

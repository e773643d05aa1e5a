"""Request bodies and query strings as models: shape and types only. Unknown members are refused."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from strategy_config.api.common.parsing import parse_object
from strategy_config.api.common.request_fields import MAX_WAIT_MS, QueryNumber, Symbol
from strategy_config.exceptions import InvalidRequestError

_OTHER_CONDITIONS = ("If-None-Match", "If-Modified-Since", "If-Unmodified-Since")


def if_match(request: Request) -> str | None:
    """The If-Match header, None where there is none.

    Raises InvalidRequestError where another condition is set, which a write does not look at.
    """
    for name in _OTHER_CONDITIONS:
        if f"HTTP_{name.upper().replace('-', '_')}" in request.META:
            raise InvalidRequestError(
                f"{name} is not supported for writes: send If-Match, or leave it out.", field=name
            )
    header: str | None = request.META.get("HTTP_IF_MATCH")
    return header


class RequestBody(BaseModel):
    """Its document names no defaults: generated clients take a member with a default for a required one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(core_schema)
        for described in handler.resolve_ref_schema(found).get("properties", {}).values():
            described.pop("default", None)
        return found


class RequestQuery(BaseModel):
    """Unknown parameters are refused: a misspelt ``symbol`` would change all symbols."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(RequestQuery):
    """Of requests that take no parameters."""


class WaitQuery(RequestQuery):
    """Of every write to a layer."""

    wait_for_runtimes: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_WAIT_MS,
            strict=True,
            description="Wait up to this many milliseconds for the live runtimes to apply the change.",
        ),
        QueryNumber,
    ] = 0


class LayerQuery(RequestQuery):
    """Of reads that one layer may narrow."""

    symbol: Symbol | None = None


class LayerActionQuery(WaitQuery):
    """Of actions that write to one layer."""

    symbol: Symbol | None = None


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
        raise EncodedBodyError("Compressed bodies are not supported: send the body without Content-Encoding.")
    data = request.data
    return data if isinstance(data, dict) else parse_object(b"")


def readable_body(request: Request) -> Mapping[str, Any]:
    """What the body says, as far as it can be read."""
    try:
        return raw_body(request)
    except (InvalidRequestError, APIException):
        return {}


def body_of(request: Request, model: type[Model]) -> Model:
    """The request's body as ``model``; raises InvalidRequestError, MalformedRequestError."""
    return _as(model, raw_body(request))


def query_of(request: Request, model: type[Model]) -> Model:
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

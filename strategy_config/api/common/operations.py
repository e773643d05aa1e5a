"""The OpenAPI description of one operation: what it takes and answers, with every status code."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import BaseModel

from strategy_config.api.common import errors
from strategy_config.api.common.answer_models import Failure, RateLimited, Refusal
from strategy_config.api.common.request_fields import SYMBOL_PATTERN
from strategy_config.api.common.write_answers import StrictRefusal
from strategy_core.strategies.registry import STRATEGIES

EXAMPLE_STRATEGY = "orderbook_skew"

EXAMPLE_SYMBOL = "BTCUSDT"

View = TypeVar("View", bound=Callable[..., Any])

Tag = Literal["Strategies", "Configuration", "History", "Operation", "Market"]

JsonSchema = dict[str, Any]

QUERY_MODEL = "query_model"
"""Under this name a documented method has the model of its query string; None: it takes no parameters."""

_STRING: JsonSchema = {"type": "string"}

_SECONDS: JsonSchema = {"type": "integer", "minimum": 1}

_PATH = {
    "strategy_id": OpenApiParameter(
        "strategy_id",
        {"type": "string", "enum": list(STRATEGIES)},
        OpenApiParameter.PATH,
        examples=[OpenApiExample("A strategy", EXAMPLE_STRATEGY)],
    ),
    "symbol": OpenApiParameter(
        "symbol",
        {"type": "string", "pattern": SYMBOL_PATTERN},
        OpenApiParameter.PATH,
        description="A trading symbol, in any case.",
        examples=[OpenApiExample("A symbol", EXAMPLE_SYMBOL)],
    ),
}

_REQUEST_ID = OpenApiParameter(
    "X-Request-ID",
    _STRING,
    OpenApiParameter.HEADER,
    description="The id of this request: the one sent, if it is 1 to 128 of `A-Za-z0-9._-`, otherwise a new one.",
    required=True,
    response=True,
)

_CHALLENGE = OpenApiParameter("WWW-Authenticate", _STRING, OpenApiParameter.HEADER, required=True, response=[401])

_RETRY_AFTER = OpenApiParameter("Retry-After", _SECONDS, OpenApiParameter.HEADER, required=True, response=[429, 503])

_ETAG = OpenApiParameter(
    "ETag",
    _STRING,
    OpenApiParameter.HEADER,
    description='`"<strategy>:<symbol or global>:<version>:<sequence>"`, and a fifth part if variables set parameters.',
)

_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    _STRING,
    OpenApiParameter.HEADER,
    description="ETags that the client has; if one matches, the answer is 304 without a body.",
)

_IF_MATCH = OpenApiParameter(
    "If-Match",
    _STRING,
    OpenApiParameter.HEADER,
    description='Write only if the layer is unchanged: its ETag, its version as `"3"`, or `*`. Otherwise 412.',
)

_PREFER = OpenApiParameter(
    "Prefer",
    _STRING,
    OpenApiParameter.HEADER,
    description="`handling=strict`: refused parameters are answered 422 instead of 200 (RFC 7240).",
)

_PREFERENCE_APPLIED = OpenApiParameter(
    "Preference-Applied",
    {"type": "string", "const": "handling=strict"},
    OpenApiParameter.HEADER,
    required=True,
    response=[422],
)


def operation(
    operation_id: str,
    *,
    tag: Tag,
    summary: str,
    answer: type[BaseModel],
    path: Sequence[str] = (),
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    examples: Mapping[str, Any] | None = None,
    is_cached: bool = False,
    is_change: bool = False,
    is_edit: bool = False,
    is_merge: bool = False,
    names_strategy: bool = False,
    needs_cache: bool = False,
    not_found: str = errors.MEANINGS[404],
    accepted: tuple[type[BaseModel], str] | None = None,
) -> Callable[[View], View]:
    """Document a method of a view; its docstring is the description.

    ``is_cached``: it answers with an ETag, and 304. ``is_change``: it takes If-Match and Prefer, answers 412 and
    422. ``is_edit``: a stop may be stored where the rest is refused. ``names_strategy``: the body or the query
    does, so 404 is possible. ``is_merge``: it takes a merge patch. ``needs_cache``: 503 also where Redis is away.
    ``not_found``: what 404 means. ``accepted``: the answer of 202, and what it means.
    """
    statuses = {401, 403, 406, 413, 429, 500, 503}
    statuses |= {404} if path or names_strategy else set()
    statuses |= {400} if body or query or "symbol" in path else set()
    statuses |= {415} if body else set()
    statuses |= {412} if is_change else set()
    responses: dict[int, Any] = {
        200: OpenApiResponse(
            answer, description="Done; or the parameters were refused, and `success` is false." if is_change else ""
        ),
        **_failures(statuses, needs_cache=needs_cache, not_found=not_found),
    }
    if accepted:
        responses[202] = OpenApiResponse(accepted[0], description=accepted[1])
    parameters = [*(_PATH[name] for name in path), *_query_parameters(query), _REQUEST_ID, _CHALLENGE, _RETRY_AFTER]
    if is_cached:
        responses[304] = OpenApiResponse(description="Not modified: the client's ETag matches.")
        parameters += [_IF_NONE_MATCH, _answer_header(_ETAG, [200, 304])]
    if is_change:
        responses[422] = OpenApiResponse(
            StrictRefusal if is_edit else Refusal,
            description="VALIDATION_ERROR, with `Prefer: handling=strict`.",
        )
        parameters += [_IF_MATCH, _PREFER, _PREFERENCE_APPLIED, _answer_header(_ETAG, [200], required=False)]
    media_types = ("application/json", "application/merge-patch+json") if is_merge else ("application/json",)
    describe = extend_schema(
        operation_id=operation_id,
        tags=[tag],
        summary=summary,
        parameters=parameters,
        request=dict.fromkeys(media_types, body) if body else None,
        responses=responses,
        examples=[OpenApiExample(name, value, request_only=True) for name, value in (examples or {}).items()],
    )

    def decorate(view: View) -> View:
        setattr(view, QUERY_MODEL, query)
        return describe(view)

    return decorate


def _failures(statuses: Iterable[int], *, needs_cache: bool, not_found: str) -> dict[int, OpenApiResponse]:
    meanings = {**errors.MEANINGS, 404: not_found}
    if needs_cache:
        meanings[503] = "the database or Redis is unreachable; try again after Retry-After seconds."
    return {
        status: OpenApiResponse(
            RateLimited if status == 429 else Failure, description=f"{errors.CODES[status]}: {meanings[status]}"
        )
        for status in sorted(statuses)
    }


def _answer_header(header: OpenApiParameter, statuses: list[int], *, required: bool = True) -> OpenApiParameter:
    return OpenApiParameter(
        header.name,
        header.type,
        OpenApiParameter.HEADER,
        description=header.description,
        required=required,
        response=statuses,
    )


def _query_parameters(model: type[BaseModel] | None) -> list[OpenApiParameter]:
    if model is None:
        return []
    described = model.model_json_schema()
    required = described.get("required", [])
    parameters = []
    for name, schema in described["properties"].items():
        kept = {
            key: value for key, value in schema.items() if key not in {"title", "description", "examples", "default"}
        }
        if "anyOf" in kept:
            kept = {
                key: value for key, value in kept["anyOf"][0].items() if key not in {"title", "description", "examples"}
            }
        default = schema.get("default")
        parameters.append(
            OpenApiParameter(
                name,
                kept if default is None else {**kept, "default": default},
                OpenApiParameter.QUERY,
                description=schema.get("description", ""),
                required=name in required,
                examples=[OpenApiExample("An example", value) for value in schema.get("examples", [])],
            )
        )
    return parameters

"""The OpenAPI document: what each operation takes and answers, with every status code."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import BaseModel

from strategy_config.api import answers, requests
from strategy_config.api.common import examples
from strategy_config.api.common.permissions import possible_anonymous_permissions
from strategy_core.strategies.registry import STRATEGIES

View = TypeVar("View", bound=Callable[..., Any])
Tag = Literal["Strategies", "Configuration", "History", "Operation", "Market"]
JsonSchema = dict[str, Any]
QUERY_MODEL = "query_model"
"""Under this name a documented method has the model of its query string; None: it takes no parameters."""
_STRATEGY_IDS: JsonSchema = {"type": "string", "enum": list(STRATEGIES)}
_STRING: JsonSchema = {"type": "string"}
_SECONDS: JsonSchema = {"type": "integer", "minimum": 1}

_PATH = {
    "strategy_id": OpenApiParameter(
        "strategy_id",
        {"type": "string", "enum": list(STRATEGIES)},
        OpenApiParameter.PATH,
        examples=[OpenApiExample("A strategy", examples.STRATEGY_ID)],
    ),
    "symbol": OpenApiParameter(
        "symbol",
        {"type": "string", "pattern": requests.SYMBOL_PATTERN},
        OpenApiParameter.PATH,
        description="A trading symbol, in any case.",
        examples=[OpenApiExample("A symbol", examples.SYMBOL)],
    ),
}
_REQUEST_ID = OpenApiParameter(
    "X-Request-ID",
    _STRING,
    OpenApiParameter.HEADER,
    description="The id of this request: its own where that is 1 to 128 of `A-Za-z0-9._-`, else made here.",
    required=True,
    response=True,
)
_CHALLENGE = OpenApiParameter("WWW-Authenticate", _STRING, OpenApiParameter.HEADER, required=True, response=[401])
_RETRY_AFTER = OpenApiParameter("Retry-After", _SECONDS, OpenApiParameter.HEADER, required=True, response=[429, 503])
_ETAG = OpenApiParameter(
    "ETag",
    _STRING,
    OpenApiParameter.HEADER,
    description='`"<strategy>:<symbol or global>:<version>:<sequence>"`, and a fifth part where variables speak.',
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", _STRING, OpenApiParameter.HEADER, description="ETags that the client has: then 304 without a body."
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    _STRING,
    OpenApiParameter.HEADER,
    description='Only where the layer still is as the client saw it: its ETag, its version as `"3"`, or `*`. Else 412.',
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

_FAILURES: Mapping[int, str] = {
    400: "INVALID_REQUEST or INVALID_SYMBOL: the request is malformed; the message names the member.",
    401: "UNAUTHENTICATED: no credentials, or credentials that do not hold.",
    403: "FORBIDDEN: the groups of this user do not allow it.",
    404: "NOT_FOUND: no such strategy; nothing to delete or to restore.",
    406: "NOT_ACCEPTABLE: only application/json is served.",
    412: "VERSION_CONFLICT: If-Match does not hold; `details.current_version` says what is there.",
    413: "TOO_LARGE: the body is over 64 KiB.",
    415: "UNSUPPORTED_MEDIA_TYPE: send application/json.",
    429: "RATE_LIMITED: try again after Retry-After seconds.",
    500: "INTERNAL_ERROR: a bug; the log has the details under the request id.",
    503: "STORE_UNAVAILABLE: nothing was changed; try again after Retry-After seconds.",
}


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
    not_found: str = _FAILURES[404],
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
        200: OpenApiResponse(answer, description="Done, or refused parameters." if is_change else ""),
        **_failures(statuses, needs_cache=needs_cache, not_found=not_found),
    }
    if accepted:
        responses[202] = OpenApiResponse(accepted[0], description=accepted[1])
    parameters = [*(_PATH[name] for name in path), *_query_parameters(query), _REQUEST_ID, _CHALLENGE, _RETRY_AFTER]
    if is_cached:
        responses[304] = OpenApiResponse(description="The client has it.")
        parameters += [_IF_NONE_MATCH, _answer_header(_ETAG, [200, 304])]
    if is_change:
        responses[422] = OpenApiResponse(
            answers.StrictRefusal if is_edit else answers.Refusal,
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
    descriptions = {**_FAILURES, 404: not_found}
    if needs_cache:
        descriptions[503] = "STORE_UNAVAILABLE: the store or the shared cache cannot be reached; see Retry-After."
    return {
        status: OpenApiResponse(
            answers.RateLimited if status == 429 else answers.Failure, description=descriptions[status]
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


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # an untyped metaclass hook
    """How the document names bearer tokens."""

    target_class = "strategy_config.api.common.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> JsonSchema:
        """The scheme."""
        return {"type": "http", "scheme": "bearer", "description": "From `manage.py create_token USER`."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # an untyped metaclass hook
    """How the document names the admin's session."""

    target_class = "strategy_config.api.common.authentication.AdminSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> JsonSchema:
        """The scheme."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "The admin's session; unsafe methods need the X-CSRFToken header beside it.",
        }


class ApiSchema(AutoSchema):
    """Operations that anonymous clients may use here (API_ANONYMOUS) say that credentials are optional."""

    def get_auth(self) -> list[JsonSchema]:
        """The security requirements, any of which will do."""
        needed = getattr(self.view, "permission_by_method", {}).get(self.method)
        optional: list[JsonSchema] = [{}] if needed in possible_anonymous_permissions() else []
        return [*super().get_auth(), *optional]


def complete(result: JsonSchema, generator: Any, request: Any, public: bool) -> JsonSchema:
    """Finish the generated document: bodies are required where a member of them is."""
    for path in result["paths"].values():
        for described in path.values():
            if "requestBody" in described:
                reference = described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                body = result["components"]["schemas"][reference.rpartition("/")[2]]
                described["requestBody"]["required"] = "required" in body
    result["components"]["schemas"]["StrategyId"] = {**_STRATEGY_IDS, "description": "A strategy of the catalogue."}
    for part in (result["paths"], *result["components"]["schemas"].values()):
        _share_strategy_ids(part)
    return result


def _share_strategy_ids(part: Any) -> None:
    """Generated clients get one type for the id of a strategy, wherever it stands."""
    members = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, value in list(members):
        if isinstance(value, dict) and _STRATEGY_IDS.items() <= value.items():
            part[name] = {"$ref": "#/components/schemas/StrategyId"}
        else:
            _share_strategy_ids(value)

"""What the API answers, as models: the OpenAPI document derives from them and the tests hold answers to them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

ParameterValue = int | float | bool | str | list[str]
AuditAction = Literal["CREATE", "UPDATE", "DELETE", "ROLLBACK", "ENABLE", "DISABLE", "EXPIRE"]
ParameterValues = Annotated[dict[str, ParameterValue], Field(description="Parameters by name.")]
Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
RequestId = Annotated[str, Field(description="Equals the X-Request-ID header.", examples=["b4b1c8c2f2f94c6c"])]


class Answer(BaseModel):
    """Exactly the members that it names."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Metadata(Answer):
    """Of answers that need no more."""

    request_id: RequestId


class ApiError(Answer):
    """``code`` is stable; ``message`` says what to do about it."""

    code: str
    message: str
    details: dict[str, Any]


class Failure(Answer):
    """An error in the envelope."""

    success: Literal[False]
    data: None
    error: ApiError
    metadata: Metadata


class RateLimitedDetails(Answer):
    """Seconds to wait, as in the Retry-After header."""

    retry_after: int


class RateLimitedError(Answer):
    """RATE_LIMITED."""

    code: Literal["RATE_LIMITED"]
    message: str
    details: RateLimitedDetails


class RateLimited(Answer):
    """The caller asks too fast. ``retry_after`` also stands here, where clients of the original look for it."""

    success: Literal[False]
    data: None
    error: RateLimitedError
    metadata: Metadata
    retry_after: int


class RefusedParameter(Answer):
    """One reason for a refusal. ``suggested_value`` would be accepted; null: no suggestion."""

    field: str
    code: Literal["UNKNOWN_PARAMETER", "INVALID_TYPE", "OUT_OF_RANGE", "NOT_ALLOWED", "CONFLICTING_VALUES"]
    message: str
    suggested_value: ParameterValue | None
    symbol: str | None = Field(default=None, description="The override that the change would break, where it is one.")


class RefusedParameters(Answer):
    """Every reason at once."""

    errors: list[RefusedParameter]


class ValidationFailure(Answer):
    """VALIDATION_ERROR."""

    code: Literal["VALIDATION_ERROR"]
    message: str
    details: RefusedParameters


class Refusal(Answer):
    """The parameters were refused; nothing was changed."""

    success: Literal[False]
    data: None
    error: ValidationFailure
    metadata: Metadata


class Success(Answer):
    """What was asked for, in the envelope."""

    success: Literal[True]
    error: None


class StrategySummary(Answer):
    """One line of the list of strategies. ``symbol_overrides`` are the symbols that have a layer."""

    strategy_id: str
    name: str
    description: str
    category: str
    type: str
    enabled: bool
    has_global_config: bool
    symbol_overrides: list[str]
    parameter_count: int
    version: int
    updated_at: Instant | None
    updated_by: str | None


class CountMetadata(Metadata):
    """Of lists."""

    total_count: int


class ListMetadata(CountMetadata):
    """``degraded``: the store is away; this is what the shared cache knows."""

    degraded: bool


class StrategyList(Success):
    data: list[StrategySummary]
    metadata: ListMetadata


class ParameterDescription(Answer):
    """Everything there is to know of a parameter. For a list, ``min`` is the least number of items."""

    name: str
    type: Literal["int", "float", "bool", "str", "list"]
    description: str
    default: ParameterValue
    min: float | None
    max: float | None
    allowed_values: list[ParameterValue] | None
    unit: str
    example: ParameterValue
    env: list[str] = Field(description="The environment variables that set it; the first that is set wins.")


class EnvironmentProblem(Answer):
    """A variable that could not be used."""

    variable: str
    message: str


class SchemaMetadata(CountMetadata):
    """Of a strategy's schema."""

    strategy_name: str
    environment_problems: list[EnvironmentProblem]


class ParameterSchema(Success):
    data: list[ParameterDescription]
    metadata: SchemaMetadata


class DefaultsMetadata(Metadata):
    """Of a strategy's defaults."""

    strategy_name: str


class Defaults(Success):
    data: ParameterValues
    metadata: DefaultsMetadata


Source = Literal["default", "environment", "global", "symbol", "refused"]


class RefusedValue(Answer):
    """A value that ``layer`` sets and that does not fit the strategy as it is now: another one is in force."""

    parameter: str
    layer: Literal["environment", "global", "symbol"]
    value: Any
    message: str


class ConfigResponse(Answer):
    """One layer, resolved: all parameters, and where each comes from.

    ``version`` is the layer's own (0: never set), ``overrides`` are its own parameters. The source "refused": a layer
    sets the parameter to a value that does not fit, which ``refused`` names; left out where every value fits.
    """

    strategy_id: str
    symbol: str | None
    enabled: bool
    parameters: ParameterValues
    version: int
    source: Literal["default", "environment", "mongodb", "sqlite", "postgresql"]
    is_override: bool
    sources: dict[str, Source]
    overrides: ParameterValues
    created_at: Instant | None
    updated_at: Instant | None
    updated_by: str | None
    reason: str | None
    expires_at: Instant | None
    sequence: int
    refused: list[RefusedValue] = []


class ReadMetadata(Metadata):
    """``degraded``: the answer is right as far as this process can tell, but a server behind it is away.

    ``warnings`` name the values that are set and not in force, because they do not fit.
    """

    cache_hit: bool
    load_time_ms: float
    degraded: bool
    warnings: list[str]


class ConfigRead(Success):
    data: ConfigResponse
    metadata: ReadMetadata


class RuntimeAnswer(Answer):
    """What one live runtime made of the change. ``latency_ms`` null: it has not answered in time."""

    instance_id: str
    applied: bool
    latency_ms: float | None
    error: str | None = None


class WriteMetadata(Metadata):
    """``published`` false: stored; the shared cache is told as soon as it is back.

    ``unchanged``: nothing was to be changed, so there is no version of it and ``action`` is null. ``stopped``: the
    strategy, or the symbol, is switched off by this request. ``inherited`` names the parameters that were given as they
    are inherited and did not become own.
    """

    action: Literal["CREATE", "UPDATE", "DELETE", "ROLLBACK", "ENABLE", "DISABLE"] | None
    symbol: str | None
    sequence: int
    published: bool
    unchanged: bool
    stopped: bool
    inherited: list[str]
    warnings: list[str]
    runtimes: list[RuntimeAnswer] | None = Field(default=None, description="With wait_for_runtimes.")


class ConfigWritten(Success):
    data: ConfigResponse
    metadata: WriteMetadata


class Estimate(Answer):
    """A change of one parameter, as resolved. ``percent_of_range`` null: it has no range."""

    parameter: str
    old: ParameterValue | None
    new: ParameterValue | None
    percent_of_range: float | None


class CheckedMetadata(Metadata):
    """Of ``validate_only``: nothing was changed."""

    validate_only: Literal[True]
    validation: Literal["passed"]
    changes: list[Estimate]
    inherited: list[str]
    warnings: list[str]


class ConfigChecked(Success):
    data: None
    metadata: CheckedMetadata


class StoppedOnly(Answer):
    """The stop in the request is stored; the rest of it was refused and changed nothing. ``error`` says why."""

    success: Literal[False]
    data: None
    error: ApiError
    metadata: WriteMetadata


class ConfigChangeResult(RootModel[ConfigWritten | ConfigChecked | Refusal | StoppedOnly]):
    """The layer as it is now, or what would change (validate_only), or why it (or all but a stop) was refused."""


class StrictRefusal(RootModel[Refusal | StoppedOnly]):
    """Why the parameters were refused, with or without a stop that is stored all the same."""


class WriteResult(RootModel[ConfigWritten | Refusal]):
    """The layer as it is now, or why the parameters were refused."""


class Message(Answer):
    message: str


class LayerDeleted(Success):
    data: Message
    metadata: WriteMetadata


class DeleteResult(RootModel[LayerDeleted | Refusal]):
    """What shows through now, or which override would break without the layer."""


class AuditChange(Answer):
    """One parameter of the layer before and after; null: not set in the layer."""

    parameter: str
    old: ParameterValue | None
    new: ParameterValue | None


class AuditItem(Answer):
    """One accepted change. ``changed_by`` as claimed, ``actor`` as authenticated; parameters null: no layer."""

    id: Annotated[str, Field(json_schema_extra={"format": "uuid"})]
    sequence: int
    strategy_id: str
    symbol: str | None
    action: AuditAction
    version: int
    old_parameters: dict[str, ParameterValue] | None
    new_parameters: dict[str, ParameterValue] | None
    changes: list[AuditChange]
    changed_by: str
    actor: str
    channel: Literal["api", "admin", "schedule", "import"]
    request_id: str
    changed_at: Instant
    reason: str
    hash: str
    previous_hash: str


class AuditMetadata(Metadata):
    """``next_cursor`` null: this was the last page."""

    count: int
    next_cursor: str | None


class AuditPage(Success):
    data: list[AuditItem]
    metadata: AuditMetadata


class Refreshed(Answer):
    message: str
    entries: int
    sequence: int


class RefreshMetadata(Metadata):
    action: Literal["cache_refresh"]


class CacheRefreshed(Success):
    data: Refreshed
    metadata: RefreshMetadata


class Impact(Answer):
    """What the change would touch."""

    risk_level: Literal["low", "medium", "high"]
    affected_scope: str
    parameter_count: int
    changes: list[Estimate]


class Conflict(Answer):
    """What another service holds against the change."""

    service: str
    conflict_type: str
    description: str
    resolution: str


class ServiceCheck(Answer):
    """Whether another service had its say on the change; ``reason`` where it had not."""

    service: str
    status: Literal["answered", "no_answer", "not_asked"]
    reason: str | None


class CheckReport(Answer):
    validation_passed: bool
    errors: list[RefusedParameter]
    warnings: list[str]
    suggested_fixes: list[str]
    estimated_impact: Impact
    conflicts: list[Conflict]
    services: list[ServiceCheck]


class ConfigCheck(Success):
    data: CheckReport
    metadata: Metadata


class Runtime(Answer):
    """A live runtime instance, as it last said of itself.

    ``sequence`` is the last change that it applied, ``refused`` the number of documents that it refuses now,
    ``formats`` those of documents that it reads. ``halts`` are the ids of the halts in force there; null: a version
    without halts. ``standby``: another runtime trades its share.
    """

    instance_id: str
    host: str
    version: str
    started_at: str
    sent_at: str
    sequence: int
    lag_ms: float
    messages_per_second: float
    symbols: list[str]
    strategies: list[str]
    errors: int
    dropped: int
    signals: int
    config_stale_seconds: float
    market_source: str
    replica: str
    halts: list[str] | None
    standby: bool
    refused: int
    formats: list[int]


class RuntimesMetadata(CountMetadata):
    """``degraded``: Redis cannot be read, so nobody is known to be alive."""

    degraded: bool


class Runtimes(Success):
    data: list[Runtime]
    metadata: RuntimesMetadata

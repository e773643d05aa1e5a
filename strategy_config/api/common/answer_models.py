"""The envelope and its errors as models: the OpenAPI document derives from them, and tests hold answers to them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ParameterValue = int | float | bool | str | list[str]

ParameterValues = Annotated[dict[str, ParameterValue], Field(description="Parameters by name.")]

UuidText = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
InstantText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]

RequestId = Annotated[str, Field(description="Equals the X-Request-ID header.", examples=["b4b1c8c2f2f94c6c"])]


class AnswerModel(BaseModel):
    """Exactly the members that it names."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Metadata(AnswerModel):
    """Metadata of every answer."""

    request_id: RequestId


class ApiError(AnswerModel):
    """``code`` is stable; ``message`` says what is wrong and what to do."""

    code: str
    message: str
    details: dict[str, Any]


class Failure(AnswerModel):
    """An error in the envelope."""

    success: Literal[False]
    data: None
    error: ApiError
    metadata: Metadata


class RateLimitedDetails(AnswerModel):
    """The seconds to wait, as in the Retry-After header."""

    retry_after: int


class RateLimitedError(AnswerModel):
    """The error of an answer 429."""

    code: Literal["RATE_LIMITED"]
    message: str
    details: RateLimitedDetails


class RateLimited(AnswerModel):
    """Too many requests. ``retry_after`` is repeated at the top level, where clients of the original expect it."""

    success: Literal[False]
    data: None
    error: RateLimitedError
    metadata: Metadata
    retry_after: int


class RefusedParameter(AnswerModel):
    """One reason for a refusal. ``suggested_value`` would be accepted; null if there is no suggestion."""

    field: str
    code: Literal["UNKNOWN_PARAMETER", "INVALID_TYPE", "OUT_OF_RANGE", "NOT_ALLOWED", "CONFLICTING_VALUES"]
    message: str
    suggested_value: ParameterValue | None
    symbol: str | None = Field(default=None, description="The symbol whose override the change would make invalid.")


class RefusedParameters(AnswerModel):
    """Every reason for the refusal."""

    errors: list[RefusedParameter]


class ValidationFailure(AnswerModel):
    """The error of refused parameters."""

    code: Literal["VALIDATION_ERROR"]
    message: str
    details: RefusedParameters


class Refusal(AnswerModel):
    """The parameters were refused; nothing was changed."""

    success: Literal[False]
    data: None
    error: ValidationFailure
    metadata: Metadata


class Success(AnswerModel):
    """What was asked for, in the envelope."""

    success: Literal[True]
    error: None


class CountMetadata(Metadata):
    """Metadata of lists."""

    total_count: int

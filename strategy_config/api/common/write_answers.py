"""The answer to an accepted write: its models, and how it is rendered."""

from typing import Any, Literal

from django.http import HttpResponse
from pydantic import Field, RootModel
from rest_framework.request import Request

from strategy_config.api.common import envelope, errors
from strategy_config.api.common.answer_models import (
    AnswerModel,
    ApiError,
    InstantText,
    Metadata,
    ParameterValues,
    Refusal,
    Success,
)
from strategy_config.api.common.runtime_wait import RuntimeWait
from strategy_config.history.origins import Origin
from strategy_config.resolution import entity_tags
from strategy_config.services import switches
from strategy_config.services.layer_write import LayerWrite

ParameterSource = Literal["default", "environment", "global", "symbol", "refused"]


class RefusedValue(AnswerModel):
    """A value set by ``layer`` that the strategy no longer accepts; another value is in force."""

    parameter: str
    layer: Literal["environment", "global", "symbol"]
    value: Any
    message: str


class ConfigResponse(AnswerModel):
    """One layer, resolved: all parameters, and the layer that each comes from.

    ``version`` is that of the layer (0: never set); ``overrides`` are its own parameters. The source "refused" means
    that a layer sets a value that is not valid; ``refused`` lists these values and is left out if there are none.
    """

    strategy_id: str
    symbol: str | None
    enabled: bool
    parameters: ParameterValues
    version: int
    source: Literal["default", "environment", "mongodb", "sqlite", "postgresql"]
    is_override: bool
    sources: dict[str, ParameterSource]
    overrides: ParameterValues
    created_at: InstantText | None
    updated_at: InstantText | None
    updated_by: str | None
    reason: str | None
    expires_at: InstantText | None
    sequence: int
    refused: list[RefusedValue] = []


class RuntimeAnswer(AnswerModel):
    """The answer of one live runtime to the change. ``latency_ms`` is null if it did not answer in time."""

    instance_id: str
    applied: bool
    latency_ms: float | None
    error: str | None = None


class WriteMetadata(Metadata):
    """``published`` false: stored, and published as soon as Redis is reachable.

    ``unchanged``: nothing changed, so there is no new version and ``action`` is null. ``stopped``: this request
    switched the strategy or the symbol off. ``inherited`` names the given parameters that equal the inherited values
    and did not become the layer's own.
    """

    action: Literal["CREATE", "UPDATE", "DELETE", "ROLLBACK", "ENABLE", "DISABLE"] | None
    symbol: str | None
    sequence: int
    published: bool
    unchanged: bool
    stopped: bool
    inherited: list[str]
    warnings: list[str]
    runtimes: list[RuntimeAnswer] | None = Field(default=None, description="Only with wait_for_runtimes.")


class ConfigWritten(Success):
    data: ConfigResponse
    metadata: WriteMetadata


class StoppedOnly(AnswerModel):
    """The stop in the request was stored; the rest was refused and changed nothing. ``error`` gives the reason."""

    success: Literal[False]
    data: None
    error: ApiError
    metadata: WriteMetadata


class StrictRefusal(RootModel[Refusal | StoppedOnly]):
    """Why the parameters were refused; a stop in the request may have been stored all the same."""


class WriteResult(RootModel[ConfigWritten | Refusal]):
    """The layer after the change, or why the parameters were refused."""


def answer_write(request: Request, written: LayerWrite, wait: RuntimeWait, data: Any = None) -> HttpResponse:
    """The answer to an accepted write: ``data``, by default the layer as written, once the runtimes have answered."""
    metadata = _metadata_of(written)
    wait.report(written.sequence, metadata)
    if written.refusal is not None:
        return errors.answer_stopped(request, written.refusal, metadata)
    headers = {"ETag": entity_tags.etag(written.config)}
    return envelope.success(request, written.config if data is None else data, metadata=metadata, headers=headers)


def stop_in_spite_of(
    request: Request, refusal: Exception, *, strategy_id: str, symbol: str | None, origin: Origin
) -> HttpResponse:
    """Store the stop that a request asks for whose rest is refused, and answer both."""
    written = switches.switch(strategy_id=strategy_id, symbol=symbol, enabled=False, origin=origin)
    return errors.answer_stopped(request, refusal, _metadata_of(written))


def _metadata_of(written: LayerWrite) -> dict[str, Any]:
    """What every answer to a write says of it."""
    return {
        "action": written.action,
        "symbol": written.symbol,
        "sequence": written.sequence,
        "published": written.published,
        "unchanged": written.is_unchanged,
        "stopped": written.is_stopped,
        "inherited": list(written.inherited),
        "warnings": list(written.warnings),
    }

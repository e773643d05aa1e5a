"""What requests for a layer take and answer."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, RootModel

from strategy_config.api.common.answer_models import AnswerModel, Metadata, ParameterValue, Refusal, Success
from strategy_config.api.common.request_fields import ChangedBy, Instant, OwnParameters, Reason, as_flag
from strategy_config.api.common.request_models import RequestBody, WaitQuery
from strategy_config.api.common.write_answers import ConfigResponse, ConfigWritten, StoppedOnly, WriteMetadata

REPLACE_EXAMPLES: dict[str, Any] = {
    "Set two parameters": {
        "parameters": {"top_levels": 10, "buy_threshold": 1.35},
        "changed_by": "jane",
        "reason": "tighter in low volatility",
    },
    "Check only": {"parameters": {"top_levels": 10}, "changed_by": "jane", "validate_only": True},
}

MERGE_EXAMPLES: dict[str, Any] = {
    "Change one parameter": {"parameters": {"buy_threshold": 1.3}, "changed_by": "jane", "reason": "calm market"},
    "Remove one parameter": {"parameters": {"buy_threshold": None}, "changed_by": "jane"},
    "Stop": {"parameters": {"enabled": False}, "changed_by": "jane", "reason": "feed looks wrong"},
}


class ReadMetadata(Metadata):
    """``degraded``: the database or Redis is unreachable; the answer is the best that this process knows.

    ``warnings`` list the values that are set but not in force, because they are not valid.
    """

    cache_hit: bool
    load_time_ms: float
    degraded: bool
    warnings: list[str]


class ConfigRead(Success):
    data: ConfigResponse
    metadata: ReadMetadata


class Estimate(AnswerModel):
    """The change of one resolved parameter. ``percent_of_range`` is null if the parameter has no range."""

    parameter: str
    old: ParameterValue | None
    new: ParameterValue | None
    percent_of_range: float | None


class CheckedMetadata(Metadata):
    """Metadata of ``validate_only``: nothing was changed."""

    validate_only: Literal[True]
    validation: Literal["passed"]
    changes: list[Estimate]
    inherited: list[str]
    warnings: list[str]


class ConfigChecked(Success):
    data: None
    metadata: CheckedMetadata


class ConfigChangeResult(RootModel[ConfigWritten | ConfigChecked | Refusal | StoppedOnly]):
    """The layer after the change; with validate_only, the changes; or why all of it, or all but a stop, was refused."""


class Message(AnswerModel):
    message: str


class LayerDeleted(Success):
    data: Message
    metadata: WriteMetadata


class DeleteResult(RootModel[LayerDeleted | Refusal]):
    """The layer that applies now, or the override that would be invalid without this layer."""


class EditGlobal(RequestBody):
    """Parameters to set in the strategy's global layer; null removes a parameter (RFC 7396).

    Parameters not named stay as they are. `enabled` among the parameters is the kill switch.
    """

    parameters: OwnParameters
    changed_by: ChangedBy = None
    reason: Reason | None = None
    validate_only: bool | None = Field(default=False, description="Check only; nothing is changed.")


class EditSymbol(EditGlobal):
    """Parameters to set in the symbol's layer; null removes a parameter (RFC 7396).

    Parameters not named stay as they are. `enabled` among the parameters is the symbol's kill switch.
    """

    expires_at: Instant | None = Field(
        default=None,
        description="When the layer's parameters cease to apply; the layer must set some. Null: no expiry.",
    )


class ReplaceGlobal(EditGlobal):
    """The new parameters of the strategy's global layer, which replace all present ones."""


class ReplaceSymbol(EditSymbol):
    """The new parameters of the symbol's layer, which replace all present ones."""


class EditQuery(WaitQuery):
    """Of changes to a layer's parameters."""

    force: Annotated[bool, Field(description="Record a version even if nothing changes."), BeforeValidator(as_flag)] = (
        False
    )


class DeleteQuery(WaitQuery):
    """Of DELETE: who and why come in the query string."""

    changed_by: ChangedBy = None
    reason: Reason = ""

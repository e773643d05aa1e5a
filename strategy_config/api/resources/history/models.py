"""What requests for the history take and answer."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from strategy_config.api.common.answer_models import (
    AnswerModel,
    InstantText,
    Metadata,
    ParameterValue,
    Success,
    UuidText,
)
from strategy_config.api.common.request_fields import (
    MAX_VERSION,
    AnyStrategyId,
    ChangedBy,
    Cursor,
    Instant,
    Name,
    PageSize,
    Reason,
    RowId,
    as_whole,
)
from strategy_config.api.common.request_models import LayerQuery, RequestBody

ROLL_BACK_EXAMPLES: dict[str, Any] = {
    "Undo the last change": {"changed_by": "jane", "reason": "worse than before"},
    "Back to a version": {"changed_by": "jane", "target_version": 1},
}

AuditAction = Literal["CREATE", "UPDATE", "DELETE", "ROLLBACK", "ENABLE", "DISABLE", "EXPIRE"]


class AuditChange(AnswerModel):
    """One parameter of the layer, before and after; null if the layer did not set it."""

    parameter: str
    old: ParameterValue | None
    new: ParameterValue | None


class AuditItem(AnswerModel):
    """One accepted change. ``changed_by`` is claimed, ``actor`` authenticated; parameters are null if there was no
    layer.
    """

    id: UuidText
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
    changed_at: InstantText
    reason: str
    hash: str
    previous_hash: str


class AuditMetadata(Metadata):
    """``next_cursor`` is null on the last page."""

    count: int
    next_cursor: str | None


class AuditPage(Success):
    data: list[AuditItem]
    metadata: AuditMetadata


class RollBack(RequestBody):
    """The state to restore: that of a version or of a row of the history; with neither, that before the last change."""

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
    target_version: Annotated[int, Field(ge=1, le=MAX_VERSION), BeforeValidator(as_whole)] | None = None
    rollback_id: RowId | None = Field(
        default=None, description="The id of an audit row; restores the state after that change."
    )


class AuditQuery(LayerQuery):
    """Which part of the history."""

    action: AuditAction | None = None
    changed_by: Name | None = None
    since: Instant | None = Field(default=None, description="Changes at or after this instant.")
    until: Instant | None = Field(default=None, description="Changes at or before this instant.")
    limit: PageSize = 100
    cursor: Cursor = None


KIND_PATTERN = "^[a-z_]{1,32}$"


class HistoryQuery(LayerQuery):
    """Which rows of the history."""

    strategy_id: AnyStrategyId | None = Field(
        default=None, description="Changes of this strategy's layers, even if the code no longer has the strategy."
    )
    kind: Annotated[str, Field(pattern=KIND_PATTERN)] | None = Field(
        default=None, description='The kind of object changed: "layer", "token", "halt" and so on.'
    )
    object_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    action: Annotated[str, Field(pattern="^[A-Z_]{1,16}$")] | None = None
    who: Name | None = Field(default=None, description="The name as claimed or as authenticated.")
    channel: Annotated[str, Field(pattern="^[a-z_]{1,16}$")] | None = None
    since: Instant | None = Field(default=None, description="Rows at or after this instant.")
    until: Instant | None = Field(default=None, description="Rows at or before this instant.")
    limit: PageSize = 100
    cursor: Cursor = None


class HistoryObject(AnswerModel):
    """An object other than a layer, and its version after the change."""

    kind: str
    id: str
    version: int


class HistoryChange(AnswerModel):
    """One member, before and after; null if not set."""

    parameter: str
    old: Any
    new: Any


class HistoryItem(AnswerModel):
    """One row of the history: of a layer (``strategy_id``, ``symbol``, ``version``) or of an ``object``.

    ``position`` has no gaps. ``sequence`` is null if runtimes are not told. ``set_id`` is shared by the rows of one
    transaction, null for a single row. ``redacted`` names the texts that were removed.
    """

    id: UuidText
    position: int
    sequence: int | None
    strategy_id: str | None
    symbol: str | None
    version: int | None
    object: HistoryObject | None
    action: str
    old_parameters: dict[str, Any] | None
    new_parameters: dict[str, Any] | None
    changes: list[HistoryChange]
    changed_by: str
    actor: str
    channel: str
    request_id: str
    changed_at: InstantText
    reason: str
    set_id: UuidText | None
    format: Literal[1, 2]
    redacted: list[Literal["changed_by", "actor", "reason"]]
    hash: str
    previous_hash: str


class HistoryPage(Success):
    data: list[HistoryItem]
    metadata: AuditMetadata

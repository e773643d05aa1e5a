"""What the list of all rows of the history takes and answers."""

from typing import Annotated, Any, Literal

from pydantic import Field

from strategy_config.api import requests
from strategy_config.api.answers import Answer, AuditMetadata, Instant, Success
from strategy_config.models import STRATEGY_ID_LENGTH

KIND_PATTERN = "^[a-z_]{1,32}$"


class HistoryQuery(requests.LayerQuery):
    """Which rows of the history."""

    strategy_id: Annotated[str, Field(max_length=STRATEGY_ID_LENGTH, pattern=requests.ANY_STRATEGY_PATTERN)] | None = (
        Field(default=None, description="Changes of this strategy's layers, also where the code no longer has it.")
    )
    kind: Annotated[str, Field(pattern=KIND_PATTERN)] | None = Field(
        default=None, description='What the rows are about: "layer", or the kind of an object ("token", "halt").'
    )
    object_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    action: Annotated[str, Field(pattern="^[A-Z_]{1,16}$")] | None = None
    who: requests.Name | None = Field(default=None, description="The name as claimed or as authenticated.")
    channel: Annotated[str, Field(pattern="^[a-z_]{1,16}$")] | None = None
    since: requests.Instant | None = Field(default=None, description="Rows at or after this instant.")
    until: requests.Instant | None = Field(default=None, description="Rows at or before this instant.")
    limit: requests.PageSize = 100
    cursor: Annotated[str, Field(pattern=requests.CURSOR_PATTERN)] | None = Field(
        default=None, description="From metadata.next_cursor of the page before."
    )


class HistoryObject(Answer):
    """What is no layer, and its version after the act."""

    kind: str
    id: str
    version: int


class HistoryChange(Answer):
    """One member before and after; null: not set."""

    parameter: str
    old: Any
    new: Any


class HistoryItem(Answer):
    """One accepted act: on a layer (``strategy_id``, ``symbol``, ``version``) or on an ``object``.

    ``position`` has no gaps. ``sequence`` null: runtimes need not learn of it. ``set_id`` is the same for the rows of
    one transaction, null where it was the only one. ``redacted`` names the texts that were taken out.
    """

    id: Annotated[str, Field(json_schema_extra={"format": "uuid"})]
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
    changed_at: Instant
    reason: str
    set_id: Annotated[str, Field(json_schema_extra={"format": "uuid"})] | None
    format: Literal[1, 2]
    redacted: list[Literal["changed_by", "actor", "reason"]]
    hash: str
    previous_hash: str


class HistoryPage(Success):
    data: list[HistoryItem]
    metadata: AuditMetadata

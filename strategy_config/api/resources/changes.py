"""The accepted changes of all strategies, for clients that follow them."""

from typing import Annotated, Literal

from django.http import HttpResponse
from pydantic import Field
from rest_framework.request import Request

from strategy_config.api.common import envelope
from strategy_config.api.common.answer_models import AnswerModel, InstantText, Metadata, Success
from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.permissions import READ_ONLY
from strategy_config.api.common.request_fields import PageSize, QueryNumber
from strategy_config.api.common.request_models import RequestQuery, query_of
from strategy_config.api.resources.history.models import AuditAction
from strategy_config.history import change_events

MAX_SEQUENCE = 10**15 - 1


class ChangesQuery(RequestQuery):
    """Which accepted changes."""

    since: Annotated[
        int,
        Field(ge=0, le=MAX_SEQUENCE, strict=True, description="Changes after this sequence; 0 starts with the first."),
        QueryNumber,
    ] = 0
    limit: PageSize = 100


class Change(AnswerModel):
    """One accepted change, as also published to NATS; symbol null: the global layer.

    A halt or a resume has a ``halt_id`` and no version; its strategy and symbol are the scope (null: all).
    """

    sequence: int
    strategy_id: str | None
    symbol: str | None
    action: AuditAction | Literal["HALT", "RESUME"]
    version: int | None
    changed_by: str
    reason: str
    changed_at: InstantText
    halt_id: str | None = None


class ChangesMetadata(Metadata):
    """``latest`` is the newest sequence. If the page ends before it, continue from the page's last sequence."""

    count: int
    latest: int


class Changes(Success):
    data: list[Change]
    metadata: ChangesMetadata


class ChangesView(ApiView):
    """The accepted changes of all strategies, for clients that follow them."""

    permission_by_method = READ_ONLY

    @operation(
        "listChanges",
        tag="History",
        summary="Follow the changes of all strategies",
        answer=Changes,
        query=ChangesQuery,
    )
    def get(self, request: Request) -> HttpResponse:
        """Accepted changes after a sequence, oldest first, each exactly once.

        They are also published to NATS as `config.changed.<strategy_id>.<symbol or global>`.
        """
        query = query_of(request, ChangesQuery)
        changes, latest = change_events.changes_after(query.since, limit=query.limit)
        return envelope.success(request, changes, metadata={"count": len(changes), "latest": latest})

"""The history of a strategy and of everything, and the restoring of an earlier state."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request

from strategy_config.api.common import envelope
from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.permissions import READ_ONLY, Permission
from strategy_config.api.common.request_models import LayerActionQuery, body_of, if_match, query_of
from strategy_config.api.common.request_origin import origin_of
from strategy_config.api.common.runtime_wait import RuntimeWait
from strategy_config.api.common.write_answers import WriteResult, answer_write
from strategy_config.api.resources.history.models import (
    ROLL_BACK_EXAMPLES,
    AuditPage,
    AuditQuery,
    HistoryPage,
    HistoryQuery,
    RollBack,
)
from strategy_config.history import audit_rows
from strategy_config.models import ConfigAudit
from strategy_config.resolution.instants import iso
from strategy_config.selectors import history
from strategy_config.selectors.history import HistoryFilter
from strategy_config.services import rollback

_ROLL_BACK: dict[str, Any] = {
    "tag": "History",
    "answer": WriteResult,
    "path": ("strategy_id",),
    "body": RollBack,
    "query": LayerActionQuery,
    "is_change": True,
    "examples": ROLL_BACK_EXAMPLES,
}


class AuditView(ApiView):
    """The history of a strategy's layers."""

    permission_by_method = READ_ONLY

    @operation(
        "getAudit",
        tag="History",
        summary="Read the history of a strategy",
        answer=AuditPage,
        path=("strategy_id",),
        query=AuditQuery,
    )
    def get(self, request: Request, strategy_id: str) -> HttpResponse:
        """Accepted changes, newest first; without a symbol, those of all layers of the strategy."""
        query = query_of(request, AuditQuery)
        history.require_strategy(strategy_id)
        chosen = HistoryFilter(
            strategy_id=strategy_id,
            symbol=query.symbol or "",
            action=query.action or "",
            changed_by=query.changed_by or "",
            since=query.since,
            until=query.until,
        )
        found = history.page(chosen, limit=query.limit, before=_place(query.cursor), by="sequence")
        return _page_answer(request, found, _audit_item)


def _place(cursor: str | None) -> int | None:
    return None if cursor is None else int(cursor)


def _page_answer(request: Request, found: history.Page, item: Callable[[ConfigAudit], dict[str, Any]]) -> HttpResponse:
    metadata = {"count": len(found.rows), "next_cursor": found.next_cursor}
    return envelope.success(request, [item(row) for row in found.rows], metadata=metadata)


def _audit_item(row: ConfigAudit) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "sequence": row.sequence,
        "strategy_id": row.strategy_id,
        "symbol": row.symbol or None,
        "action": row.action,
        "version": row.version,
        "old_parameters": row.old_parameters,
        "new_parameters": row.new_parameters,
        "changes": row.changes,
        "changed_by": row.changed_by,
        "actor": row.actor,
        "channel": row.channel,
        "request_id": row.request_id,
        "changed_at": iso(row.changed_at),
        "reason": row.reason,
        "hash": row.hash,
        "previous_hash": row.previous_hash,
    }


class RollBackView(ApiView):
    """The way back to an earlier state of a layer."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.CHANGE_PARAMETERS}

    @operation("rollBack", summary="Restore an earlier state of a layer", **_ROLL_BACK)
    def post(self, request: Request, strategy_id: str) -> HttpResponse:
        """Restore the layer's parameters as of a version or of a row of the history, as a new version.

        With neither, the state before the last change is restored. The kill switch stays as it is.
        """
        return _roll_back(request, strategy_id)


class RestoreView(ApiView):
    """The same under the name that some clients know."""

    permission_by_method = RollBackView.permission_by_method

    @operation("restore", summary="Restore an earlier state of a layer (alias of rollback)", **_ROLL_BACK)
    def post(self, request: Request, strategy_id: str) -> HttpResponse:
        """Same as rollback."""
        return _roll_back(request, strategy_id)


def _roll_back(request: Request, strategy_id: str) -> HttpResponse:
    body = body_of(request, RollBack)
    query = query_of(request, LayerActionQuery)
    origin = origin_of(request, changed_by=body.changed_by, reason=body.reason)
    wait = RuntimeWait(query.wait_for_runtimes)
    written = rollback.roll_back(
        strategy_id=strategy_id,
        symbol=query.symbol,
        origin=origin,
        target_version=body.target_version,
        rollback_id=body.rollback_id,
        if_match=if_match(request),
    )
    return answer_write(request, written, wait)


class HistoryView(ApiView):
    """The whole history, in the order of the chain."""

    permission_by_method = READ_ONLY

    @operation(
        "listAudit",
        tag="History",
        summary="Read the whole history",
        answer=HistoryPage,
        query=HistoryQuery,
    )
    def get(self, request: Request) -> HttpResponse:
        """Everything accepted, newest first: changes of all layers, halts, resumes, API tokens created or revoked."""
        query = query_of(request, HistoryQuery)
        chosen = HistoryFilter(
            strategy_id=query.strategy_id or "",
            symbol=query.symbol or "",
            who=query.who or "",
            action=query.action or "",
            channel=query.channel or "",
            since=query.since,
            until=query.until,
            kind=query.kind or "",
            object_id=query.object_id or "",
        )
        return _page_answer(
            request, history.page(chosen, limit=query.limit, before=_place(query.cursor)), _history_item
        )


def _history_item(row: ConfigAudit) -> dict[str, Any]:
    found = audit_rows.as_json(row)
    subject = {name: found.pop(f"object_{name}") for name in ("kind", "id", "version")}
    del found["salts"]
    return {
        **found,
        "strategy_id": row.strategy_id or None,
        "symbol": row.symbol or None,
        "object": None if row.object_kind is None else subject,
        "format": row.format or 1,
        "redacted": list(audit_rows.redacted_texts(row)),
    }

"""All rows of the history, of layers and of everything else."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request

from strategy_config.api import audit_answers, requests
from strategy_config.api.common import envelope, schema
from strategy_config.api.common.base import ApiView
from strategy_config.api.common.permissions import Permission
from strategy_config.history import audit_rows
from strategy_config.models import ConfigAudit
from strategy_config.selectors import history
from strategy_config.selectors.history import HistoryFilter


class HistoryView(ApiView):
    """The whole history, in the order of the chain."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"GET": Permission.VIEW}

    @schema.operation(
        "listAudit",
        tag="History",
        summary="Read the history of everything",
        answer=audit_answers.HistoryPage,
        query=audit_answers.HistoryQuery,
    )
    def get(self, request: Request) -> HttpResponse:
        """Accepted acts, newest first: changes of layers of all strategies, halts, API tokens made and revoked."""
        query = requests.query(request, audit_answers.HistoryQuery)
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
        before = None if query.cursor is None else int(query.cursor)
        rows, has_more = history.page(chosen, limit=query.limit, before=before)
        next_cursor = str(rows[-1].position) if has_more else None
        return envelope.success(
            request, [_item(row) for row in rows], metadata={"count": len(rows), "next_cursor": next_cursor}
        )


def _item(row: ConfigAudit) -> dict[str, Any]:
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

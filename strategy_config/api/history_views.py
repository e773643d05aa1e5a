"""The history of a strategy, the way back, and the kill switch."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request

from strategy_config.api import answers, change_answers, requests
from strategy_config.api.common import envelope, examples, schema
from strategy_config.api.common.base import ApiView, if_match, lenient_origin, origin_of
from strategy_config.api.common.permissions import Permission
from strategy_config.api.halt_views import HALTED_INSTEAD, stop_or_halt
from strategy_config.api.writes import write
from strategy_config.history import change_events
from strategy_config.history.origins import Origin
from strategy_config.models import ConfigAudit
from strategy_config.resolution.instants import iso
from strategy_config.selectors import history
from strategy_config.services import rollback, switches

_ROLL_BACK: dict[str, Any] = {
    "tag": "History",
    "answer": answers.WriteResult,
    "path": ("strategy_id",),
    "body": requests.RollBack,
    "query": requests.LayerActionQuery,
    "is_change": True,
    "examples": examples.ROLL_BACK,
}


class AuditView(ApiView):
    """The history of a strategy's layers."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"GET": Permission.VIEW}

    @schema.operation(
        "getAudit",
        tag="History",
        summary="Read the history of a strategy",
        answer=answers.AuditPage,
        path=("strategy_id",),
        query=requests.AuditQuery,
    )
    def get(self, request: Request, strategy_id: str) -> HttpResponse:
        """Accepted changes, newest first. Without a symbol: of all layers of the strategy."""
        query = requests.query(request, requests.AuditQuery)
        rows, next_cursor = history.audit_page(strategy_id=strategy_id, **query.model_dump())
        return envelope.success(
            request, [_item(row) for row in rows], metadata={"count": len(rows), "next_cursor": next_cursor}
        )


class ChangesView(ApiView):
    """The accepted changes of all strategies, for whoever follows them."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"GET": Permission.VIEW}

    @schema.operation(
        "listChanges",
        tag="History",
        summary="Follow the changes of all strategies",
        answer=change_answers.Changes,
        query=requests.ChangesQuery,
    )
    def get(self, request: Request) -> HttpResponse:
        """Accepted changes after a sequence, oldest first: none is left out, and none comes twice.

        The same come over NATS on `config.changed.<strategy_id>.<symbol or global>`.
        """
        query = requests.query(request, requests.ChangesQuery)
        changes, latest = change_events.changes_after(query.since, limit=query.limit)
        return envelope.success(request, changes, metadata={"count": len(changes), "latest": latest})


def _item(row: ConfigAudit) -> dict[str, Any]:
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

    @schema.operation("rollBack", summary="Restore an earlier state of a layer", **_ROLL_BACK)
    def post(self, request: Request, strategy_id: str) -> HttpResponse:
        """Restore the layer's parameters of a version or of a row of the history, as a new version.

        With neither: the state before the last change. The kill switch stays as it is.
        """
        return _roll_back(request, strategy_id)


class RestoreView(ApiView):
    """The same under the name that some clients know."""

    permission_by_method = RollBackView.permission_by_method

    @schema.operation("restore", summary="Restore an earlier state of a layer (alias of rollback)", **_ROLL_BACK)
    def post(self, request: Request, strategy_id: str) -> HttpResponse:
        """Does what rollback does."""
        return _roll_back(request, strategy_id)


def _roll_back(request: Request, strategy_id: str) -> HttpResponse:
    body = requests.body(request, requests.RollBack)
    query = requests.query(request, requests.LayerActionQuery)
    return write(
        request,
        lambda: rollback.roll_back(
            strategy_id=strategy_id,
            symbol=query.symbol,
            origin=origin_of(request, changed_by=body.changed_by, reason=body.reason),
            target_version=body.target_version,
            rollback_id=body.rollback_id,
            if_match=if_match(request),
        ),
        wait_ms=query.wait_for_runtimes,
    )


class EnableView(ApiView):
    """The kill switch, to on."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.SWITCH_STRATEGY}

    @schema.operation(
        "enable",
        tag="Operation",
        summary="Switch a strategy on",
        answer=answers.WriteResult,
        path=("strategy_id",),
        body=requests.SwitchOn,
        query=requests.LayerActionQuery,
        is_change=True,
        examples=examples.ENABLE,
    )
    def post(self, request: Request, strategy_id: str) -> HttpResponse:
        """Switch on, for all symbols or for one. A symbol is on only where the strategy is."""
        body = requests.body(request, requests.SwitchOn)
        origin = origin_of(request, changed_by=body.changed_by, reason=body.reason)
        return _switch(request, strategy_id, origin, enabled=True)


class DisableView(ApiView):
    """The kill switch, to off."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.STOP_STRATEGY}
    stopping_methods = frozenset({"POST"})

    def asks_stop(self, request: Request) -> bool:
        """Always."""
        return True

    @schema.operation(
        "disable",
        tag="Operation",
        summary="Switch a strategy off",
        answer=answers.WriteResult,
        accepted=HALTED_INSTEAD,
        path=("strategy_id",),
        body=requests.Stop,
        query=requests.LayerActionQuery,
        is_change=True,
        examples=examples.DISABLE,
    )
    def post(self, request: Request, strategy_id: str) -> HttpResponse:
        """Switch off, for all symbols or for one: the runtimes stop deciding within milliseconds.

        A stop is refused neither for its body, of which what cannot be kept is left out or cut, nor by If-Match. While
        the database is away, the same is halted instead, which only `resume` ends.
        """
        origin = lenient_origin(request, requests.given(request))
        query = requests.query(request, requests.LayerActionQuery)
        return stop_or_halt(
            request,
            lambda: _switch(request, strategy_id, origin, enabled=False),
            strategy_id=strategy_id,
            symbol=query.symbol,
            origin=origin,
        )


def _switch(request: Request, strategy_id: str, origin: Origin, *, enabled: bool) -> HttpResponse:
    query = requests.query(request, requests.LayerActionQuery)
    return write(
        request,
        lambda: switches.switch(
            strategy_id=strategy_id, symbol=query.symbol, enabled=enabled, origin=origin, if_match=if_match(request)
        ),
        wait_ms=query.wait_for_runtimes,
    )

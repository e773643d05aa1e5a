"""Halting and resuming: the fastest stop, and the only way back."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from strategy_config.api.common import envelope
from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.permissions import READ_ONLY, Permission
from strategy_config.api.common.request_models import WaitQuery, body_of, query_of, readable_body
from strategy_config.api.common.request_origin import lenient_origin, origin_of
from strategy_config.api.common.runtime_wait import RuntimeWait
from strategy_config.api.resources.halts.instead import answer_halted, render_halt
from strategy_config.api.resources.halts.models import (
    HALT_EXAMPLES,
    RESUME_EXAMPLES,
    HaltBody,
    Halted,
    HaltList,
    ResumeBody,
    Resumed,
)
from strategy_config.history import halt_rows
from strategy_config.selectors import known_halts
from strategy_config.services import halts


class HaltView(ApiView):
    """Stops."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.STOP_STRATEGY}
    stopping_methods = frozenset({"POST"})

    def asks_stop(self, request: Request) -> bool:
        """Always."""
        return True

    @operation(
        "halt",
        tag="Operation",
        summary="Halt everything, a strategy or a symbol",
        answer=Halted,
        accepted=(Halted, "Halted. The database is unreachable; the halt is recorded later."),
        body=HaltBody,
        query=WaitQuery,
        examples=HALT_EXAMPLES,
    )
    def post(self, request: Request) -> HttpResponse:
        """Stop everything in the scope until this halt is resumed; no change and no switch ends it.

        Anyone who may change or stop a strategy may halt. Names and reasons that are too long are cut.
        """
        body = body_of(request, HaltBody)
        query = query_of(request, WaitQuery)
        wait = RuntimeWait(query.wait_for_runtimes)
        halted = halts.halt(
            scope=body.halted_scope,
            origin=lenient_origin(request, readable_body(request)),
            halt_id=None if body.id is None else str(body.id),
        )
        return answer_halted(request, halted, wait)


class HaltsView(ApiView):
    """The halts in force."""

    permission_by_method = READ_ONLY

    @operation("listHalts", tag="Operation", summary="List the halts in force", answer=HaltList)
    def get(self, request: Request) -> HttpResponse:
        """The halts in force, the oldest first."""
        return envelope.success(request, [render_halt(row) for row in known_halts.open_halts()])


class ResumeView(ApiView):
    """Ends halts."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.SWITCH_STRATEGY}

    @operation(
        "resume",
        tag="Operation",
        summary="End halts",
        answer=Resumed,
        body=ResumeBody,
        query=WaitQuery,
        names_strategy=True,
        not_found="no such halt is in force.",
        examples=RESUME_EXAMPLES,
    )
    def post(self, request: Request) -> HttpResponse:
        """End the halts of these ids, or those of exactly this scope. Layers that are switched off stay off.

        With `restore`, layers switched off together with the halts (for runtimes without halts) are switched on.
        """
        if request.auth is None:
            raise NotAuthenticated(
                "Resuming needs an authenticated caller: send a token as Authorization: Bearer <token>."
            )
        body = body_of(request, ResumeBody)
        query = query_of(request, WaitQuery)
        wait = RuntimeWait(query.wait_for_runtimes)
        resumed = halts.resume(
            ids=None if body.ids is None else [str(each) for each in body.ids],
            scope=None if body.scope is None else body.scope.halted,
            origin=origin_of(request, changed_by=body.changed_by, reason=body.reason),
            restore=body.restore,
        )
        warnings = [f"{halt_rows.scope_of(row)} is still halted ({row.id})." for row in resumed.remaining[:10]]
        warnings += [f"{name} is still switched off." for name in resumed.still_off]
        metadata: dict[str, Any] = {
            "action": halt_rows.RESUME,
            "sequence": resumed.sequence,
            "published": resumed.published,
            "switched_on": resumed.switched_on,
            "still_off": resumed.still_off,
            "warnings": warnings,
        }
        wait.report(resumed.sequence, metadata)
        data = {
            "ended": [render_halt(row) for row in resumed.ended],
            "remaining": [render_halt(row) for row in resumed.remaining],
        }
        return envelope.success(request, data, metadata=metadata)

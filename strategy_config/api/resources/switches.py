"""The kill switch of a strategy or of a symbol: its bodies and views."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from pydantic import ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema
from rest_framework.request import Request

from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.permissions import Permission
from strategy_config.api.common.request_fields import ChangedBy, RequiredReason
from strategy_config.api.common.request_models import (
    LayerActionQuery,
    RequestBody,
    body_of,
    if_match,
    query_of,
    readable_body,
)
from strategy_config.api.common.request_origin import lenient_origin, origin_of
from strategy_config.api.common.runtime_wait import RuntimeWait
from strategy_config.api.common.write_answers import WriteResult, answer_write
from strategy_config.api.resources.halts.instead import HALTED_INSTEAD, halt_instead
from strategy_config.history.origins import Origin
from strategy_config.services import switches

_ENABLE_EXAMPLES: dict[str, Any] = {"Back on": {"changed_by": "jane", "reason": "feed is healthy again"}}

_DISABLE_EXAMPLES: dict[str, Any] = {"Off": {"changed_by": "jane", "reason": "feed looks wrong"}}


class SwitchOn(RequestBody):
    """Who switches on, and why."""

    changed_by: ChangedBy = None
    reason: RequiredReason


class Stop(RequestBody):
    """Who stops, and why, as text. Unusable members are ignored, long texts cut: no stop is refused for its body."""

    model_config = ConfigDict(extra="allow", frozen=True)

    changed_by: Any = Field(default=None, description="Who stops, as claimed; the caller if left out.")
    reason: Any = Field(default=None, description="The reason, kept in the history.")

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = super().__get_pydantic_json_schema__(core_schema, handler)
        # What is no object says nothing of who and why, and stops all the same.
        handler.resolve_ref_schema(found).pop("type", None)
        return found


class EnableView(ApiView):
    """The kill switch, to on."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.SWITCH_STRATEGY}

    @operation(
        "enable",
        tag="Operation",
        summary="Switch a strategy on",
        answer=WriteResult,
        path=("strategy_id",),
        body=SwitchOn,
        query=LayerActionQuery,
        is_change=True,
        examples=_ENABLE_EXAMPLES,
    )
    def post(self, request: Request, strategy_id: str) -> HttpResponse:
        """Switch on for all symbols or for one. A symbol is on only if the strategy is."""
        body = body_of(request, SwitchOn)
        query = query_of(request, LayerActionQuery)
        origin = origin_of(request, changed_by=body.changed_by, reason=body.reason)
        return _switch(request, strategy_id, query, origin, enabled=True)


class DisableView(ApiView):
    """The kill switch, to off."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.STOP_STRATEGY}
    stopping_methods = frozenset({"POST"})

    def asks_stop(self, request: Request) -> bool:
        """Always."""
        return True

    @operation(
        "disable",
        tag="Operation",
        summary="Switch a strategy off",
        answer=WriteResult,
        accepted=HALTED_INSTEAD,
        path=("strategy_id",),
        body=Stop,
        query=LayerActionQuery,
        is_change=True,
        examples=_DISABLE_EXAMPLES,
    )
    def post(self, request: Request, strategy_id: str) -> HttpResponse:
        """Switch off for all symbols or for one; the runtimes stop trading within milliseconds.

        A stop is never refused for its body or by If-Match; unusable members are ignored, long texts are cut. While the
        database is unreachable, the stop is made as a halt, which only `resume` ends.
        """
        origin = lenient_origin(request, readable_body(request))
        query = query_of(request, LayerActionQuery)
        try:
            return _switch(request, strategy_id, query, origin, enabled=False)
        except Exception as failure:
            return halt_instead(request, failure, strategy_id=strategy_id, symbol=query.symbol, origin=origin)


def _switch(
    request: Request, strategy_id: str, query: LayerActionQuery, origin: Origin, *, enabled: bool
) -> HttpResponse:
    wait = RuntimeWait(query.wait_for_runtimes)
    written = switches.switch(
        strategy_id=strategy_id, symbol=query.symbol, enabled=enabled, origin=origin, if_match=if_match(request)
    )
    return answer_write(request, written, wait)

"""One layer of one strategy: read, replace, merge, remove."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.request import Request

from service_kit import request_ids
from strategy_config.api import answers, config_answer, fast_reads, requests
from strategy_config.api.common import envelope, examples, schema
from strategy_config.api.common.base import ApiView, if_match, lenient_origin, origin_of
from strategy_config.api.common.parsing import MergePatchParser, StrictJSONParser
from strategy_config.api.common.permissions import Permission, caller_may
from strategy_config.api.halt_views import HALTED_INSTEAD, stop_or_halt
from strategy_config.api.writes import stop_in_spite_of, write
from strategy_config.exceptions import InvalidRequestError, RedisUnavailableError
from strategy_config.resolution import symbols
from strategy_config.resolution.known_strategies import strategy_class
from strategy_config.services import dry_run, layers
from strategy_config.services.layer_edits import NotAllowedError, asks_stop
from strategy_config.services.layer_write import LayerWrite
from strategy_core.configuration.layers import InvalidParametersError


class _LayerView(ApiView):
    stopping_methods = frozenset({"POST", "PUT", "PATCH"})
    parser_classes = (StrictJSONParser, MergePatchParser)

    def asks_stop(self, request: Request) -> bool:
        """Whether the body does, whatever else it says."""
        return _asks_stop(requests.raw_body(request))


class GlobalLayerView(_LayerView):
    """The parameters of a strategy for all symbols."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {
        "GET": Permission.VIEW,
        "POST": Permission.CHANGE_PARAMETERS,
        "PUT": Permission.CHANGE_PARAMETERS,
        "PATCH": Permission.CHANGE_PARAMETERS,
        "DELETE": Permission.CHANGE_PARAMETERS,
    }

    @schema.operation(
        "getConfig",
        tag="Configuration",
        summary="Read the configuration for all symbols",
        answer=answers.ConfigRead,
        path=("strategy_id",),
        is_cached=True,
    )
    def get(self, request: Request, strategy_id: str) -> HttpResponse:
        """All parameters as resolved, with the layer that each comes from. Send If-None-Match to save the body."""
        return _read(request, strategy_id, None)

    @schema.operation(
        "mergeConfig",
        tag="Configuration",
        summary="Change some parameters for all symbols",
        answer=answers.ConfigChangeResult,
        path=("strategy_id",),
        accepted=HALTED_INSTEAD,
        body=requests.EditGlobal,
        query=requests.EditQuery,
        is_change=True,
        is_edit=True,
        is_merge=True,
        examples=examples.MERGE,
    )
    def post(self, request: Request, strategy_id: str) -> HttpResponse:
        """Merge into the layer's own parameters: what is not named stays, null removes (RFC 7396).

        `enabled` among the parameters is the switch; a stop is stored even where the rest is refused. A body that
        names every parameter sends a read back: what equals the inherited value does not become own.
        """
        return _change(request, strategy_id, None, requests.EditGlobal, is_merge=True)

    @schema.operation(
        "replaceConfig",
        tag="Configuration",
        summary="Set the parameters for all symbols",
        answer=answers.ConfigChangeResult,
        path=("strategy_id",),
        accepted=HALTED_INSTEAD,
        body=requests.ReplaceGlobal,
        query=requests.EditQuery,
        is_change=True,
        is_edit=True,
        examples=examples.REPLACE,
    )
    def put(self, request: Request, strategy_id: str) -> HttpResponse:
        """Replace the layer's own parameters by exactly these; what is left out is inherited."""
        return _change(request, strategy_id, None, requests.ReplaceGlobal, is_merge=False)

    @schema.operation(
        "patchConfig",
        tag="Configuration",
        summary="Change some parameters for all symbols (as POST)",
        answer=answers.ConfigChangeResult,
        path=("strategy_id",),
        accepted=HALTED_INSTEAD,
        body=requests.EditGlobal,
        query=requests.EditQuery,
        is_change=True,
        is_edit=True,
        is_merge=True,
        examples=examples.MERGE,
    )
    def patch(self, request: Request, strategy_id: str) -> HttpResponse:
        """Does what POST does; takes application/merge-patch+json as well."""
        return _change(request, strategy_id, None, requests.EditGlobal, is_merge=True)

    @schema.operation(
        "deleteConfig",
        tag="Configuration",
        summary="Remove the parameters for all symbols",
        answer=answers.DeleteResult,
        path=("strategy_id",),
        query=requests.DeleteQuery,
        is_change=True,
    )
    def delete(self, request: Request, strategy_id: str) -> HttpResponse:
        """Remove the layer: the environment and the defaults show through."""
        return _delete(request, strategy_id, None)


class SymbolLayerView(_LayerView):
    """The parameters of a strategy for one symbol."""

    permission_by_method = GlobalLayerView.permission_by_method

    @schema.operation(
        "getSymbolConfig",
        tag="Configuration",
        summary="Read the configuration for one symbol",
        answer=answers.ConfigRead,
        path=("strategy_id", "symbol"),
        is_cached=True,
    )
    def get(self, request: Request, strategy_id: str, symbol: str) -> HttpResponse:
        """All parameters as resolved for the symbol, with the layer that each comes from."""
        return _read(request, strategy_id, symbol)

    @schema.operation(
        "mergeSymbolConfig",
        tag="Configuration",
        summary="Change some parameters for one symbol",
        answer=answers.ConfigChangeResult,
        path=("strategy_id", "symbol"),
        accepted=HALTED_INSTEAD,
        body=requests.EditSymbol,
        query=requests.EditQuery,
        is_change=True,
        is_edit=True,
        is_merge=True,
        examples=examples.MERGE,
    )
    def post(self, request: Request, strategy_id: str, symbol: str) -> HttpResponse:
        """Merge into the symbol's own parameters: what is not named stays, null removes (RFC 7396).

        `enabled` among the parameters is the switch; a stop is stored even where the rest is refused. A body that
        names every parameter sends a read back: what equals the inherited value does not become own.
        """
        return _change(request, strategy_id, symbol, requests.EditSymbol, is_merge=True)

    @schema.operation(
        "replaceSymbolConfig",
        tag="Configuration",
        summary="Set the parameters for one symbol",
        answer=answers.ConfigChangeResult,
        path=("strategy_id", "symbol"),
        accepted=HALTED_INSTEAD,
        body=requests.ReplaceSymbol,
        query=requests.EditQuery,
        is_change=True,
        is_edit=True,
        examples=examples.REPLACE,
    )
    def put(self, request: Request, strategy_id: str, symbol: str) -> HttpResponse:
        """Replace the symbol's own parameters by exactly these; what is left out is inherited."""
        return _change(request, strategy_id, symbol, requests.ReplaceSymbol, is_merge=False)

    @schema.operation(
        "patchSymbolConfig",
        tag="Configuration",
        summary="Change some parameters for one symbol (as POST)",
        answer=answers.ConfigChangeResult,
        path=("strategy_id", "symbol"),
        accepted=HALTED_INSTEAD,
        body=requests.EditSymbol,
        query=requests.EditQuery,
        is_change=True,
        is_edit=True,
        is_merge=True,
        examples=examples.MERGE,
    )
    def patch(self, request: Request, strategy_id: str, symbol: str) -> HttpResponse:
        """Does what POST does; takes application/merge-patch+json as well."""
        return _change(request, strategy_id, symbol, requests.EditSymbol, is_merge=True)

    @schema.operation(
        "deleteSymbolConfig",
        tag="Configuration",
        summary="Remove the parameters for one symbol",
        answer=answers.DeleteResult,
        path=("strategy_id", "symbol"),
        query=requests.DeleteQuery,
        is_change=True,
    )
    def delete(self, request: Request, strategy_id: str, symbol: str) -> HttpResponse:
        """Remove the layer: the global layer shows through. A symbol that is switched off stays off."""
        return _delete(request, strategy_id, symbol)


def _read(request: Request, strategy_id: str, symbol: str | None) -> HttpResponse:
    started = time.perf_counter()
    strategy_class(strategy_id)
    symbol = None if symbol is None else symbols.normalise_symbol(symbol)
    try:
        fetched = config_answer.fetch(strategy_id, symbol)
    except RedisUnavailableError:
        fetched = None
    reading = config_answer.read(strategy_id, symbol, fetched)
    answer = fast_reads.render(reading, request_ids.of(request), request.META.get("HTTP_IF_NONE_MATCH"), started)
    response = envelope.EnvelopedResponse(answer.body, status=answer.status, headers=answer.headers)
    if answer.status == 304:
        del response["Content-Type"]
    return response


def _change(
    request: Request, strategy_id: str, symbol: str | None, model: type[requests.EditGlobal], *, is_merge: bool
) -> HttpResponse:
    given = requests.raw_body(request)
    if not _asks_stop(given):
        return _edit(request, strategy_id, symbol, model, is_merge=is_merge)
    return stop_or_halt(
        request,
        lambda: _edit(request, strategy_id, symbol, model, is_merge=is_merge),
        strategy_id=strategy_id,
        symbol=symbol,
        origin=lenient_origin(request, given),
    )


def _edit(
    request: Request, strategy_id: str, symbol: str | None, model: type[requests.EditGlobal], *, is_merge: bool
) -> HttpResponse:
    given = requests.raw_body(request)
    try:
        query = requests.query(request, requests.EditQuery)
        body = requests.body(request, model)
        _require_right(request, body)
        condition = if_match(request)
    except (requests.MalformedRequestError, InvalidRequestError, NotAllowedError) as refusal:
        if not _asks_stop(given):
            raise
        origin = lenient_origin(request, given)
        return stop_in_spite_of(request, refusal, strategy_id=strategy_id, symbol=symbol, origin=origin)
    origin = origin_of(request, changed_by=body.changed_by, reason=body.reason)
    if body.validate_only:
        return _check(request, strategy_id, symbol, body, is_merge=is_merge, at=origin.at)
    service = layers.merge_layer if is_merge else layers.set_layer
    expiry = {"expires_at": body.expires_at} if isinstance(body, requests.EditSymbol) and _gives_expiry(body) else {}
    return write(
        request,
        lambda: service(
            strategy_id=strategy_id,
            symbol=symbol,
            parameters=body.parameters,
            origin=origin,
            if_match=condition,
            may_enable=caller_may(request, Permission.SWITCH_STRATEGY),
            is_forced=query.force,
            **expiry,
        ),
        wait_ms=query.wait_for_runtimes,
    )


def _asks_stop(given: Mapping[str, Any]) -> bool:
    return given.get("validate_only") is not True and asks_stop(given.get("parameters"))


def _require_right(request: Request, body: requests.EditGlobal) -> None:
    """A caller who may only stop may do nothing beside it; raises NotAllowedError for the rest."""
    if caller_may(request, Permission.CHANGE_PARAMETERS):
        return
    if not asks_stop(body.parameters):
        if request.auth is None:
            raise NotAuthenticated("Send a token as: Authorization: Bearer <token>.")
        raise PermissionDenied(f"This needs the permission {Permission.CHANGE_PARAMETERS}; none of your groups has it.")
    if len(body.parameters) > 1 or _gives_expiry(body):
        raise NotAllowedError(f"All but the stop needs the permission {Permission.CHANGE_PARAMETERS}.")


def _gives_expiry(body: requests.EditGlobal) -> bool:
    return "expires_at" in body.model_fields_set


def _check(
    request: Request, strategy_id: str, symbol: str | None, body: requests.EditGlobal, *, is_merge: bool, at: datetime
) -> HttpResponse:
    preview = dry_run.check_change(
        strategy_id=strategy_id,
        symbol=symbol,
        parameters=body.parameters,
        is_merge=is_merge,
        expires_at=body.expires_at if isinstance(body, requests.EditSymbol) else None,
        at=at,
        if_match=if_match(request),
    )
    if preview.errors:
        raise InvalidParametersError(preview.errors)
    metadata = {
        "validate_only": True,
        "validation": "passed",
        "changes": preview.changes,
        "inherited": preview.inherited,
        "warnings": preview.warnings,
    }
    return envelope.success(request, None, metadata=metadata)


def _delete(request: Request, strategy_id: str, symbol: str | None) -> HttpResponse:
    query = requests.query(request, requests.DeleteQuery)
    origin = origin_of(request, changed_by=query.changed_by, reason=query.reason)
    return write(
        request,
        lambda: layers.delete_layer(strategy_id=strategy_id, symbol=symbol, origin=origin, if_match=if_match(request)),
        wait_ms=query.wait_for_runtimes,
        render=_deleted,
    )


def _deleted(written: LayerWrite) -> dict[str, str]:
    scope = f"for {written.symbol}" if written.symbol else "for all symbols"
    gone = f"Parameters of {written.strategy_id} {scope} deleted successfully"
    return {"message": f"{gone}; the layers below are used."}

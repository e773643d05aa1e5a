"""One layer of one strategy: read, replace, merge, remove."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.request import Request

from service_kit import request_ids
from strategy_config.api import config_answer
from strategy_config.api.common import envelope
from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.parsing import MergePatchParser, StrictJSONParser
from strategy_config.api.common.permissions import Permission, caller_may
from strategy_config.api.common.request_models import MalformedRequestError, body_of, if_match, query_of, raw_body
from strategy_config.api.common.request_origin import lenient_origin, origin_of
from strategy_config.api.common.runtime_wait import RuntimeWait
from strategy_config.api.common.write_answers import answer_write, stop_in_spite_of
from strategy_config.api.resources.halts.instead import HALTED_INSTEAD, halt_instead
from strategy_config.api.resources.layers.models import (
    MERGE_EXAMPLES,
    REPLACE_EXAMPLES,
    ConfigChangeResult,
    ConfigRead,
    DeleteQuery,
    DeleteResult,
    EditGlobal,
    EditQuery,
    EditSymbol,
    ReplaceGlobal,
    ReplaceSymbol,
)
from strategy_config.exceptions import InvalidRequestError, RedisUnavailableError
from strategy_config.history.origins import Origin
from strategy_config.resolution import symbols
from strategy_config.resolution.known_strategies import strategy_class
from strategy_config.services import dry_run, layers
from strategy_config.services.layer_edits import NotAllowedError, asks_stop
from strategy_config.services.layer_write import LayerWrite
from strategy_core.configuration.validation import InvalidParametersError

_GLOBAL_PATH = ("strategy_id",)
_SYMBOL_PATH = ("strategy_id", "symbol")
_READ: dict[str, Any] = {"tag": "Configuration", "answer": ConfigRead, "is_cached": True}
_EDIT: dict[str, Any] = {
    "tag": "Configuration",
    "answer": ConfigChangeResult,
    "accepted": HALTED_INSTEAD,
    "query": EditQuery,
    "is_change": True,
    "is_edit": True,
}
_MERGE = {**_EDIT, "is_merge": True, "examples": MERGE_EXAMPLES}
_REPLACE = {**_EDIT, "examples": REPLACE_EXAMPLES}
_DELETE: dict[str, Any] = {
    "tag": "Configuration",
    "answer": DeleteResult,
    "query": DeleteQuery,
    "is_change": True,
}


class _LayerView(ApiView):
    permission_by_method: ClassVar[Mapping[str, Permission]] = {
        "GET": Permission.VIEW,
        **dict.fromkeys(("POST", "PUT", "PATCH", "DELETE"), Permission.CHANGE_PARAMETERS),
    }
    stopping_methods = frozenset({"POST", "PUT", "PATCH"})
    parser_classes = (StrictJSONParser, MergePatchParser)

    def asks_stop(self, request: Request) -> bool:
        """Whether the body does, whatever else it says."""
        return _asks_stop(raw_body(request))


class GlobalLayerView(_LayerView):
    """The parameters of a strategy for all symbols."""

    @operation("getConfig", summary="Read the configuration for all symbols", path=_GLOBAL_PATH, **_READ)
    def get(self, request: Request, strategy_id: str) -> HttpResponse:
        """All resolved parameters, and the layer that each comes from. Send If-None-Match to skip an unchanged body."""
        return _read(request, strategy_id, None)

    @operation(
        "mergeConfig",
        summary="Change some parameters for all symbols",
        path=_GLOBAL_PATH,
        body=EditGlobal,
        **_MERGE,
    )
    def post(self, request: Request, strategy_id: str) -> HttpResponse:
        """Merge into the layer's own parameters (RFC 7396): null removes a parameter, parameters not named stay.

        `enabled` among the parameters is the kill switch; a stop is stored even if the rest is refused. A body that
        names every parameter counts as a round trip of a read: values equal to the inherited ones do not become the
        layer's own.
        """
        return _change(request, strategy_id, None, EditGlobal, is_merge=True)

    @operation(
        "replaceConfig",
        summary="Set the parameters for all symbols",
        path=_GLOBAL_PATH,
        body=ReplaceGlobal,
        **_REPLACE,
    )
    def put(self, request: Request, strategy_id: str) -> HttpResponse:
        """Replace the layer's own parameters with these; parameters left out are inherited."""
        return _change(request, strategy_id, None, ReplaceGlobal, is_merge=False)

    @operation(
        "patchConfig",
        summary="Change some parameters for all symbols (as POST)",
        path=_GLOBAL_PATH,
        body=EditGlobal,
        **_MERGE,
    )
    def patch(self, request: Request, strategy_id: str) -> HttpResponse:
        """Same as POST; also accepts application/merge-patch+json."""
        return _change(request, strategy_id, None, EditGlobal, is_merge=True)

    @operation("deleteConfig", summary="Remove the parameters for all symbols", path=_GLOBAL_PATH, **_DELETE)
    def delete(self, request: Request, strategy_id: str) -> HttpResponse:
        """Remove the layer; the environment and the defaults apply."""
        return _delete(request, strategy_id, None)


class SymbolLayerView(_LayerView):
    """The parameters of a strategy for one symbol."""

    @operation("getSymbolConfig", summary="Read the configuration for one symbol", path=_SYMBOL_PATH, **_READ)
    def get(self, request: Request, strategy_id: str, symbol: str) -> HttpResponse:
        """All parameters resolved for the symbol, and the layer that each comes from."""
        return _read(request, strategy_id, symbol)

    @operation(
        "mergeSymbolConfig",
        summary="Change some parameters for one symbol",
        path=_SYMBOL_PATH,
        body=EditSymbol,
        **_MERGE,
    )
    def post(self, request: Request, strategy_id: str, symbol: str) -> HttpResponse:
        """Merge into the symbol's own parameters (RFC 7396): null removes a parameter, parameters not named stay.

        `enabled` among the parameters is the kill switch; a stop is stored even if the rest is refused. A body that
        names every parameter counts as a round trip of a read: values equal to the inherited ones do not become the
        layer's own.
        """
        return _change(request, strategy_id, symbol, EditSymbol, is_merge=True)

    @operation(
        "replaceSymbolConfig",
        summary="Set the parameters for one symbol",
        path=_SYMBOL_PATH,
        body=ReplaceSymbol,
        **_REPLACE,
    )
    def put(self, request: Request, strategy_id: str, symbol: str) -> HttpResponse:
        """Replace the symbol's own parameters with these; parameters left out are inherited."""
        return _change(request, strategy_id, symbol, ReplaceSymbol, is_merge=False)

    @operation(
        "patchSymbolConfig",
        summary="Change some parameters for one symbol (as POST)",
        path=_SYMBOL_PATH,
        body=EditSymbol,
        **_MERGE,
    )
    def patch(self, request: Request, strategy_id: str, symbol: str) -> HttpResponse:
        """Same as POST; also accepts application/merge-patch+json."""
        return _change(request, strategy_id, symbol, EditSymbol, is_merge=True)

    @operation("deleteSymbolConfig", summary="Remove the parameters for one symbol", path=_SYMBOL_PATH, **_DELETE)
    def delete(self, request: Request, strategy_id: str, symbol: str) -> HttpResponse:
        """Remove the layer; the global layer applies. A symbol that is switched off stays off."""
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
    answer = config_answer.render(reading, request_ids.of(request), request.META.get("HTTP_IF_NONE_MATCH"), started)
    response = envelope.EnvelopedResponse(answer.body, status=answer.status, headers=answer.headers)
    if answer.status == 304:
        del response["Content-Type"]
    return response


def _change(
    request: Request, strategy_id: str, symbol: str | None, model: type[EditGlobal], *, is_merge: bool
) -> HttpResponse:
    given = raw_body(request)
    stop = lenient_origin(request, given) if _asks_stop(given) else None
    try:
        return _edit(request, strategy_id, symbol, model, is_merge=is_merge, stop=stop)
    except Exception as failure:
        if stop is None:
            raise
        return halt_instead(request, failure, strategy_id=strategy_id, symbol=symbol, origin=stop)


def _edit(
    request: Request,
    strategy_id: str,
    symbol: str | None,
    model: type[EditGlobal],
    *,
    is_merge: bool,
    stop: Origin | None,
) -> HttpResponse:
    """``stop`` is the origin of the stop that the request asks for, if it does; that is stored in any case."""
    try:
        query = query_of(request, EditQuery)
        body = body_of(request, model)
        _require_right(request, body)
        condition = if_match(request)
    except (MalformedRequestError, InvalidRequestError, NotAllowedError) as refusal:
        if stop is None:
            raise
        return stop_in_spite_of(request, refusal, strategy_id=strategy_id, symbol=symbol, origin=stop)
    origin = origin_of(request, changed_by=body.changed_by, reason=body.reason)
    if body.validate_only:
        return _check(request, strategy_id, symbol, body, is_merge=is_merge, at=origin.at)
    edit = layers.merge_layer if is_merge else layers.set_layer
    expiry = {"expires_at": body.expires_at} if isinstance(body, EditSymbol) and _gives_expiry(body) else {}
    wait = RuntimeWait(query.wait_for_runtimes)
    written = edit(
        strategy_id=strategy_id,
        symbol=symbol,
        parameters=body.parameters,
        origin=origin,
        if_match=condition,
        may_enable=caller_may(request, Permission.SWITCH_STRATEGY),
        is_forced=query.force,
        **expiry,
    )
    return answer_write(request, written, wait)


def _asks_stop(given: Mapping[str, Any]) -> bool:
    return given.get("validate_only") is not True and asks_stop(given.get("parameters"))


def _require_right(request: Request, body: EditGlobal) -> None:
    """A caller who may only stop may do nothing beside it; raises NotAllowedError for the rest."""
    if caller_may(request, Permission.CHANGE_PARAMETERS):
        return
    if not asks_stop(body.parameters):
        if request.auth is None:
            raise NotAuthenticated("Send a token as: Authorization: Bearer <token>.")
        raise PermissionDenied(f"This needs the permission {Permission.CHANGE_PARAMETERS}; none of your groups has it.")
    if len(body.parameters) > 1 or _gives_expiry(body):
        raise NotAllowedError(f"Everything except the stop needs the permission {Permission.CHANGE_PARAMETERS}.")


def _gives_expiry(body: EditGlobal) -> bool:
    return "expires_at" in body.model_fields_set


def _check(
    request: Request, strategy_id: str, symbol: str | None, body: EditGlobal, *, is_merge: bool, at: datetime
) -> HttpResponse:
    preview = dry_run.check_change(
        strategy_id=strategy_id,
        symbol=symbol,
        parameters=body.parameters,
        is_merge=is_merge,
        expires_at=body.expires_at if isinstance(body, EditSymbol) else None,
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
    query = query_of(request, DeleteQuery)
    origin = origin_of(request, changed_by=query.changed_by, reason=query.reason)
    condition = if_match(request)
    wait = RuntimeWait(query.wait_for_runtimes)
    written = layers.delete_layer(strategy_id=strategy_id, symbol=symbol, origin=origin, if_match=condition)
    return answer_write(request, written, wait, _deleted(written))


def _deleted(written: LayerWrite) -> dict[str, str]:
    scope = f"for {written.symbol}" if written.symbol else "for all symbols"
    gone = f"Parameters of {written.strategy_id} {scope} deleted successfully"
    return {"message": f"{gone}; the layers below are used."}

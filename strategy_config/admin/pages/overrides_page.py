"""Symbol overrides: all of them in a list, many changed under one reason, one copied, any value explained."""

from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from strategy_config.accounts.permissions import Permission
from strategy_config.admin import heartbeats, wording
from strategy_config.admin.page import Page, all_facts, may, origin_of, show, show_of, whole
from strategy_config.admin.reason_form import ReasonForm, typed_reason
from strategy_config.admin.urls import layer_url
from strategy_config.exceptions import ConfigError, InvalidRequestError
from strategy_config.history.origins import Origin
from strategy_config.resolution import symbols
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.selectors import explanations, override_list, overviews, stored_layers
from strategy_config.selectors.explanations import Explanation
from strategy_config.services import switches
from strategy_config.services.open_batch import BatchWrite as WrittenTogether
from strategy_config.services.overrides import copy_override, delete_overrides
from strategy_core.configuration.validation import InvalidParametersError
from strategy_core.strategies.registry import STRATEGIES

LINES = 50
_NEEDED = {
    "disable": Permission.STOP_STRATEGY,
    "enable": Permission.SWITCH_STRATEGY,
    "delete": Permission.CHANGE_PARAMETERS,
}
_TITLES = {"disable": "Switch off", "enable": "Switch on", "delete": "Delete"}


def overrides(request: HttpRequest) -> HttpResponse:
    """The list, by strategy and symbol."""
    strategy_id, symbol = request.GET.get("strategy", ""), request.GET.get("symbol", "").strip()
    found = override_list.override_page(
        strategy_id=strategy_id, symbol=symbol, at=timezone.now(), page=request.GET.get("page"), size=LINES
    )
    return show(
        request,
        "overrides.html",
        title="Symbol overrides",
        found=found,
        page=found.page,
        query=urlencode({"strategy": strategy_id, "symbol": symbol}),
        filtered_by=" · ".join(each for each in (strategy_id, symbol) if each),
        strategy_id=strategy_id,
        symbol=symbol,
        strategies=all_facts(),
        symbols=heartbeats.seen_symbols(heartbeats.latest()),
        saved=whole(request.GET.get("saved")),
        count=request.GET.get("count", ""),
    )


def open_override(request: HttpRequest) -> HttpResponse:
    """From the field "symbol" to the page of its override, or to its explanation where ``explain`` is asked."""
    symbol = symbols.normalise_symbol(request.GET.get("symbol", "").strip())
    strategy_id = request.GET.get("strategy", "")
    if strategy_id not in STRATEGIES:
        raise InvalidRequestError("Select a strategy.", field="strategy")
    if "explain" in request.GET:
        return HttpResponseRedirect(reverse("admin:symbol_explain", args=[strategy_id, symbol]))
    return HttpResponseRedirect(layer_url(strategy_id, symbol))


def bulk(request: HttpRequest) -> HttpResponse:
    """What was chosen in the list, the reason, then all of it or nothing."""
    action = request.POST.get("action", "")
    if request.method != "POST" or action not in _TITLES:
        return HttpResponseRedirect(reverse("admin:overrides"))
    if not may(request, _NEEDED[action]):
        raise PermissionDenied
    keys = [_key(text) for text in request.POST.getlist("key")]
    is_sent, is_stop, problem = "confirm" in request.POST, action == "disable", ""
    # A stop is not refused for its reason.
    reason = ReasonForm.of(request, is_sent=is_sent and not is_stop)
    if is_sent and (is_stop or reason.is_valid()):
        try:
            written = _apply(action, keys, origin_of(request, reason=typed_reason(request)))
        except ConfigError as refusal:
            problem = refusal.message
        else:
            if not written.failures:
                query = urlencode({"count": len(written.changes), "saved": written.sequence or ""})
                return HttpResponseRedirect(f"{reverse('admin:overrides')}?{query}")
            failed = "; ".join(f"{each.where}: {each.message}" for each in written.failures)
            problem = f"{len(written.changes)} switched off, {len(written.failures)} failed: {failed}"
    return show(
        request,
        "bulk.html",
        title=f"{_TITLES[action]} {wording.counted(len(keys), 'override')}" if keys else "Nothing selected",
        status=409 if problem else 422 if is_sent else 200,
        trail=(("Symbol overrides", reverse("admin:overrides")),),
        action=action,
        verb=_TITLES[action],
        keys=keys,
        problem=problem,
        reason=reason.given,
        reason_error=reason.problem,
        is_reason_optional=is_stop,
    )


def copy(request: HttpRequest, strategy_id: str, symbol: str) -> HttpResponse:
    """The own parameters of one symbol, given to others under one reason."""
    symbol = symbols.normalise_symbol(symbol)
    config = stored_layers.layer_config(strategy_id=strategy_id, symbol=symbol, at=timezone.now())
    typed = request.POST.get("symbols", "")
    targets = typed.replace(",", " ").split()
    reason, problem = ReasonForm.of(request), ""
    if reason.is_valid() and targets:
        try:
            written = copy_override(
                strategy_id=strategy_id,
                symbol=symbol,
                to_symbols=targets,
                origin=origin_of(request, reason=reason.given),
            )
        except ConfigError as refusal:
            problem = refusal.message
        except InvalidParametersError as refusal:
            problem = str(refusal)
        else:
            query = urlencode({"strategy": strategy_id, "count": len(written.changes), "saved": written.sequence or ""})
            return HttpResponseRedirect(f"{reverse('admin:overrides')}?{query}")
    elif request.method == "POST" and not targets:
        problem = "Give at least one symbol to copy to."
    name = STRATEGIES[strategy_id].name
    return show_of(
        request,
        "copy.html",
        strategy_id=strategy_id,
        symbol=symbol,
        title=f"Copy {wording.layer_name(strategy_id, symbol)} to other symbols",
        status=422 if request.method == "POST" else 200,
        trail=((name, layer_url(strategy_id)), (symbol, layer_url(strategy_id, symbol))),
        config=config,
        typed=typed,
        symbols=heartbeats.seen_symbols(heartbeats.latest()),
        replaced=[
            each for each in overviews.strategy_overview(strategy_id, timezone.now()).overridden if each != symbol
        ],
        problem=problem,
        reason=reason.given,
        reason_error=reason.problem,
        back_url=layer_url(strategy_id, symbol),
    )


def explain(request: HttpRequest, strategy_id: str, symbol: str | None = None) -> HttpResponse:
    """Every layer of every parameter, and the one that won."""
    found = explanations.explain(strategy_id=strategy_id, symbol=symbol, at=timezone.now())
    name = STRATEGIES[strategy_id].name
    return show_of(
        request,
        "explain.html",
        title=f"{wording.layer_name(strategy_id, found.config.symbol)}: where the values come from",
        trail=((name, layer_url(strategy_id)),),
        found=found,
        counted=_counted(found),
        strategy_id=strategy_id,
        symbol=found.config.symbol,
        symbols=heartbeats.seen_symbols(heartbeats.latest()),
    )


def _counted(found: Explanation) -> str:
    counts = dict.fromkeys(("symbol", "global", "environment", "default", "refused"), 0)
    for value in found.values:
        counts[value.source] += 1
    return " · ".join(f"{count} from {source}" for source, count in counts.items() if count)


def _key(text: str) -> LayerKey:
    strategy_id, _, symbol = text.partition(":")
    return LayerKey(strategy_id, symbols.normalise_symbol(symbol))


def _apply(action: str, keys: list[LayerKey], origin: Origin) -> WrittenTogether:
    if action == "delete":
        return delete_overrides(keys=keys, origin=origin)
    return switches.switch_overrides(keys=keys, enabled=action == "enable", origin=origin)


PAGES = (
    Page("overrides/", "overrides", overrides),
    Page("overrides/open/", "open_override", open_override),
    # Each action asks for its own permission.
    Page("overrides/bulk/", "bulk", bulk, change=Permission.VIEW),
    Page("strategies/<str:strategy_id>/explain/", "explain", explain),
    Page("strategies/<str:strategy_id>/symbols/<str:symbol>/explain/", "symbol_explain", explain),
    Page(
        "strategies/<str:strategy_id>/symbols/<str:symbol>/copy/",
        "copy_override",
        copy,
        see=Permission.CHANGE_PARAMETERS,
    ),
)

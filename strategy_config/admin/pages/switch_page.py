"""The kill switch: of a strategy, of one symbol of it, and of everything at once."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from strategy_config.accounts.permissions import Permission
from strategy_config.admin import wording
from strategy_config.admin.page import Page, may, origin_of, show
from strategy_config.admin.reason_form import ReasonForm, typed_reason
from strategy_config.admin.urls import layer_url, switch_url
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import halt_rows
from strategy_config.resolution import known_strategies, symbols
from strategy_config.selectors import history, overviews
from strategy_config.services import halts, switches
from strategy_config.services.halts import Halted
from strategy_core.configuration.halts import EVERYTHING, Scope

CONFIRMATION = "ALL OFF"


def switch(request: HttpRequest, strategy_id: str, symbol: str | None = None) -> HttpResponse:
    """GET asks for the reason. POST switches to ``to`` ("on" or "off"); only switching on needs the reason."""
    symbol = None if symbol is None else symbols.normalise_symbol(symbol)
    if request.method == "POST" and request.POST.get("to") == "off":
        # Before anything is read that is only to be shown.
        return _switched_off(request, strategy_id, symbol)
    overview = overviews.strategy_overview(strategy_id, timezone.now())
    # A strategy that the code no longer has shows no page of its own.
    back_url = layer_url(strategy_id, symbol) if overview.is_in_code else reverse("admin:index")
    is_on = overview.is_enabled if symbol is None else symbol not in overview.switched_off
    reason = ReasonForm.of(request)
    target = request.POST.get("to", "off" if is_on else "on")
    if request.method == "POST" and target == "off":
        return _switched_off(request, strategy_id, symbol)
    if reason.is_valid() and target == "on":
        if not may(request, Permission.SWITCH_STRATEGY):
            raise PermissionDenied
        written = switches.switch(
            strategy_id=strategy_id,
            symbol=symbol,
            enabled=True,
            origin=origin_of(request, reason=reason.given),
        )
        return HttpResponseRedirect(f"{back_url}?saved={written.sequence}")
    name = overview.name
    return show(
        request,
        "switch.html",
        title=f"{'Switch off' if is_on else 'Switch on'}: {wording.layer_name(strategy_id, symbol)}",
        status=422 if request.method == "POST" else 200,
        trail=((name, layer_url(strategy_id) if overview.is_in_code else back_url),),
        is_on=is_on,
        symbol=symbol,
        overview=overview,
        switched=history.last_switch(strategy_id=strategy_id, symbol=symbol),
        reason=reason.given,
        reason_error=reason.problem,
        switch_url=switch_url(strategy_id, symbol),
        back_url=back_url,
    )


def _switched_off(request: HttpRequest, strategy_id: str, symbol: str | None) -> HttpResponse:
    """Switch off; while the database is down the same scope is halted."""
    origin = origin_of(request, reason=typed_reason(request))
    try:
        written = switches.switch(strategy_id=strategy_id, symbol=symbol, enabled=False, origin=origin)
    except StoreUnavailableError:
        scope = Scope(strategy_id=strategy_id, symbol=symbol)
        return _halted(halts.halt_without_store(scope=scope, origin=origin))
    back_url = layer_url(strategy_id, symbol) if known_strategies.is_known(strategy_id) else reverse("admin:index")
    return HttpResponseRedirect(f"{back_url}?saved={written.sequence}")


def _halted(halted: Halted) -> HttpResponse:
    """What was halted while the database is down, when no page can be shown."""
    text = (
        f"Halted: {halt_rows.scope_of(halted.halt)} ({halted.halt.id}). The runtimes were notified over "
        f"{' and '.join(halted.told_over)}. The database is unreachable; the halt is stored as soon as it is back."
    )
    return HttpResponse(text, status=202, content_type="text/plain; charset=utf-8")


def switch_all(request: HttpRequest) -> HttpResponse:
    """Everything off, after the confirmation was typed."""
    reason = typed_reason(request)
    typed = request.POST.get("confirmation", "").strip()
    is_sent = request.method == "POST"
    if is_sent and typed == CONFIRMATION:
        # Before anything is read that is only to be shown.
        halted = halts.halt(scope=EVERYTHING, origin=origin_of(request, reason=reason))
        if halted.is_recorded:
            return HttpResponseRedirect(f"{reverse('admin:index')}?saved={halted.sequence}")
        return _halted(halted)
    every = overviews.strategy_overviews(timezone.now())
    running = [each for each in every if each.is_enabled]
    return show(
        request,
        "switch_all.html",
        title="Switch everything off",
        status=422 if is_sent else 200,
        running=running,
        total=len(every),
        confirmation=CONFIRMATION,
        typed=typed,
        typed_error=f"Type {CONFIRMATION} to confirm." if is_sent and typed != CONFIRMATION else "",
        reason=reason,
    )


_STOPPERS = {"see": Permission.STOP_STRATEGY, "change": Permission.STOP_STRATEGY}
PAGES = (
    Page("strategies/<str:strategy_id>/switch/", "switch", switch, **_STOPPERS),
    Page("strategies/<str:strategy_id>/symbols/<str:symbol>/switch/", "symbol_switch", switch, **_STOPPERS),
    Page("switch-all/", "switch_all", switch_all, **_STOPPERS),
)

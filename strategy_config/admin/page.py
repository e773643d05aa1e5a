"""What every page has in common: who may see it, what its template gets, and how refusals are shown."""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils import timezone

from service_kit import request_ids
from strategy_config.accounts.permissions import Permission, is_held
from strategy_config.exceptions import ConfigError
from strategy_config.history.origins import Origin
from strategy_config.selectors import switch_states
from strategy_core.strategies.registry import STRATEGIES

LONGEST_NUMBER = 18
_REFUSED = {404: "Not found", 503: "Temporarily unavailable"}
_REFUSED_OTHERWISE = "This request was refused"
View = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Page:
    """A route under /admin/, reversed as ``admin:<name>``. Without the permission it answers 403.

    ``change`` is asked for by POST, ``see`` by everything else.
    """

    route: str
    name: str
    view: View
    see: Permission = Permission.VIEW
    change: Permission = Permission.CHANGE_PARAMETERS

    def url(self, site: admin.AdminSite) -> URLPattern:
        """The page as a pattern of the site: staff only, guarded by its permissions."""
        return path(self.route, site.admin_view(guarded(self)), name=self.name)


@dataclass(frozen=True, slots=True)
class StrategyFacts:
    """A strategy for templates, which would call its class; ``formula`` in sentences."""

    id: str
    name: str
    description: str
    kind: str
    formula: tuple[str, ...]


def facts(strategy_id: str) -> StrategyFacts:
    """What the declaration of a strategy says of it as a whole."""
    declared = STRATEGIES[strategy_id]
    return StrategyFacts(
        id=declared.id,
        name=declared.name,
        description=declared.description,
        kind=f"{declared.category}, {declared.type}".replace("_", " "),
        formula=tuple(re.split(r"(?<=\.) ", declared.formula)),
    )


def all_facts() -> list[StrategyFacts]:
    """Every strategy, in catalogue order."""
    return [facts(strategy_id) for strategy_id in STRATEGIES]


def guarded(page: Page) -> View:
    """The page's view behind its permissions; a refusal of a service or selector becomes a page with its words."""

    @functools.wraps(page.view)
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            if not may(request, page.change if request.method == "POST" else page.see):
                raise PermissionDenied
            return page.view(request, *args, **kwargs)
        except PermissionDenied:
            return show(request, "forbidden.html", title="You do not have access to this page", status=403)
        except ConfigError as refusal:
            return refused(request, refusal)

    return view


def may(request: HttpRequest, permission: Permission) -> bool:
    """Whether the user of the request has the permission."""
    return is_held(permission, request.user.has_perm)


def rights(request: HttpRequest) -> Mapping[str, bool]:
    """What the user of the request may do, for templates: ``may.change_parameters``, ``may.switch_strategy``, ..."""
    return {permission.name.lower(): may(request, permission) for permission in Permission}


def whole(text: str | None, most_digits: int = LONGEST_NUMBER) -> int | None:
    """The whole number from 0 up that a form or a query string gives; None for anything else."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= most_digits else None


def show(
    request: HttpRequest, template: str, *, title: str, status: int = 200, trail: tuple[Any, ...] = (), **context: Any
) -> HttpResponse:
    """Render a page of the console. ``trail`` are (title, URL) of the pages above it."""
    common = {**admin.site.each_context(request), "title": title, "trail": trail, "is_console": True}
    return render(request, f"console/{template}", {**common, "may": rights(request), **context}, status=status)


def show_of(
    request: HttpRequest, template: str, *, strategy_id: str, symbol: str | None = None, **context: Any
) -> HttpResponse:
    """As ``show``, for a page of a strategy or of one symbol of it: with its kill switch, for those who may use it."""
    if may(request, Permission.STOP_STRATEGY):
        kill = switch_states.switch_state(strategy_id=strategy_id, symbol=symbol)
        if kill.is_on or may(request, Permission.SWITCH_STRATEGY):
            context["kill"] = kill
    return show(request, template, strategy_id=strategy_id, symbol=symbol, **context)


def refused(request: HttpRequest, refusal: ConfigError) -> HttpResponse:
    """A page with the words of the refusal, under its status."""
    title = _REFUSED.get(refusal.status, _REFUSED_OTHERWISE)
    return show(request, "refused.html", title=title, status=refusal.status, refusal=refusal)


def polled(document: Mapping[str, Any]) -> JsonResponse:
    """A document for a script, which no cache keeps."""
    answer = JsonResponse(document)
    answer["Cache-Control"] = "no-store"
    return answer


def origin_of(request: HttpRequest, *, reason: str, channel: Literal["admin", "import"] = "admin") -> Origin:
    """Who makes the change that this request asks for."""
    name = request.user.get_username()
    return Origin(
        changed_by=name,
        actor=name,
        channel=channel,
        request_id=request_ids.of(request),
        at=timezone.now(),
        # A browser counts a line's end as one character against the limit, and sends two.
        reason=reason.strip().replace("\r\n", "\n"),
    )

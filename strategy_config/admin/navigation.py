"""The sidebar: only what the one who asks may open."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from realtime_runtime.strategies.registry import STRATEGIES
from strategy_config.permissions import Permission


def groups(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of links, as the theme wants them."""
    found: list[dict[str, Any]] = []
    if request.user.has_perm(Permission.VIEW):
        found.append({"items": [_link("Dashboard", "dashboard", reverse("admin:index"))]})
        found.append({"title": "Strategies", "separator": True, "items": [_strategy(each) for each in STRATEGIES]})
    if request.user.has_perm(Permission.SWITCH_STRATEGY):
        items = [_link("Switch everything off", "power_settings_new", reverse("admin:switch_all"))]
        found.append({"title": "Emergency", "separator": True, "items": items})
    return found


def _strategy(strategy_id: str) -> dict[str, Any]:
    return _link(STRATEGIES[strategy_id].name, "tune", reverse("admin:layer", args=[strategy_id]))


def _link(title: str, icon: str, url: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": url}

"""The sidebar: only what the user may open."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from strategy_config.accounts.permissions import Permission, is_held
from strategy_core.strategies.registry import STRATEGIES

_ACROSS = (
    ("Signals", "show_chart", "signals"),
    ("Symbol overrides", "layers", "overrides"),
    ("Compare", "table_chart", "compare"),
    ("History", "history", "history"),
    ("Import and export", "swap_vert", "transfer"),
    ("Help", "help", "help"),
)


def groups(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of links, in the shape that the theme expects."""
    found: list[dict[str, Any]] = []
    if request.user.has_perm(Permission.VIEW):
        first = [
            _link("Dashboard", "dashboard", reverse("admin:index")),
            _link("Market", "candlestick_chart", reverse("admin:market")),
        ]
        if is_held(Permission.STOP_STRATEGY, request.user.has_perm):
            first.append(_link("Switch everything off", "power_settings_new", reverse("admin:switch_all")))
        found.append({"items": first})
        found.append({"title": "Strategies", "separator": True, "items": [_strategy(each) for each in STRATEGIES]})
        items = [_link(title, icon, reverse(f"admin:{name}")) for title, icon, name in _ACROSS]
        found.append({"title": "Across strategies", "separator": True, "items": items})
    items = [_link("My API tokens", "key", reverse("admin:tokens"))] if request.user.has_perm(Permission.VIEW) else []
    if request.user.has_perm("auth.view_user"):
        items.append(_link("Users", "person", reverse("admin:auth_user_changelist")))
    if request.user.has_perm("auth.view_group"):
        items.append(_link("Groups", "group", reverse("admin:auth_group_changelist")))
    if items:
        found.append({"title": "People", "separator": True, "items": items})
    return found


def _strategy(strategy_id: str) -> dict[str, Any]:
    return _link(STRATEGIES[strategy_id].name, "tune", reverse("admin:layer", args=[strategy_id]))


def _link(title: str, icon: str, url: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": url}

"""Help: what each strategy looks at, how it decides, and what every parameter does; all from its declaration."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from strategy_config.admin import forms
from strategy_config.admin.page import Page, facts, show, show_of
from strategy_config.resolution import known_strategies
from strategy_core.market.event_kinds import EVENT_KINDS
from strategy_core.strategies.base import Strategy
from strategy_core.strategies.registry import STRATEGIES


def overview(request: HttpRequest) -> HttpResponse:
    """All strategies, and how values come about."""
    strategies = [{"strategy": facts(strategy.id), "inputs": _inputs(strategy)} for strategy in STRATEGIES.values()]
    return show(request, "help.html", title="Help", strategies=strategies)


def strategy(request: HttpRequest, strategy_id: str) -> HttpResponse:
    """One strategy."""
    declared = known_strategies.strategy_class(strategy_id)
    specs = declared.specs()
    groups = [(title, [spec for spec in specs if spec.group == key]) for key, title in forms.GROUP_TITLES.items()]
    return show_of(
        request,
        "help_strategy.html",
        strategy_id=strategy_id,
        title=f"{declared.name}: how it works",
        trail=(("Help", reverse("admin:help")),),
        strategy=facts(strategy_id),
        inputs=_inputs(declared),
        groups=[(title, found) for title, found in groups if found],
        enabled_variable=declared.enabled_variable(),
        enabled_by_default=declared.enabled_by_default,
    )


def _inputs(declared: type[Strategy]) -> str:  # type: ignore[type-arg]  # whatever its parameters are
    """The market events that it listens to."""
    return ", ".join(kind.words for kind in EVENT_KINDS.every if kind.is_read_by(declared))


PAGES = (Page("help/", "help", overview), Page("help/<str:strategy_id>/", "help_strategy", strategy))

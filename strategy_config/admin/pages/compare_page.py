"""Compare: strategies and their parameters down, symbols across, differences marked."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from strategy_config.admin import heartbeats
from strategy_config.admin.page import Page, all_facts, show
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.selectors import explanations, override_list
from strategy_config.selectors.explanations import ComparedRow
from strategy_core.strategies.registry import STRATEGIES

MOST_SYMBOLS = 12
SYMBOLS_AT_FIRST = 4


def compare(request: HttpRequest) -> HttpResponse:
    """The table of what was chosen; at first what differs on the symbols with the most overrides."""
    now = timezone.now()
    overridden = override_list.overridden_symbols(now)
    strategy_ids = [each for each in STRATEGIES if each in request.GET.getlist("strategy")] or list(STRATEGIES)
    typed = request.GET.get("symbols")
    given = overridden[:SYMBOLS_AT_FIRST] if typed is None else typed.replace(",", " ").split()
    symbols = list(dict.fromkeys(map(normalise_symbol, given)))[:MOST_SYMBOLS]
    parameters = request.GET.getlist("parameter")
    # At first what matters: the rest is one click away.
    only_different = "different" in request.GET if request.GET else bool(symbols)
    rows = explanations.compare(strategy_ids=strategy_ids, symbols=symbols, parameters=parameters, at=now)
    return show(
        request,
        "compare.html",
        title="Compare",
        groups=_groups([row for row in rows if row.differs or not only_different]),
        differing=sum(row.differs for row in rows),
        rows=len(rows),
        symbols=symbols,
        typed=" ".join(symbols),
        suggestions=sorted({*heartbeats.seen_symbols(heartbeats.latest()), *overridden}),
        strategies=all_facts(),
        chosen_strategies=strategy_ids if request.GET.getlist("strategy") else [],
        names=sorted({spec.name for each in strategy_ids for spec in STRATEGIES[each].specs()}),
        chosen_names=parameters,
        only_different=only_different,
        most=MOST_SYMBOLS,
    )


def _groups(rows: list[ComparedRow]) -> list[dict[str, Any]]:
    """The rows by strategy, each with its cells in the order of the symbols."""
    groups: dict[str, dict[str, Any]] = {}
    for row in rows:
        strategy = STRATEGIES[row.strategy_id]
        group = groups.setdefault(row.strategy_id, {"id": row.strategy_id, "name": strategy.name, "rows": []})
        cells = [
            {"symbol": symbol, "value": value, "differs": value != row.value} for symbol, value in row.by_symbol.items()
        ]
        group["rows"].append({"spec": row.spec, "value": row.value, "cells": cells, "differs": row.differs})
    return list(groups.values())


PAGES = (Page("compare/", "compare", compare),)

"""The latest signals: filtered, on the price of their symbol, each with the configuration that decided it."""

from collections import Counter
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from django.http import HttpRequest, HttpResponse

from strategy_config.admin import price_chart, wording
from strategy_config.admin.page import Page, all_facts, polled, show, whole
from strategy_config.admin.price_chart import Chart
from strategy_config.admin.script_shapes import NewsDocument
from strategy_config.admin.urls import layer_url, version_url
from strategy_config.exceptions import InvalidRequestError, RedisUnavailableError
from strategy_config.observed import price_points, recent_signals, runtimes
from strategy_config.observed.recent_signals import Found, RecentSignal, SignalFilter
from strategy_config.resolution import known_strategies, symbols
from strategy_core.strategies.registry import STRATEGIES

ROWS = 100
MORE_ROWS = 1_000
MARKS = 500
MOST_DIGITS = 9
# A replay, and simulated observations of days, are of another time than now.
MUCH_LATER = timedelta(minutes=2)
ACTIONS = ("buy", "sell")
_OWN_COLUMNS = frozenset({"config", "source", "decision", "signal_action"})


def signals(request: HttpRequest) -> HttpResponse:
    """The newest signals that the filter lets through. Without Redis it says so."""
    chosen = _filter(request)
    rows = MORE_ROWS if request.GET.get("all") == "1" else ROWS
    query = {name: value for name, value in request.GET.items() if value and name != "all"}
    common: dict[str, Any] = {
        "title": "Signals",
        "filter": request.GET,
        "filtered_by": " · ".join(map(str, query.values())),
        "query": urlencode(query),
        "strategies": all_facts(),
        "actions": ACTIONS,
        "decided_by": _decided_by(chosen),
    }
    try:
        found = recent_signals.find(chosen, limit=max(rows, MARKS))
        heartbeats = runtimes.live_runtimes()
        symbol = chosen.symbol or next(iter(symbol for symbol, _ in found.symbols.most_common(1)), None)
        is_simulated = any(beat.market_source == "simulated" for beat in heartbeats)
        chart = None if symbol is None else _chart(symbol, found, is_simulated=is_simulated)
    except RedisUnavailableError:
        return show(request, "signals.html", is_away=True, **common)
    return show(
        request,
        "signals.html",
        found=found,
        lines=[_line(signal) for signal in found.signals[:rows]],
        has_more=found.matching > rows and rows < MORE_ROWS,
        counts=Counter(signal.action for signal in found.signals),
        chart=chart,
        symbols=sorted(found.symbols),
        newest=found.signals[0] if found.signals else None,
        has_runtime=bool(heartbeats),
        **common,
    )


def news(request: HttpRequest) -> HttpResponse:
    """How many signals the filter lets through since the one that the page shows on top."""
    try:
        found = recent_signals.find(_filter(request), limit=MORE_ROWS)
    except RedisUnavailableError:
        return polled(NewsDocument(count=None))
    after = request.GET.get("after", "")
    ids = [signal.id for signal in found.signals]
    return polled(NewsDocument(count=ids.index(after) if after in ids else len(ids)))


def _filter(request: HttpRequest) -> SignalFilter:
    """What the form says; raises InvalidRequestError, InvalidSymbolError."""
    given = request.GET
    symbol = given.get("symbol", "").strip()
    return SignalFilter(
        strategy_id=given.get("strategy") or None,
        symbol=symbols.normalise_symbol(symbol) if symbol else None,
        action=given.get("action") or None,
        global_version=_version(given.get("global_version", ""), "version for all symbols"),
        symbol_version=_version(given.get("symbol_version", ""), "version of the symbol"),
    )


def _version(text: str, field: str) -> int | None:
    if not text.strip():
        return None
    version = whole(text, MOST_DIGITS)
    if version is None:
        raise InvalidRequestError(
            f"The {field} must be a whole number such as 14; 0 means before the first change.", field=field
        )
    return version


def _decided_by(chosen: SignalFilter) -> list[dict[str, str]]:
    """The versions that the filter names, with the way to what each changed."""
    strategy_id = chosen.strategy_id
    if strategy_id is None or strategy_id not in STRATEGIES:
        return []
    layers: list[tuple[str | None, int | None]] = [(None, chosen.global_version)]
    if chosen.symbol is not None:
        layers.append((chosen.symbol, chosen.symbol_version))
    return [
        {
            "words": f"version {version} of {wording.layer_name(strategy_id, symbol)}"
            + ("" if symbol else " for all symbols"),
            "url": version_url("diff", strategy_id, symbol, version),
        }
        for symbol, version in layers
        if version
    ]


def _chart(symbol: str, found: Found, *, is_simulated: bool) -> Chart | None:
    own = [signal for signal in found.signals if signal.symbol == symbol]
    return price_chart.draw(symbol, price_points.read(symbol), own, is_simulated=is_simulated)


def _line(signal: RecentSignal) -> dict[str, Any]:
    """A row: a strategy that the code no longer has is named by its id, and has no pages."""
    versions = (None, signal.config.global_version), (signal.symbol, signal.config.symbol_version)
    links = {
        "layer_url": layer_url(signal.strategy_id, signal.symbol),
        "global_url": version_url("diff", signal.strategy_id, *versions[0]),
        "symbol_url": version_url("diff", signal.strategy_id, *versions[1]),
    }
    metadata = msgspec.json.decode(signal.payload)["metadata"]
    return {
        "signal": signal,
        "strategy": known_strategies.strategy_name(signal.strategy_id),
        "is_of_another_time": abs(signal.told_at - signal.at) > MUCH_LATER,
        "price": f"{signal.price:,.8g}",
        "confidence": f"{signal.confidence:.2f}",
        "decision": metadata.get("decision", ""),
        "numbers": [(name, _shown(value)) for name, value in metadata.items() if name not in _OWN_COLUMNS],
        **(links if known_strategies.is_known(signal.strategy_id) else {}),
    }


def _shown(value: Any) -> str:
    """A deciding number as short as it can be read; the API has every digit."""
    return f"{value:,.6g}" if isinstance(value, float) else wording.shown(value)


PAGES = (Page("signals/", "signals", signals), Page("signals/news.json", "signals_news", news))

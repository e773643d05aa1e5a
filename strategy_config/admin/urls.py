"""The URLs of pages, for pages and templates alike."""

from typing import Any, Literal
from urllib.parse import urlencode

from django.urls import reverse

from strategy_config.selectors.history import HistoryFilter


def layer_url(strategy_id: str, symbol: str | None = None) -> str:
    """The page of a layer."""
    return _of_layer("layer", strategy_id, symbol)


def switch_url(strategy_id: str, symbol: str | None = None) -> str:
    """The page of a kill switch."""
    return _of_layer("switch", strategy_id, symbol)


def history_url(strategy_id: str, symbol: str | None = None) -> str:
    """The history of one layer."""
    query = urlencode({"strategy": strategy_id, "symbol": symbol or HistoryFilter.GLOBAL})
    return f"{reverse('admin:history')}?{query}"


def version_url(name: Literal["diff", "rollback"], strategy_id: str, symbol: str | None, version: int) -> str:
    """The diff of a version of a layer against the one before it, or the rollback to it."""
    query = f"{'new' if name == 'diff' else 'version'}={version}"
    return f"{_of_layer(name, strategy_id, symbol)}?{query}"


def signals_url(strategy_id: str, symbol: str | None = None, version: int | None = None) -> str:
    """The signals of a layer, or those that were decided under one version of it."""
    query: dict[str, Any] = {"strategy": strategy_id}
    if symbol:
        query["symbol"] = symbol
    if version is not None:
        query["symbol_version" if symbol else "global_version"] = version
    return f"{reverse('admin:signals')}?{urlencode(query)}"


def _of_layer(name: str, strategy_id: str, symbol: str | None) -> str:
    if symbol:
        return reverse(f"admin:symbol_{name}", args=[strategy_id, symbol])
    return reverse(f"admin:{name}", args=[strategy_id])

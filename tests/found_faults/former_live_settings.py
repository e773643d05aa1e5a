"""The settings of the live feed as the scripts read them."""

from collections.abc import Mapping
from types import SimpleNamespace

from realtime_runtime.feeds.live import live_settings


def read(environ: Mapping[str, str]) -> SimpleNamespace:
    """With the symbols beside the sources; today they are among the feed's own settings."""
    settings = live_settings.read(environ)
    return SimpleNamespace(binance=settings.binance, symbols=settings.feed.symbols)

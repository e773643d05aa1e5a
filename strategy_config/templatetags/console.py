"""What the console's templates need beyond Django's own tags."""

import re
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from strategy_config.admin import history_page, signals_page, wording
from strategy_config.admin.kill_switch import switch_url
from strategy_config.admin.layer_page import layer_url
from strategy_config.resolution import resolution
from strategy_core.strategies.registry import STRATEGIES

register = template.Library()
register.filter("shown", wording.shown)
register.filter("listed", wording.listed)
register.filter("row_sentence", wording.row_sentence)
register.filter("change_size", wording.change_size)
register.filter("strategy_name", resolution.strategy_name)
register.simple_tag(layer_url, name="layer_url")
register.simple_tag(switch_url, name="switch_url")
register.simple_tag(history_page.history_url, name="history_url")
register.simple_tag(signals_page.signals_url, name="signals_url")


@register.simple_tag
def version_url(name: str, strategy_id: str, symbol: str | None, version: int) -> str:
    """The page ``name`` ("diff" or "rollback") of a version of a layer."""
    return history_page.version_url(name, strategy_id, symbol, version)


@register.simple_tag
def unit(strategy_id: str, parameter: str) -> str:
    """The unit of a parameter; "" where it has none."""
    declared = STRATEGIES.get(strategy_id)
    specs = () if declared is None else declared.specs()
    return next((spec.unit for spec in specs if spec.name == parameter), "")


@register.filter
def breakable(name: str) -> SafeString:
    """A name of several words, which may be broken after each of its underscores and nowhere else."""
    return format_html_join(SafeString("<wbr>"), "{}", ((part,) for part in re.findall("[^_]*_|[^_]+", name)))


@register.filter
def thousands(number: int) -> str:
    """ "4,211"."""
    return f"{number:,}"


_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


@register.filter
def when(instant: datetime | str | None) -> SafeString | str:
    """A relative time that keeps itself current, with the exact instant in UTC on hover."""
    at = parse_datetime(instant) if isinstance(instant, str) else instant
    if at is None:
        return "never"
    exact = at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"
    return format_html(
        '<time class="when" datetime="{}" title="{}">{}</time>', at.isoformat(), exact, relative(at, timezone.now())
    )


def relative(at: datetime, now: datetime) -> str:
    """ "now", "3 min ago", "in 3 h 58 min". times.js says it in the same words.

    What is past is rounded down. What lies ahead is told in two units: "in 3 h" would cut a promised 4 h short.
    """
    seconds = (now - at).total_seconds()
    if abs(seconds) < 1:
        return "now"
    if seconds < 0:
        return f"in {_ahead(-seconds)}"
    amount = next((f"{seconds // size:.0f} {unit}" for unit, size in _UNITS if seconds >= size), f"{seconds:.0f} s")
    return f"{amount} ago"


def _ahead(seconds: float) -> str:
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    days, hours = divmod(hours, 24)
    amounts = [(days, "d"), (hours, "h"), (minutes, "min")]
    while not amounts[0][0]:
        amounts.pop(0)
    return " ".join(f"{amount} {unit}" for amount, unit in amounts[:2] if amount)

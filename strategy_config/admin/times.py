"""Instants for people: relative, with the exact one in UTC on hover. times.js keeps them current in the same words.

``humanize.naturaltime`` would say "4 hours, 3 minutes from now", and the script would need its words a second time.
"""

from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def when(instant: datetime | str | None) -> SafeString | str:
    """A relative time that keeps itself current; "never" for None."""
    at = parse_datetime(instant) if isinstance(instant, str) else instant
    if at is None:
        return "never"
    exact = at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"
    return format_html(
        '<time class="when" datetime="{}" title="{}">{}</time>', at.isoformat(), exact, relative(at, timezone.now())
    )


def relative(at: datetime, now: datetime) -> str:
    """ "now", "3 min ago", "in 3 h 58 min".

    The past is rounded down. The future has two units: "in 3 h" would cut a promised 4 h short.
    """
    seconds = (now - at).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"in {_ahead(-seconds)}" if seconds < 0 else ago(seconds)


def ago(seconds: float) -> str:
    """ "40 s ago", "3 min ago"."""
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

"""Layers, values, changes and progress in words that a second person could read aloud. Never reads the database."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from service_kit.names import listed
from strategy_config.observed.runtimes import ChangeProgress
from strategy_config.resolution import known_strategies
from strategy_config.resolution.differences import ParameterChange

# Of the digest of a token, enough to tell two apart; exports and the API have all of it.
DIGEST_SHOWN = 12
NO_DIFFERENCE = "no difference"


def layer_name(strategy_id: str, symbol: str | None) -> str:
    """ "Order Book Skew", "Order Book Skew on BTCUSDT"; a strategy that the code no longer has goes by its id."""
    name = known_strategies.strategy_name(strategy_id)
    return f"{name} on {symbol}" if symbol else name


def counted(count: int, noun: str) -> str:
    """ "1 change", "1,204 changes"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shown(value: Any) -> str:
    """A parameter's value for people: every digit, no exponent, no trailing zeros; "not set" for None."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(item) for item in value)
    return str(value)


def change_size(change: ParameterChange) -> str:
    """How far a number moves: "+12.5 %; 7.5 % of the range"; "" for anything but a number."""
    if change.percent_of_range is None:
        return ""
    of_range = f"{change.percent_of_range:.3g} % of the range"
    if not change.old:
        return of_range
    return f"{(change.new - change.old) / abs(change.old) * 100:+.3g} %; {of_range}"


def change_sentence(change: ParameterChange, symbol: str | None, kept: Mapping[str, Any]) -> str:
    """ "buy_threshold 1.2 → 1.35 (+12.5 %; 7.5 % of the range) for all symbols but BTCUSDT, which keeps 1.5"."""
    size = change_size(change)
    moved = f"{change.parameter} {shown(change.old)} → {shown(change.new)}" + (f" ({size})" if size else "")
    if symbol is not None:
        return f"{moved} for {symbol}"
    if not kept:
        return f"{moved} for all symbols"
    if len(kept) == 1:
        only, value = next(iter(kept.items()))
        return f"{moved} for all symbols but {only}, which keeps {shown(value)}"
    keeping = listed(f"{name} ({shown(value)})" for name, value in kept.items())
    return f"{moved} for all symbols but {keeping}, which keep their own values"


def expiry_sentence(symbol: str, old: datetime | None, new: datetime | None) -> str:
    """ "The own values of BTCUSDT apply until 2030-01-31 12:00 UTC (so far: no expiry), then …"."""
    if new is None:
        return f"The own values of {symbol} apply until somebody changes them (so far: until {exact(old)})"
    so_far = f"until {exact(old)}" if old else "no expiry"
    return f"The own values of {symbol} apply until {exact(new)} (so far: {so_far}), then the inherited values apply"


def dropped_expiry_sentence(symbol: str, old: datetime) -> str:
    """What becomes of the expiry when the last of the symbol's own values is removed."""
    return f"{symbol} would have no own values left, so nothing would be left to expire (so far: until {exact(old)})"


def exact(instant: datetime | None) -> str:
    """ "2030-01-31 12:00 UTC", no finer than necessary; "no expiry" for None."""
    if instant is None:
        return "no expiry"
    at = instant.astimezone(UTC).replace(tzinfo=None)
    text = at.isoformat(" ", timespec="milliseconds" if at.microsecond else "seconds" if at.second else "minutes")
    return f"{text} UTC"


def row_sentence(changes: Iterable[Mapping[str, Any]]) -> str:
    """The changes of a row of history: "buy_threshold 1.2 → 1.35, top_levels not set → 7"; "" for none."""
    return ", ".join(f"{each['parameter']} {_told(each, 'old')} → {_told(each, 'new')}" for each in changes)


def _told(change: Mapping[str, Any], side: Literal["old", "new"]) -> str:
    value = change[side]
    if change["parameter"] == "expires_at":
        return exact(None if value is None else datetime.fromisoformat(value))
    if change["parameter"] == "digest" and value is not None:
        return f"{value[:DIGEST_SHOWN]}…"
    return shown(value)


def progress_sentence(progress: ChangeProgress | None) -> str:
    """How far a stored change has come, never better than it is. None: Redis is unreachable."""
    if progress is None:
        return "Stored, not yet applied: Redis is unreachable. The runtimes keep the previous values."
    if not progress.is_published:
        return "Stored, not yet applied: it has not been published to the runtimes yet."
    every = progress.runtimes
    if not every:
        return "Stored and published. No runtime is running to apply it."
    applied = [each for each in every if each.state == "applied"]
    counted = f"Applied by {len(applied)} of {len(every)}"
    if len(applied) == len(every):
        latencies = [each.latency_ms for each in applied if each.latency_ms is not None]
        return f"{counted} in {max(latencies):.3g} ms" if latencies else f"{counted} runtimes"
    rejected = [f"{each.instance_id} rejected it: {each.error}" for each in every if each.state == "rejected"]
    waiting = [
        f"{each.instance_id} has not answered (last seen {each.silent_seconds:.0f} s ago)"
        for each in every
        if each.state == "waiting"
    ]
    return "; ".join([counted, *rejected, *waiting])

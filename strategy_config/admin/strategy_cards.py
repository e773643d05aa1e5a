"""A strategy on the dashboard, and the lines about it that its own page shows, too."""

from collections.abc import Sequence

from service_kit.names import listed
from strategy_config.admin import heartbeats as beats
from strategy_config.admin import script_shapes, wording
from strategy_config.admin.heartbeats import Heartbeats
from strategy_config.models import Halt
from strategy_config.observed import signal_rates
from strategy_config.observed.signal_rates import Rates
from strategy_config.resolution import instants
from strategy_config.selectors.overviews import LastChange, StrategyOverview

NAMED = 3


def card(
    overview: StrategyOverview, heartbeats: Heartbeats, rates: Rates | None, halts: Sequence[Halt] = ()
) -> script_shapes.StrategyCard:
    """A strategy's card."""
    is_halted = any(not row.symbol and row.strategy_id in {"", overview.strategy_id} for row in halts)
    return {
        "id": overview.strategy_id,
        "name": overview.name,
        "is_enabled": overview.is_enabled,
        "is_in_code": overview.is_in_code,
        "is_running": overview.is_enabled and not is_halted,
        "state": "Halted" if is_halted else "On" if overview.is_enabled else "Off",
        "scope": scope(overview, heartbeats),
        "origin": origin(overview),
        "version": overview.version,
        "changed": None if overview.last_change is None else _last_change(overview.last_change),
        "buys": [] if rates is None else rates.buys,
        "sells": [] if rates is None else rates.sells,
        "signals": "unknown" if heartbeats is None else _signals(rates),
    }


def scope(overview: StrategyOverview, heartbeats: Heartbeats) -> str:
    """For which symbols it is on: "for 6 symbols", "for 5 of 6 symbols, off for BTCUSDT".

    A symbol that is switched off and that no runtime trades is counted as neither.
    """
    if not overview.is_enabled:
        return "for all symbols"
    seen = set(beats.seen_symbols(heartbeats))
    if not seen:
        off = overview.switched_off
        return f"for all symbols except {listed(off, NAMED)}" if off else "for all symbols"
    off = tuple(symbol for symbol in overview.switched_off if symbol in seen)
    idle = tuple(symbol for symbol in overview.switched_off if symbol not in seen)
    on = len(seen) - len(off)
    if off:
        counted = f"for {on} of {len(seen)} symbols, off for {listed(off, NAMED)}"
    else:
        counted = f"for {wording.counted(on, 'symbol')}"
    return f"{counted} · off and not traded: {listed(idle, NAMED)}" if idle else counted


def origin(overview: StrategyOverview) -> str:
    """Where its parameters come from: "2 own values of 9 · 1 from the environment · 3 overrides"."""
    overrides = wording.counted(len(overview.overridden), "override")
    if not overview.is_in_code:
        return f"No longer in the code · {wording.counted(overview.own_count, 'stored value')} · {overrides}"
    own = f"{wording.counted(overview.own_count, 'own value')} of {overview.parameter_count}"
    parts = [own if overview.own_count else f"all {overview.parameter_count} values inherited"]
    if overview.environment_count:
        parts.append(f"{overview.environment_count} from the environment")
    if overview.overridden:
        parts.append(overrides)
    return " · ".join(parts)


def _last_change(change: LastChange) -> script_shapes.LastChange:
    return {
        "at": instants.iso(change.at),
        "by": change.changed_by,
        "reason": change.reason,
        "symbol": change.symbol,
        "version": change.version,
    }


def _signals(rates: Rates | None) -> str:
    if rates is None:
        return f"no signals in {signal_rates.MINUTES} min"
    buys, sells = sum(rates.buys), sum(rates.sells)
    return f"▲ {buys} buy · ▼ {sells} sell in {signal_rates.MINUTES} min"

"""The one small document that live parts of pages poll: what runs now, in facts and in the words that pages show."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from django.utils import timezone

from strategy_config.admin import wording
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import audit_rows, halt_rows
from strategy_config.models import ConfigAudit, Halt
from strategy_config.observed import runtimes, signal_rates
from strategy_config.observed.signal_rates import Rates
from strategy_config.redis import redis_client
from strategy_config.resolution import resolution
from strategy_config.selectors import misfits, overviews, selectors
from strategy_config.selectors.overviews import StrategyOverview
from strategy_core.configuration import wire

SILENT_SECONDS = 12.0
CHANGES_SHOWN = 10
FeedKind = Literal["live", "simulated", "replay", "quiet", "silent", "none", "unknown"]


@dataclass(frozen=True, slots=True)
class Feed:
    """What the runtimes trade on, for the top of every page."""

    kind: FeedKind
    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the surroundings: ``state`` ok, warning or bad, and a line of words."""

    name: str
    state: Literal["ok", "warning", "bad"]
    text: str


def feed_now() -> Feed:
    """The feed as the runtimes' heartbeats tell it."""
    try:
        return feed_of(runtimes.live_runtimes(), timezone.now())
    except redis_client.SharedCacheUnavailableError:
        return _feed_unknown()


def feed_of(heartbeats: Sequence[wire.Heartbeat], at: datetime) -> Feed:
    """The feed of these runtimes: what is least like a live market is told first."""
    if not heartbeats:
        return Feed("none", "No runtime", f"No runtime has been seen for {wire.HEARTBEAT_TTL_SECONDS} s.")
    silence = min(runtimes.silent_seconds(beat, at) for beat in heartbeats)
    if silence > SILENT_SECONDS:
        return Feed("silent", "Runtime silent", f"No runtime seen for {silence:.0f} s.")
    sources = {beat.market_source for beat in heartbeats}
    if "simulated" in sources:
        return Feed("simulated", "Simulated feed", "The market data is made up: no signal here means anything.")
    if "replay" in sources:
        return Feed("replay", "Replayed feed", "The market data was recorded earlier.")
    if "live" in sources:
        return Feed("live", "Live feed", "The market data comes from the exchange.")
    return Feed("quiet", "No market data", "The runtimes are up, and no market data has reached them yet.")


def document(at: datetime) -> dict[str, Any]:
    """Everything that moves, as JSON types. What cannot be read is said to be unknown, never guessed."""
    try:
        heartbeats: list[wire.Heartbeat] | None = runtimes.live_runtimes()
        rates = signal_rates.signal_rates(int(at.timestamp() * 1000))
        published = redis_client.run(lambda client: client.get(redis_client.keys().sequence))
    except redis_client.SharedCacheUnavailableError:
        heartbeats, rates, published = None, {}, None
    try:
        sequence: int | None = selectors.last_sequence()
        halts = selectors.open_halts()
        cards = [
            card(each, heartbeats, rates.get(each.strategy_id), halts) for each in overviews.strategy_overviews(at)
        ]
        changes = [change_line(row) for row in overviews.last_changes(CHANGES_SHOWN)]
    except StoreUnavailableError:
        sequence, halts, cards, changes = None, (), [], []
    feed = _feed_unknown() if heartbeats is None else feed_of(heartbeats, at)
    published_sequence = None if published is None else int(published)
    trading = None if heartbeats is None else [beat for beat in heartbeats if not beat.standby]
    current = _current(trading or (), sequence, at)
    return {
        "at": resolution.iso(at),
        "feed": asdict(feed),
        "answer": _halted(halts) + _answer(cards, trading, sequence, current),
        "parts": [asdict(part) for part in (*_parts(sequence, heartbeats, published_sequence), *_values_part())],
        "runtimes": [_runtime(beat, sequence, current, at) for beat in heartbeats or ()],
        "runtimes_text": feed.detail if feed.kind in {"none", "silent", "unknown"} else "",
        "strategies": cards,
        "changes": changes,
    }


def card(
    overview: StrategyOverview,
    heartbeats: Sequence[wire.Heartbeat] | None,
    rates: Rates | None,
    halts: Sequence[Halt] = (),
) -> dict[str, Any]:
    """A strategy's card: the facts, and the line that says what holds."""
    change = overview.last_change
    is_halted = any(not row.symbol and row.strategy_id in {"", overview.strategy_id} for row in halts)
    return {
        "id": overview.strategy_id,
        "is_enabled": overview.is_enabled,
        "is_in_code": overview.is_in_code,
        "is_running": overview.is_enabled and not is_halted,
        "state": "Halted" if is_halted else "On" if overview.is_enabled else "Off",
        "scope": scope(overview, heartbeats),
        "origin": origin(overview),
        "version": overview.version,
        "changed": None
        if change is None
        else {
            "at": resolution.iso(change.at),
            "by": change.changed_by,
            "reason": change.reason,
            "symbol": change.symbol,
            "version": change.version,
        },
        "buys": [] if rates is None else rates.buys,
        "sells": [] if rates is None else rates.sells,
        "signals": "unknown" if heartbeats is None else _signals(rates),
    }


def scope(overview: StrategyOverview, heartbeats: Sequence[wire.Heartbeat] | None) -> str:
    """For which symbols it is on: "for 6 symbols", "for 5 of 6 symbols, off for BTCUSDT".

    What is switched off and no runtime trades is counted as neither.
    """
    if not overview.is_enabled:
        return "for all symbols"
    seen = {symbol for beat in heartbeats or () for symbol in beat.symbols}
    if not seen:
        off = overview.switched_off
        return f"for all symbols but {_few(off)}" if off else "for all symbols"
    off = tuple(symbol for symbol in overview.switched_off if symbol in seen)
    idle = tuple(symbol for symbol in overview.switched_off if symbol not in seen)
    on = len(seen) - len(off)
    counted = f"for {on} of {len(seen)} symbols, off for {_few(off)}" if off else f"for {on} symbol{'s' * (on != 1)}"
    return f"{counted} · off and not traded: {_few(idle)}" if idle else counted


def is_unseen(symbol: str, heartbeats: Sequence[wire.Heartbeat] | None) -> bool:
    """Whether the runtimes have seen symbols, but never this one. Where nobody knows it is not said."""
    seen = {each for beat in heartbeats or () for each in beat.symbols}
    return bool(seen) and symbol not in seen


def _few(symbols: Sequence[str]) -> str:
    return ", ".join(symbols[:3]) + (f" and {len(symbols) - 3} more" if len(symbols) > 3 else "")


def origin(overview: StrategyOverview) -> str:
    """What its parameters come from: "2 own values of 9 · 1 from the environment · 3 overrides"."""
    if not overview.is_in_code:
        return f"No longer in the code · {overview.own_count} stored values · {len(overview.overridden)} overrides"
    own = f"{overview.own_count} own value{'' if overview.own_count == 1 else 's'} of {overview.parameter_count}"
    parts = [own if overview.own_count else f"all {overview.parameter_count} values inherited"]
    if overview.environment_count:
        parts.append(f"{overview.environment_count} from the environment")
    if overview.overridden:
        parts.append(f"{len(overview.overridden)} override{'' if len(overview.overridden) == 1 else 's'}")
    return " · ".join(parts)


def _signals(rates: Rates | None) -> str:
    if rates is None:
        return f"no signal in {signal_rates.MINUTES} min"
    buys, sells = sum(rates.buys), sum(rates.sells)
    return f"▲ {buys} buy · ▼ {sells} sell in {signal_rates.MINUTES} min"


def change_line(row: ConfigAudit) -> dict[str, Any]:
    """A row of history for ``components/changes.html``."""
    return {
        "sequence": row.sequence,
        "at": resolution.iso(row.changed_at),
        "action": row.action,
        "strategy_id": row.strategy_id,
        "symbol": row.symbol or None,
        "where": _where(row),
        "version": row.version,
        "by": row.changed_by,
        "reason": row.reason,
        "words": wording.row_sentence(row.changes) or "nothing differs",
    }


def _where(row: ConfigAudit) -> str:
    if row.object_kind is not None:
        return str(halt_rows.recorded_scope(row)) if halt_rows.is_halt(row) else audit_rows.row_name(row)
    return resolution.strategy_name(row.strategy_id) + (f" on {row.symbol}" if row.symbol else "")


def _current(heartbeats: Sequence[wire.Heartbeat], sequence: int | None, at: datetime) -> set[str]:
    """The runtimes that have applied the last change: a heartbeat is seconds old, an answer to the change is not."""
    if sequence is None:
        return set()
    current = {beat.instance_id for beat in heartbeats if beat.sequence >= sequence}
    if len(current) < len(heartbeats):
        try:
            every = runtimes.progress(sequence, at).runtimes
        except redis_client.SharedCacheUnavailableError:
            return current
        current |= {each.instance_id for each in every if each.state == "applied"}
    return current


def _runtime(beat: wire.Heartbeat, sequence: int | None, current: set[str], at: datetime) -> dict[str, Any]:
    reached = max(beat.sequence, sequence or 0) if beat.instance_id in current else beat.sequence
    behind = None if sequence is None else max(0, sequence - reached)
    return {
        "instance_id": beat.instance_id,
        "applied": ("standby · " if beat.standby else "")
        + (f"change {reached:,}" if reached else "nothing yet")
        + (f", {behind:,} behind" if behind else "")
        + (f", {beat.refused:,} refused" if beat.refused else ""),
        "rate": f"{beat.messages_per_second:,.0f}",
        "lag": f"{beat.lag_ms:.3g} ms",
        "symbols": len(beat.symbols),
        "errors": f"{beat.errors:,}",
        "dropped": f"{beat.dropped:,}",
        "seen": f"{runtimes.silent_seconds(beat, at):.0f} s ago",
    }


def _answer(
    cards: Sequence[Mapping[str, Any]],
    heartbeats: Sequence[wire.Heartbeat] | None,
    sequence: int | None,
    current: set[str],
) -> str:
    """What is true now, in one line."""
    if sequence is None:
        return "The store cannot be reached: nothing can be changed now, and nothing here is current."
    cards, gone = [c for c in cards if c["is_in_code"]], [c for c in cards if not c["is_in_code"] and c["is_enabled"]]
    on = sum(card["is_running"] for card in cards)
    off = [resolution.strategy_name(card["id"]) for card in cards if not card["is_running"]]
    parts = [f"{on} of {len(cards)} strategies on" + (f", off: {_few(off)}" if off and on else "")]
    if gone:
        parts.append(f"no longer in the code and not switched off: {_few([card['id'] for card in gone])}")
    if heartbeats is None:
        parts.append("what the runtimes do is unknown")
    elif not heartbeats:
        parts.append("no runtime trades on them")
    else:
        what = f"change {sequence:,} applied" if sequence else "no change yet, known"
        parts.append(f"{what} by {len(current)} of {len(heartbeats)} runtimes")
        parts.append(f"{sum(beat.messages_per_second for beat in heartbeats):,.0f} messages/s")
    return " · ".join(parts)


def _halted(halts: Sequence[Halt]) -> str:
    """What is halted, by whom and why, before everything else; "" where nothing is."""
    if not halts:
        return ""
    last = halts[-1]
    others = f" and {len(halts) - 1} more" if len(halts) > 1 else ""
    why = f": “{last.reason}”" if last.reason else ""
    return f"HALTED: {halt_rows.scope_of(last)}, by {last.by}{why}{others} · "


def _parts(
    sequence: int | None, heartbeats: Sequence[wire.Heartbeat] | None, published: int | None
) -> tuple[Part, Part, Part]:
    return _store_part(sequence), _redis_part(sequence, heartbeats, published), _nats_part(heartbeats)


def _values_part() -> tuple[Part, ...]:
    """Said only where something is wrong with them."""
    try:
        count = misfits.current().refused_count
    except StoreUnavailableError:
        return ()
    return (Part("Values", "bad", f"{count:,} set that do not fit and are not in force"),) if count else ()


def _store_part(sequence: int | None) -> Part:
    if sequence is None:
        return Part("Store", "bad", "cannot be reached: nothing can be changed now")
    return Part("Store", "ok", f"{resolution.store_kind()}, {sequence:,} changes")


def _redis_part(sequence: int | None, heartbeats: Sequence[wire.Heartbeat] | None, published: int | None) -> Part:
    if heartbeats is None:
        return Part("Redis", "bad", "cannot be reached: the runtimes go on with what they have")
    if sequence is None or published is None:
        return Part("Redis", "warning", "answers; nothing has been published" if published is None else "answers")
    if published < sequence:
        return Part("Redis", "warning", f"{sequence - published:,} changes are not published yet")
    return Part("Redis", "ok", "everything is published")


def _nats_part(heartbeats: Sequence[wire.Heartbeat] | None) -> Part:
    if not heartbeats:
        return Part("NATS", "warning", "unknown: no runtime tells of it")
    rate = sum(beat.messages_per_second for beat in heartbeats)
    if not rate:
        return Part("NATS", "warning", "no market data reaches the runtimes")
    return Part("NATS", "ok", f"{rate:,.0f} messages/s reach the runtimes")


def _feed_unknown() -> Feed:
    return Feed("unknown", "Runtimes unknown", "Redis cannot be reached, so nobody knows what the runtimes do.")

"""The small document that every page polls: what is true now, in facts and in the words that pages show."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from service_kit.names import listed
from strategy_config.admin import heartbeats as beats
from strategy_config.admin import script_shapes, strategy_cards, wording
from strategy_config.admin.heartbeats import Feed, Heartbeats
from strategy_config.admin.script_shapes import Part, StrategyCard
from strategy_config.admin.strategy_cards import NAMED
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.history import audit_rows, halt_rows, positions
from strategy_config.models import ConfigAudit, Halt
from strategy_config.observed import runtimes, signal_rates
from strategy_config.redis import redis_client
from strategy_config.resolution import instants, layer_configs
from strategy_config.selectors import history, known_halts, misfits, overviews
from strategy_core.configuration import runtime_reports

CHANGES_SHOWN = 10


def document(at: datetime) -> script_shapes.PollDocument:
    """Everything that moves. What cannot be read is reported as unknown, never guessed."""
    try:
        heartbeats: Heartbeats = runtimes.live_runtimes()
        rates = signal_rates.signal_rates(int(at.timestamp() * 1000))
        published = redis_client.run(lambda client: client.get(redis_client.keys().sequence))
    except RedisUnavailableError:
        heartbeats, rates, published = None, {}, None
    try:
        sequence: int | None = positions.last_sequence()
        halts = known_halts.open_halts()
        cards = [
            strategy_cards.card(each, heartbeats, rates.get(each.strategy_id), halts)
            for each in overviews.strategy_overviews(at)
        ]
        changes = [change_line(row) for row in history.last_changes(CHANGES_SHOWN)]
    except StoreUnavailableError:
        sequence, halts, cards, changes = None, (), [], []
    feed = beats.feed_of(heartbeats, at)
    published_sequence = None if published is None else int(published)
    trading = None if heartbeats is None else [beat for beat in heartbeats if not beat.standby]
    current = _current(trading or (), sequence, at)
    return {
        "at": instants.iso(at),
        "feed": _feed(feed),
        "answer": _halted(halts) + _answer(cards, trading, sequence, current),
        "parts": [*_parts(sequence, heartbeats, published_sequence), *_values_part()],
        "runtimes": [_runtime(beat, sequence, current, at) for beat in heartbeats or ()],
        "runtimes_text": feed.detail if feed.kind in {"none", "silent", "unknown"} else "",
        "strategies": cards,
        "changes": changes,
    }


def change_line(row: ConfigAudit) -> script_shapes.ChangeLine:
    """A row of history for ``components/changes.html``."""
    return {
        "sequence": row.sequence,
        "at": instants.iso(row.changed_at),
        "action": row.action,
        "strategy_id": row.strategy_id,
        "symbol": row.symbol or None,
        "where": _where(row),
        "version": row.version,
        "by": row.changed_by,
        "reason": row.reason,
        "words": wording.row_sentence(row.changes) or wording.NO_DIFFERENCE,
    }


def _feed(feed: Feed) -> script_shapes.FeedShape:
    return {"kind": feed.kind, "text": feed.text, "detail": feed.detail}


def _where(row: ConfigAudit) -> str:
    if row.object_kind is not None:
        return str(halt_rows.recorded_scope(row)) if halt_rows.is_halt(row) else audit_rows.row_name(row)
    return wording.layer_name(row.strategy_id, row.symbol)


def _current(heartbeats: Sequence[runtime_reports.Heartbeat], sequence: int | None, at: datetime) -> set[str]:
    """The runtimes that have applied the last change: a heartbeat is seconds old, an answer to the change is not."""
    if sequence is None:
        return set()
    current = {beat.instance_id for beat in heartbeats if beat.sequence >= sequence}
    if len(current) < len(heartbeats):
        try:
            every = runtimes.progress(sequence, at).runtimes
        except RedisUnavailableError:
            return current
        current |= {each.instance_id for each in every if each.state == "applied"}
    return current


def _runtime(
    beat: runtime_reports.Heartbeat, sequence: int | None, current: set[str], at: datetime
) -> script_shapes.RuntimeRow:
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
    cards: Sequence[StrategyCard],
    heartbeats: Sequence[runtime_reports.Heartbeat] | None,
    sequence: int | None,
    current: set[str],
) -> str:
    """What is true now, in one line."""
    if sequence is None:
        return "The database is unreachable: nothing can be changed now, and nothing shown here is current."
    cards, gone = [c for c in cards if c["is_in_code"]], [c for c in cards if not c["is_in_code"] and c["is_enabled"]]
    on = sum(card["is_running"] for card in cards)
    off = [card["name"] for card in cards if not card["is_running"]]
    parts = [f"{on} of {len(cards)} strategies on" + (f", off: {listed(off, NAMED)}" if off and on else "")]
    if gone:
        ids = listed([card["id"] for card in gone], NAMED)
        parts.append(f"no longer in the code and not switched off: {ids}")
    if heartbeats is None:
        parts.append("the state of the runtimes is unknown")
    elif not heartbeats:
        parts.append("no runtime is trading them")
    else:
        what = f"change {sequence:,} applied" if sequence else "no changes yet, as confirmed"
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


def _parts(sequence: int | None, heartbeats: Heartbeats, published: int | None) -> tuple[Part, Part, Part]:
    return _database_part(sequence), _redis_part(sequence, heartbeats, published), _nats_part(heartbeats)


def _values_part() -> tuple[Part, ...]:
    """Only where something is wrong with the stored values."""
    try:
        count = misfits.current().refused_count
    except StoreUnavailableError:
        return ()
    return (_part("Values", "bad", f"{count:,} stored but invalid, so not in force"),) if count else ()


def _database_part(sequence: int | None) -> Part:
    if sequence is None:
        return _part("Database", "bad", "unreachable: nothing can be changed now")
    return _part("Database", "ok", f"{layer_configs.store_kind()}, {wording.counted(sequence, 'change')}")


def _redis_part(sequence: int | None, heartbeats: Heartbeats, published: int | None) -> Part:
    if heartbeats is None:
        return _part("Redis", "bad", "unreachable: the runtimes keep the configuration that they have")
    if published is None:
        return _part("Redis", "warning", "reachable; nothing has been published")
    if sequence is None:
        return _part("Redis", "warning", "reachable")
    if published < sequence:
        return _part("Redis", "warning", f"{wording.counted(sequence - published, 'change')} not published yet")
    return _part("Redis", "ok", "all changes published")


def _nats_part(heartbeats: Heartbeats) -> Part:
    if not heartbeats:
        return _part("NATS", "warning", "unknown: no runtime reports on it")
    rate = sum(beat.messages_per_second for beat in heartbeats)
    if not rate:
        return _part("NATS", "warning", "no market data is reaching the runtimes")
    return _part("NATS", "ok", f"{rate:,.0f} messages/s are reaching the runtimes")


def _part(name: str, state: Literal["ok", "warning", "bad"], text: str) -> Part:
    return {"name": name, "state": state, "text": text}

"""The runtimes as Redis shows them: their heartbeats, their answers to a change, the signals they send.

All raise RedisUnavailableError.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog

from strategy_config.exceptions import RedisUnavailableError
from strategy_config.redis import redis_client, stream_entries
from strategy_core.configuration import runtime_reports, wire_json

SCAN_COUNT = 500
ACKS_LOOKED_AT = 1_000
State = Literal["applied", "rejected", "waiting"]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What one live runtime has made of a change so far. ``latency_ms`` is None where it did not measure it.

    ``error``: why it was rejected, or what of an applied one was left out.

    ``silent_seconds`` is the age of its last heartbeat.
    """

    instance_id: str
    state: State
    latency_ms: float | None
    error: str | None
    silent_seconds: float


@dataclass(frozen=True, slots=True)
class ChangeProgress:
    """How far a change has come: in Redis or not yet, and what each live runtime made of it."""

    sequence: int
    is_published: bool
    runtimes: tuple[Acknowledgement, ...]


def live_runtimes() -> list[runtime_reports.Heartbeat]:
    """The runtimes that are alive, by instance, standbys among them."""
    pattern = redis_client.keys().runtimes_pattern

    def read(client: Any) -> list[bytes | None]:
        names = list(client.scan_iter(match=pattern, count=SCAN_COUNT))
        return client.mget(names) if names else []

    heartbeats = []
    for raw in redis_client.run(read):
        if raw is None:
            continue
        try:
            heartbeats.append(runtime_reports.decode_heartbeat(raw))
        except wire_json.WireError as exception:
            log.warning("heartbeat.unreadable", error=str(exception))
    return sorted(heartbeats, key=lambda heartbeat: heartbeat.instance_id)


def trading_runtimes() -> list[runtime_reports.Heartbeat]:
    """The live runtimes that trade their share: those whose answers count. A standby is never waited for."""
    return [heartbeat for heartbeat in live_runtimes() if not heartbeat.standby]


def confirmed_sequence() -> int:
    """The last change that every expected runtime is known to have applied; 0 where one is not seen, or Redis is away.

    Expected is every share of the symbols, as many as the latest heartbeat says that there are.
    """
    try:
        heartbeats = trading_runtimes()
    except RedisUnavailableError:
        return 0
    if not heartbeats:
        return 0
    shares = {_share(heartbeat)[0] for heartbeat in heartbeats}
    _, count = _share(max(heartbeats, key=lambda heartbeat: heartbeat.sent_at))
    return min(heartbeat.sequence for heartbeat in heartbeats) if shares >= set(range(count)) else 0


def _share(heartbeat: runtime_reports.Heartbeat) -> tuple[int, int]:
    """The ordinal, and how many there are; what cannot be read is one of two, so that one is missing."""
    ordinal, _, count = heartbeat.replica.partition("/")
    return (int(ordinal), int(count)) if ordinal.isdigit() and count.isdigit() else (0, 2)


def silent_seconds(heartbeat: runtime_reports.Heartbeat, at: datetime) -> float:
    """The age of the heartbeat at the instant ``at``, by the clocks of both hosts; never negative."""
    return max(0.0, (at - datetime.fromisoformat(heartbeat.sent_at)).total_seconds())


def progress(sequence: int, at: datetime) -> ChangeProgress:
    """How far the change ``sequence`` has come.

    A runtime that has answered a later change has applied this one. One whose answer has already left the capped
    stream counts as having applied it where its heartbeat says so.
    """
    keys = redis_client.keys()
    heartbeats = trading_runtimes()

    def read(client: Any) -> Any:
        pipeline = client.pipeline(transaction=False)
        pipeline.get(keys.sequence)
        pipeline.xrevrange(keys.acks, count=ACKS_LOOKED_AT)
        return pipeline.execute()

    published, entries = redis_client.run(read)
    answers = _first_answers(sequence, (fields for _, fields in entries))
    return ChangeProgress(
        sequence=sequence,
        is_published=published is not None and int(published) >= sequence,
        runtimes=tuple(_acknowledgement(beat, answers.get(beat.instance_id), sequence, at) for beat in heartbeats),
    )


def _first_answers(sequence: int, newest_first: Iterable[dict[bytes, bytes]]) -> dict[str, runtime_reports.Ack]:
    """By instance its answer to ``sequence``, else to the first one after; a rejection counts before the rest."""
    found: dict[str, runtime_reports.Ack] = {}
    for ack in stream_entries.readable(newest_first, runtime_reports.decode_ack, event="ack.unreadable"):
        if ack.sequence < sequence:
            continue
        known = found.get(ack.instance_id)
        is_same_rejected = known is not None and known.sequence == ack.sequence and known.status == "rejected"
        if known is None or (ack.sequence <= known.sequence and not is_same_rejected):
            found[ack.instance_id] = ack
    return found


def _acknowledgement(
    beat: runtime_reports.Heartbeat, ack: runtime_reports.Ack | None, sequence: int, at: datetime
) -> Acknowledgement:
    silence = silent_seconds(beat, at)
    if ack is not None:
        error = ack.error or (None if ack.status == "applied" else "Rejected without a reason.")
        latency_ms = ack.latency_ms if ack.sequence == sequence else None
        return Acknowledgement(beat.instance_id, ack.status, latency_ms, error, silence)
    state: State = "applied" if beat.sequence >= sequence else "waiting"
    return Acknowledgement(beat.instance_id, state, None, None, silence)

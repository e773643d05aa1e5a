"""What the site reads of the runtimes in Redis: their answers to a change, and how much they signal."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from strategy_config.admin import heartbeats as beats
from strategy_config.admin import poll_document
from strategy_config.observed import runtimes, signal_rates
from strategy_config.services import switches
from strategy_core.configuration import redis_keys, runtime_reports, wire_json
from tests.factories import NOON, OriginFactory
from tests.strategy_config.conftest import CacheUnderTest

BEAT = runtime_reports.Heartbeat(
    instance_id="one",
    host="host",
    version="1",
    started_at=NOON.isoformat(),
    sent_at=NOON.isoformat(),
    sequence=5,
    lag_ms=0.0,
    messages_per_second=10.0,
    symbols=["BTCUSDT"],
    strategies=[],
    errors=0,
    dropped=0,
    signals=0,
    config_stale_seconds=0.0,
    market_source="live",
    replica="0/1",
)
MINUTE_MS = 60_000
NOW_MS = int(NOON.timestamp() * 1000)


def beat(cache: CacheUnderTest, instance_id: str = "one", **members: Any) -> None:
    heartbeat = msgspec.structs.replace(BEAT, instance_id=instance_id, **members)
    cache.client.set(cache.keys.runtime(instance_id), wire_json.encode(heartbeat))


def ack(cache: CacheUnderTest, sequence: int, status: Any = "applied", **members: Any) -> None:
    answer = runtime_reports.Ack(sequence=sequence, instance_id="one", status=status, **members)
    cache.client.xadd(cache.keys.acks, {redis_keys.STREAM_FIELD: wire_json.encode(answer)})


@pytest.mark.parametrize(
    ("acks", "state", "latency_ms", "error"),
    [
        ([(7, {"latency_ms": 4.0})], "applied", 4.0, None),
        ([(7, {"latency_ms": 4.0}), (8, {"latency_ms": 9.0})], "applied", 4.0, None),
        ([(8, {"latency_ms": 9.0})], "applied", None, None),
        ([(7, {}), (7, {"status": "rejected", "error": "no"})], "rejected", None, "no"),
        ([(7, {"status": "rejected", "error": "no"}), (7, {})], "rejected", None, "no"),
        ([(6, {})], "waiting", None, None),
        ([], "waiting", None, None),
    ],
)
def test_progress__of_a_change__is_the_first_answer_to_it_or_later(
    cache: CacheUnderTest, acks: list[tuple[int, dict[str, Any]]], state: str, latency_ms: Any, error: Any
) -> None:
    beat(cache)
    cache.client.set(cache.keys.sequence, 7)
    for sequence, members in acks:
        ack(cache, sequence, **members)
    progress = runtimes.progress(7, NOON + timedelta(seconds=3))
    (found,) = progress.runtimes
    assert progress.is_published
    assert (found.state, found.latency_ms, found.error, found.silent_seconds) == (state, latency_ms, error, 3.0)


def test_progress__answer_gone_from_the_stream__goes_by_the_heartbeat(cache: CacheUnderTest) -> None:
    beat(cache, sequence=7)
    assert [each.state for each in runtimes.progress(7, NOON).runtimes] == ["applied"]
    assert not runtimes.progress(7, NOON).is_published


def signal(cache: CacheUnderTest, at_ms: int, number: int, action: str) -> None:
    payload = msgspec.json.encode({"strategy_id": "orderbook_skew", "action": action, "price": 1.0})
    cache.client.xadd(cache.keys.signals, {redis_keys.STREAM_FIELD: payload}, id=f"{at_ms}-{number}")


def test_signal_rates__signals_come_and_age__each_is_counted_once_in_its_minute(cache: CacheUnderTest) -> None:
    signal(cache, NOW_MS - 40 * MINUTE_MS, 1, "buy")
    signal(cache, NOW_MS - MINUTE_MS, 1, "sell")
    for number in range(3):
        signal(cache, NOW_MS, number, "buy")
    for number, unreadable in enumerate((b"no signal", b'{"strategy_id": "\xff"}', b'{"deep": ' + b"[" * 100_000)):
        cache.client.xadd(cache.keys.signals, {redis_keys.STREAM_FIELD: unreadable}, id=f"{NOW_MS}-{9 + number}")
    first = signal_rates.signal_rates(NOW_MS)["orderbook_skew"]
    assert (sum(first.buys), first.buys[-1], first.sells[-2]) == (3, 3, 1)

    signal(cache, NOW_MS + MINUTE_MS, 1, "buy")
    later = signal_rates.signal_rates(NOW_MS + MINUTE_MS)["orderbook_skew"]
    assert (later.buys[-2:], later.sells[-3], len(later.buys)) == ((3, 1), 1, signal_rates.MINUTES)
    assert signal_rates.signal_rates(NOW_MS + 60 * MINUTE_MS) == {}


@pytest.mark.parametrize(
    ("heartbeats", "after_seconds", "kind", "words"),
    [
        ([], 0, "none", "No runtime has been seen for 15 s."),
        ([BEAT], 13, "silent", "No runtime has been seen for 13 s."),
        ([BEAT], 1, "live", ""),
        ([BEAT, msgspec.structs.replace(BEAT, market_source="simulated")], 1, "simulated", "simulated"),
        ([BEAT, msgspec.structs.replace(BEAT, market_source="replay")], 1, "replay", "recording"),
        ([msgspec.structs.replace(BEAT, market_source="")], 1, "quiet", "no market data"),
    ],
)
def test_feed__tells_first_what_is_least_like_a_live_market(
    heartbeats: list[runtime_reports.Heartbeat], after_seconds: int, kind: str, words: str
) -> None:
    feed = beats.feed_of(heartbeats, NOON + timedelta(seconds=after_seconds))
    assert feed.kind == kind
    assert words in feed.detail


@pytest.mark.django_db
def test_live__of_a_runtime_that_refused_the_last_change__is_not_told_as_applied(cache: CacheUnderTest) -> None:
    switches.switch(strategy_id="orderbook_skew", enabled=False, origin=OriginFactory(reason="kill"))
    beat(cache, sequence=0, refused=1)
    ack(cache, 1, "rejected", error="top_levels 25 must be between 1 and 20 (levels).")
    found = poll_document.document(NOON)
    assert "change 1 applied by 0 of 1 runtimes" in found["answer"]
    assert found["runtimes"][0]["applied"] == "nothing yet, 1 behind, 1 refused"
    beat(cache, sequence=1, refused=0)
    assert poll_document.document(NOON)["runtimes"][0]["applied"] == "change 1"

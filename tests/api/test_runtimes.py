"""The runtimes as the API shows them, and waiting for them."""

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis

from strategy_config.api.common import write_answers
from strategy_config.api.resources.runtimes import Runtime, Runtimes
from strategy_core.configuration import change_stream, redis_keys, runtime_reports, wire_json
from tests.live_site import LiveSite

BODY = {"parameters": {"top_levels": 10}, "changed_by": "jane"}


def heartbeat(instance_id: str) -> runtime_reports.Heartbeat:
    return runtime_reports.Heartbeat(
        instance_id=instance_id,
        host="host-1",
        version="0.1.0",
        started_at="2026-01-01T00:00:00.000Z",
        sent_at="2026-01-01T00:00:05.000Z",
        sequence=7,
        lag_ms=0.4,
        messages_per_second=1234.5,
        symbols=["BTCUSDT"],
        strategies=["orderbook_skew"],
        errors=0,
        dropped=0,
        signals=3,
        config_stale_seconds=0.1,
        market_source="live",
        replica="0/1",
    )


def shapes(schemas: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Each member and its type, in order, without titles and defaults."""
    notes = {"title", "default"}
    return [(name, {key: each[key] for key in each.keys() - notes}) for name, each in schemas.items()]


def test_runtime__in_the_api__has_the_members_of_the_heartbeat() -> None:
    _, components = msgspec.json.schema_components([runtime_reports.Heartbeat])
    assert shapes(Runtime.model_json_schema()["properties"]) == shapes(components["Heartbeat"]["properties"])


class FakeRuntimes:
    """Runtimes that are alive in Redis, and answer each change as told."""

    def __init__(self, site: LiveSite) -> None:
        self.client = redis.Redis.from_url(site.redis_url)
        self.keys = redis_keys.Keys(site.prefix)
        self._ids: list[str] = []

    def add(self, instance_id: str, payload: bytes | None = None) -> None:
        self._ids.append(instance_id)
        self.client.set(self.keys.runtime(instance_id), payload or wire_json.encode(heartbeat(instance_id)), ex=60)

    def answer_next_change(self, *answers_: tuple[str, str, str | None]) -> threading.Thread:
        """Acknowledge the next change as each (instance, status, error) says."""
        newest = self.client.xrevrange(self.keys.changes, count=1)
        after = newest[0][0] if newest else "0-0"

        def run() -> None:
            streams = self.client.xread({self.keys.changes: after}, block=10_000)
            change = change_stream.decode_change(streams[0][1][0][1][b"p"])
            for instance_id, status, error in answers_:
                ack = {"sequence": change.sequence, "instance_id": instance_id, "status": status}
                payload = wire_json.encode(runtime_reports.Ack(**ack, error=error, latency_ms=0.7))
                self.client.xadd(self.keys.acks, {b"p": payload})

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def remove_all(self) -> None:
        for instance_id in self._ids:
            self.client.delete(self.keys.runtime(instance_id))


@pytest.fixture
def runtimes(site: LiveSite) -> Iterator[FakeRuntimes]:
    fake = FakeRuntimes(site)
    yield fake
    fake.remove_all()


def test_runtimes__alive__are_listed_as_they_report(site: LiveSite, runtimes: FakeRuntimes) -> None:
    runtimes.add("b-1")
    runtimes.add("a-1")
    runtimes.add("broken", b"not a heartbeat")
    listed = Runtimes.model_validate_json(site.get("/api/v1/runtimes").content)
    assert [runtime.instance_id for runtime in listed.data] == ["a-1", "b-1"]
    assert (listed.metadata.total_count, listed.metadata.degraded) == (2, False)


def test_wait__runtime_applies__latency_is_reported(site: LiveSite, runtimes: FakeRuntimes, config_url: str) -> None:
    runtimes.add("r-1")
    thread = runtimes.answer_next_change(("r-1", "applied", None), ("stranger", "applied", None))
    response = site.post(f"{config_url}?wait_for_runtimes=5000", BODY)
    thread.join()
    written = write_answers.ConfigWritten.model_validate_json(response.content)
    assert written.metadata.runtimes == [write_answers.RuntimeAnswer(instance_id="r-1", applied=True, latency_ms=0.7)]


def test_wait__one_rejects_one_is_silent__said_of_each(site: LiveSite, runtimes: FakeRuntimes, config_url: str) -> None:
    runtimes.add("r-1")
    runtimes.add("r-2")
    thread = runtimes.answer_next_change(("r-1", "rejected", "top_levels: out of range"))
    response = site.post(f"{config_url}?wait_for_runtimes=400", BODY)
    thread.join()
    first, second = write_answers.ConfigWritten.model_validate_json(response.content).metadata.runtimes or []
    assert (first.applied, first.error) == (False, "top_levels: out of range")
    assert (second.applied, second.latency_ms) == (False, None)
    assert "400 ms" in (second.error or "")


def test_wait__nobody_alive__answers_at_once_with_an_empty_list(site: LiveSite, config_url: str) -> None:
    response = site.post(f"{config_url}?wait_for_runtimes=5000", BODY, timeout=4)
    assert response.json()["metadata"]["runtimes"] == []


def test_no_wait__no_runtimes_in_the_answer(site: LiveSite, config_url: str) -> None:
    assert "runtimes" not in site.post(config_url, BODY).json()["metadata"]

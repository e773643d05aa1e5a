"""A replay loses nothing, never runs ahead of the runtimes by more than two windows, and says what became of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from embedded.servers import NatsServer
from realtime_runtime.feeds.publishing import connected
from realtime_runtime.feeds.replay.pacing import WINDOW_MESSAGES, WINDOWS_IN_FLIGHT, PacedPublisher, RuntimeGoneError
from realtime_runtime.feeds.replay.playback import ReplayOptions, Totals, replay
from service_kit.nats_connection import NatsAccess
from tests.feeds.responder import Responder
from tests.waiting import eventually

STEP_MS = 10
# As long as a process may take to start where the machine has other things to do.


def write_lines(path: Path, count: int, symbols: tuple[str, ...] = ("btcusdt",), step_ms: int = STEP_MS) -> Path:
    lines = [
        {
            "stream": f"{symbols[i % len(symbols)]}@trade",
            "data": {"E": 1_000 + i * step_ms, "t": i},
            "ts": 1_000 + i * step_ms,
        }
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def options(server: NatsServer, topic: str, *files: Path, **changes: Any) -> ReplayOptions:
    return ReplayOptions(files=files, nats_url=server.url, topic=topic, **({"speed": None} | changes))


async def run(asked: ReplayOptions) -> Totals:
    totals = Totals()
    await replay(asked, totals)
    return totals


async def publish_many(publisher: PacedPublisher, subject: str, count: int) -> None:
    for number in range(count):
        await publisher.publish(subject, b"%d" % number)


@pytest.mark.parametrize("count", [0, 1, WINDOW_MESSAGES, WINDOW_MESSAGES + 1, 5_500])
async def test_replay__max_speed__every_line_is_processed_in_order(
    count: int, nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "day.jsonl", count)
    async with Responder(nats_server.url, nats_subject) as runtime:
        totals = await run(options(nats_server, nats_subject, path))
    assert b"\n".join(runtime.payloads) == path.read_bytes().rstrip()
    assert runtime.headers == ({"Replay: 1"} if count else set())
    assert (totals.lines, totals.published, totals.unreadable) == (count, count, 0)
    assert [(r.processed, r.dropped, r.errors) for r in totals.runtimes] == [(count, 0, 0)]
    assert totals.is_complete


async def test_replay__busy_runtime__at_most_two_windows_are_under_way(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "day.jsonl", 10 * WINDOW_MESSAGES)
    async with Responder(nats_server.url, nats_subject) as runtime:
        runtime.is_open.clear()
        replaying = asyncio.create_task(run(options(nats_server, nats_subject, path)))
        await eventually(lambda: runtime.waiting >= WINDOWS_IN_FLIGHT * WINDOW_MESSAGES)
        runtime.is_open.set()
        totals = await replaying
    assert runtime.most_waiting == WINDOWS_IN_FLIGHT * WINDOW_MESSAGES
    assert totals.is_complete


async def test_replay__no_runtime_yet__waits_for_it_with_a_message(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_lines(tmp_path / "day.jsonl", 10)
    replaying = asyncio.create_task(run(options(nats_server, nats_subject, path)))
    said: list[str] = []

    def has_said() -> bool:
        said.append(capsys.readouterr().err)
        return f"waiting for a runtime on {nats_subject}" in "".join(said)

    await eventually(has_said)
    async with Responder(nats_server.url, nats_subject) as runtime:
        assert (await replaying).is_complete
    assert len(runtime.payloads) == 10


async def test_replay__two_replicas__waits_for_both_and_counts_each(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "day.jsonl", 3_000)
    async with Responder(nats_server.url, nats_subject, "a") as first:
        replaying = asyncio.create_task(run(options(nats_server, nats_subject, path, replicas=2)))
        async with Responder(nats_server.url, nats_subject, "b") as second:
            totals = await replaying
    assert [(r.instance_id, r.processed) for r in totals.runtimes] == [("a", 3_000), ("b", 3_000)]
    assert len(first.payloads) == len(second.payloads) == 3_000


async def test_replay__runtime_that_drops__is_not_complete(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "day.jsonl", 1_500)
    async with Responder(nats_server.url, nats_subject, lose=3):
        totals = await run(options(nats_server, nats_subject, path))
    assert [(r.processed, r.dropped) for r in totals.runtimes] == [(1_497, 3)]
    assert not totals.is_complete
    assert "1,497 processed, 3 dropped, 0 errors" in str(totals)


async def test_replay__runtime_ends_on_the_way__says_so_and_is_not_complete(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "day.jsonl", 20_000)
    async with Responder(nats_server.url, nats_subject) as runtime:
        replaying = asyncio.create_task(run(options(nats_server, nats_subject, path)))
        await eventually(lambda: len(runtime.payloads) >= WINDOW_MESSAGES)
        runtime.is_open.clear()
        await eventually(lambda: runtime.waiting >= WINDOW_MESSAGES)
    totals = await asyncio.wait_for(replaying, 90)
    assert totals.failure
    assert totals.published < 20_000
    assert not totals.is_complete


async def test_paced_publisher__runtime_stops_answering__raises_after_the_stall_limit(
    nats_server: NatsServer, nats_subject: str
) -> None:
    async with (
        Responder(nats_server.url, nats_subject, mute_after=10),
        connected(nats_server.url, name="test", access=NatsAccess()) as client,
    ):
        publisher = PacedPublisher(client, nats_subject, stall_seconds=0.3)
        await publisher.wait_for_runtimes()
        with pytest.raises(RuntimeGoneError, match="no answer"):
            await publish_many(publisher, nats_subject, 5 * WINDOW_MESSAGES)
    assert publisher.published == WINDOWS_IN_FLIGHT * WINDOW_MESSAGES


async def test_replay__topic_with_a_wildcard__sends_each_symbol_on_its_subject(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "day.jsonl", 9, symbols=("btcusdt", "ethusdt", "!ticker"))
    async with Responder(nats_server.url, f"{nats_subject}.>") as runtime:
        totals = await run(options(nats_server, f"{nats_subject}.>", path))
    assert runtime.subjects == {f"{nats_subject}.{name}" for name in ("BTCUSDT", "ETHUSDT", "ALL")}
    assert totals.is_complete


async def test_replay__loop__event_times_go_on_in_every_round(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    files = [write_lines(tmp_path / "a.jsonl", 700), write_lines(tmp_path / "b.jsonl", 400, step_ms=1)]
    totals = Totals()
    async with Responder(nats_server.url, nats_subject) as runtime:
        replaying = asyncio.create_task(replay(options(nats_server, nats_subject, *files, is_loop=True), totals))
        await eventually(lambda: len(runtime.payloads) >= 3 * 1_100)
        replaying.cancel()
        await asyncio.gather(replaying, return_exceptions=True)
    messages = [msgspec.json.decode(payload) for payload in runtime.payloads[: 3 * 1_100]]
    rounds = [messages[start : start + 1_100] for start in (0, 1_100, 2_200)]
    ends = [max(message["ts"] for message in one) for one in rounds]
    starts = [min(message["ts"] for message in one) for one in rounds]
    assert starts[0] < ends[0] < starts[1] < ends[1] < starts[2] < ends[2]
    assert all(message["ts"] == message["data"]["E"] for message in messages)
    assert totals.published >= 3 * 1_100


async def test_replay__file_gone_in_a_later_round__is_told_and_not_complete(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path, totals = write_lines(tmp_path / "day.jsonl", 100), Totals()
    async with Responder(nats_server.url, nats_subject) as runtime:
        replaying = asyncio.create_task(replay(options(nats_server, nats_subject, path, is_loop=True), totals))
        await eventually(lambda: len(runtime.payloads) >= 100)
        path.unlink()
        await replaying
    assert "No such file" in totals.failure
    assert not totals.is_complete


async def test_replay__loop_over_nothing_readable__ends_after_one_round(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text("oops\n" * 3)
    async with Responder(nats_server.url, nats_subject):
        totals = await run(options(nats_server, nats_subject, path, is_loop=True))
    assert (totals.lines, totals.unreadable, totals.published) == (3, 3, 0)


@pytest.mark.parametrize(("speed", "least_seconds"), [(1.0, 0.99), (10.0, 0.099)])
async def test_replay__timed__takes_no_less_than_the_event_time(
    speed: float, least_seconds: float, nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "day.jsonl", 101)
    async with Responder(nats_server.url, nats_subject):
        totals = await run(options(nats_server, nats_subject, path, speed=speed))
    assert totals.seconds >= least_seconds
    assert totals.is_complete

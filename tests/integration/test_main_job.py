"""The main job, end to end: a live site, a runtime of its own process, and recorded market data between them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from nats.aio.msg import Msg

from embedded.servers import HOST, NatsServer, Valkey, die_with_parent, free_port
from realtime_runtime.feeds.replay.playback import ReplayOptions, Totals, replay
from realtime_runtime.feeds.replay.recording import RecordedMessage, read_messages
from tests.clean_environment import clean_environment
from tests.conftest import PROJECT_ROOT
from tests.live_site import LiveSite
from tests.plain_http import NO_ROOTS
from tests.waiting import eventually

SPOT = "market/spot-20240808.jsonl.gz"
SKEW = "/api/v1/strategies/orderbook_skew/config/BTCUSDT"


@dataclass
class RunningRuntime:
    """A runtime process, and the signals that it has sent so far."""

    environ: dict[str, str]
    signals: list[dict[str, Any]]

    def info(self) -> dict[str, Any]:
        body: dict[str, Any] = self._ask("/info").json()
        return body

    def trades(self) -> bool:
        """Without a site there is no configuration to be ready with; it trades on its defaults all the same.

        Only once it is subscribed and knows that the share is its own.
        """
        try:
            status: str = self._ask("/ready").json()["checks"]["share"]["status"]
            return status == "holder"
        except httpx.TransportError:
            return False

    def is_done_with(self, count: int) -> bool:
        """Whether it has processed so many messages, and all of its signals are here."""
        counters = self.info()["runtime"]["counters"]
        return counters["processed"] >= count and len(self.signals) == sum(counters["signals"].values())

    def is_ready(self) -> bool:
        try:
            is_ready: bool = self._ask("/ready").json()["status"] == "ok"
            return is_ready
        except httpx.TransportError:
            return False

    def _ask(self, path: str) -> httpx.Response:
        return httpx.get(f"http://{HOST}:{self.environ['HEALTH_CHECK_PORT']}{path}", timeout=30, verify=NO_ROOTS)

    async def replay(self, *files: Path) -> tuple[Totals, list[dict[str, Any]]]:
        """Replay at full speed; answers the totals and the signals that came of it."""
        before, processed = len(self.signals), self.info()["runtime"]["counters"]["processed"]
        totals = Totals()
        topic = self.environ["NATS_CONSUMER_TOPIC"]
        await replay(ReplayOptions(files=files, nats_url=self.environ["NATS_URL"], topic=topic, speed=None), totals)
        await eventually(lambda: self.is_done_with(processed + totals.published))
        return totals, self.signals[before:]


@pytest.fixture
async def runtime(
    nats_server: NatsServer, valkey: Valkey, redis_prefix: str, nats_subject: str, tmp_path: Path
) -> AsyncIterator[RunningRuntime]:
    environ = clean_environment() | {
        "REDIS_URL": valkey.url,
        "REDIS_KEY_PREFIX": redis_prefix,
        "NATS_URL": nats_server.url,
        "NATS_CONSUMER_TOPIC": f"{nats_subject}.data",
        "NATS_TOPIC_INTENTS": f"{nats_subject}.intents",
        "CONFIG_SNAPSHOT_PATH": str(tmp_path / "snapshot.json"),
        "COLD_START_WAIT_SECONDS": "0",
        "HEALTH_CHECK_PORT": str(free_port()),
    }
    running = RunningRuntime(environ, [])

    async def keep(message: Msg) -> None:
        running.signals.append(json.loads(message.data))

    client = await nats.connect(nats_server.url)
    await client.subscribe(f"{nats_subject}.intents.>", cb=keep)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "realtime_runtime", "run"),
        env=environ,
        cwd=PROJECT_ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    yield running
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 60) == 0
    await client.close()


def halves(path: Path, directory: Path) -> tuple[Path, Path]:
    lines = [line.payload for line in read_messages(path) if isinstance(line, RecordedMessage)]
    middle = len(lines) // 2
    files = (directory / "first.jsonl", directory / "second.jsonl")
    for file, part in zip(files, (lines[:middle], lines[middle:]), strict=True):
        file.write_bytes(b"\n".join(part))
    return files


async def test_change__between_two_halves_of_a_file__decides_from_the_next_message_on(
    live_site: Callable[..., LiveSite], runtime: RunningRuntime, market_data: Path, tmp_path: Path
) -> None:
    site = live_site()
    site.post("/api/v1/strategies/cache/refresh")
    await eventually(lambda: runtime.is_ready() and runtime.trades())
    first, second = halves(market_data / SPOT, tmp_path)
    _, before = await runtime.replay(first)

    change = {"parameters": {"buy_threshold": 1.5, "min_signal_interval_seconds": 0}, "changed_by": "tester"}
    answer = site.post(f"{SKEW}?wait_for_runtimes=5000", change).json()
    assert [each["applied"] for each in answer["metadata"]["runtimes"]] == [True]
    _, after = await runtime.replay(second)

    decided = {"sequence": answer["metadata"]["sequence"], "global_version": 0, "symbol_version": 1}
    changed = [s for s in after if (s["strategy_id"], s["symbol"]) == ("orderbook_skew", "BTCUSDT")]
    others = [s for s in before + after if s not in changed]
    assert changed
    assert others
    assert all(signal["metadata"]["config"] == decided for signal in changed)
    assert all(signal["metadata"]["config"]["symbol_version"] == 0 for signal in others)
    assert all(s["metadata"]["ratio"] > 1.5 for s in changed if s["action"] == "buy")
    (row,) = site.get("/api/v1/strategies/orderbook_skew/audit?symbol=BTCUSDT").json()["data"]
    assert (row["sequence"], row["changed_by"], row["actor"]) == (decided["sequence"], "tester", "admin")


async def test_replay__twice__gives_the_same_signals_field_for_field(
    runtime: RunningRuntime, market_data: Path
) -> None:
    await eventually(runtime.trades)
    (once, signals), (twice, again) = [await runtime.replay(market_data / SPOT) for _ in range(2)]
    assert once.is_complete
    assert twice.is_complete
    assert once.published == twice.published == 47_380
    assert len({signal["strategy_id"] for signal in signals}) > 1
    assert signals == again


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_replay__every_recorded_file__is_processed_without_an_error(
    runtime: RunningRuntime, market_data: Path
) -> None:
    await eventually(runtime.trades)
    manifest = json.loads((market_data / "MANIFEST.json").read_text())
    files = {name: facts["rows"] for name, facts in manifest.items() if name.startswith("market/")}
    assert len(files) == 17
    for name, rows in files.items():
        totals, _ = await runtime.replay(market_data / name)
        assert [(r.processed, r.dropped, r.errors) for r in totals.runtimes] == [(rows, 0, 0)], name
        assert totals.is_complete

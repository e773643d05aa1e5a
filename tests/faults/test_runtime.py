"""The runtime restarted under load, its disk full, its NATS gone, slow, back."""

import resource
from collections import Counter
from pathlib import Path

from embedded.servers import NatsServer
from realtime_runtime.config import snapshot
from tests.faults.processes import RuntimeProcess
from tests.runtime.conftest import Environ
from tests.runtime.market import Market
from tests.runtime.site import Site
from tests.waiting import eventually

SKEW = "orderbook_skew"
RESTARTS = 10
CHANGES_A_LIFE = 10


async def test_restarts__under_load__no_acknowledgement_lost_or_doubled(
    variables: Environ, site: Site, market: Market, tmp_path: Path
) -> None:
    runtime = RuntimeProcess(variables, tmp_path)
    for _ in range(RESTARTS):
        runtime.start()
        for _ in range(CHANGES_A_LIFE):
            await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
            await market.turn()
        await eventually(lambda: runtime.status() == "ok")
        for _ in range(CHANGES_A_LIFE):
            await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
            await market.turn()
        # In the midst of the changes: what is not applied yet is the next one's.
        runtime.end()
    with runtime:
        await eventually(lambda: runtime.sequence() == site.sequence)

        async def last_is_answered() -> bool:
            return any(ack.sequence == site.sequence for ack in await site.acks())

        await eventually(last_is_answered)
    answered = Counter(ack.sequence for ack in await site.acks())
    assert answered == Counter(range(1, site.sequence + 1))
    assert {ack.status for ack in await site.acks()} == {"applied"}
    assert len(market.ids) == len(set(market.ids)) > 0


async def test_disk__full__trades_on_and_keeps_the_last_good_snapshot(
    variables: Environ, site: Site, tmp_path: Path
) -> None:
    """No file of the process may grow past one byte, as root or not; a device is no file."""
    runtime = RuntimeProcess(variables, tmp_path, log_path=Path("/dev/null"))

    def saved() -> int | None:
        found = snapshot.read(runtime.snapshot_path, prefix=variables["REDIS_KEY_PREFIX"])
        return None if found is None else found.sequence

    with runtime:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: saved() == 1)
        limits = resource.prlimit(runtime.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        await site.set_layer(SKEW, buy_threshold=1.6)
        await eventually(lambda: 'event="snapshot_failures"} 1.0' in metrics(runtime))
        assert (runtime.sequence(), runtime.status(), saved()) == (2, "ok", 1)
        assert [path.name for path in runtime.snapshot_path.parent.iterdir()] == [runtime.snapshot_path.name]
        resource.prlimit(runtime.pid, resource.RLIMIT_FSIZE, limits)
        runtime.end()
        assert saved() == 2


def metrics(runtime: RuntimeProcess) -> str:
    answer = runtime.answer("/metrics")
    return "" if answer is None else answer.text


async def test_nats__killed_restarted_and_slow__signals_go_on_once_each(
    variables: Environ, site: Site, market: Market, fresh_nats: NatsServer, tmp_path: Path
) -> None:
    with RuntimeProcess(variables, tmp_path) as runtime:
        await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
        await eventually(lambda: runtime.sequence() == 1)
        await eventually(lambda: runtime.status() == "ok")
        await signalled(market, sequence=1)

        fresh_nats.kill()
        await eventually(lambda: runtime.status() == "degraded")
        await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
        await eventually(lambda: runtime.sequence() == 2)
        fresh_nats.start()
        await eventually(lambda: runtime.status() == "ok")
        await eventually(lambda: market.client.is_connected)
        await signalled(market, sequence=2)

        # Slow: nothing is answered while messages and changes come.
        await market.turn()
        fresh_nats.pause()
        await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
        await eventually(lambda: runtime.sequence() == 3)
        fresh_nats.resume()
        await signalled(market, sequence=3)
        assert len(market.ids) == len(set(market.ids))


async def signalled(market: Market, *, sequence: int) -> None:
    """Return when a turn of the market has led to a signal that was decided under ``sequence``."""
    before = len(market.signals)

    async def turned() -> bool:
        await market.turn()
        return any(signal["metadata"]["config"]["sequence"] == sequence for signal in market.signals[before:])

    await eventually(turned)

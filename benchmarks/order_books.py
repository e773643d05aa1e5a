"""What the market metrics of 500 symbols cost to read and to publish: ``python -m benchmarks.order_books``.

A request's CPU time is that of the site's worker process; p50 and p99 are wall time of one client that asks again as
soon as it has its answer.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import redis
import redis.asyncio
import uvloop

from benchmarks.engine import new_engine
from benchmarks.http_load import Load, get_request, run_load
from benchmarks.measure import LEAST_RUNS, Sample, machine, noise, table, tree_cpu_seconds
from benchmarks.site import PREFIX, running_site
from embedded.servers import HOST, Valkey
from realtime_runtime.reporting.order_books import INTERVAL_SECONDS, MarketPublisher
from strategy_core.configuration.redis_keys import Keys
from strategy_core.engine.engine import Engine
from tests import books
from tests.engine.builders import envelope
from tests.live_site import LiveSite

SYMBOLS = [f"S{number:03}USDT" for number in range(500)]
REQUESTS = 100
LIMIT_MS = 50
RESOURCES = {
    "GET /metrics/all": "all",
    "GET /metrics/summary": "summary",
    "GET /metrics/depth/{symbol}": f"depth/{SYMBOLS[7]}",
    "GET /metrics/pressure/{symbol}?timeframe=15m": f"pressure/{SYMBOLS[7]}?timeframe=15m",
}


def main() -> None:
    """Run everything and print it."""
    print(machine())
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Valkey(Path(folder) / "valkey") as valkey,
        running_site(Path(folder), valkey.url) as site,
    ):
        report_reads(site)
        print()
        uvloop.run(report_publication(valkey.url))
    print(noise())


def report_reads(site: LiveSite) -> None:
    """One client, one worker process: medians over the runs."""
    with redis.Redis.from_url(site.redis_url) as client:
        books.publish(client, Keys(PREFIX), *map(books.metrics, SYMBOLS))
        books.publish_pressure(client, Keys(PREFIX), SYMBOLS[7], [float(second % 90) for second in range(900)])
    rows = []
    for name, path in RESOURCES.items():
        request = get_request(f"/api/v1/metrics/{path}", host=f"{HOST}:{site.port}", token=site.token)
        _read(site, request)
        before = tree_cpu_seconds(site.pid)
        runs = [_read(site, request) for _ in range(LEAST_RUNS)]
        cpu_ms = (tree_cpu_seconds(site.pid) - before) * 1000 / LEAST_RUNS / REQUESTS
        medians, slowest = (Sample(tuple(run.percentile(percent) for run in runs)) for percent in (50, 99))
        size = len(runs[-1].bodies[-1])
        rows.append(
            (
                name,
                f"{cpu_ms:.1f}",
                f"{medians.median:.1f}",
                f"{slowest.median:.1f}",
                f"{medians.spread:.0%}",
                f"{size:,}",
            )
        )
    print(table((f"{len(SYMBOLS)} symbols, one client", "CPU ms", "p50 ms", "p99 ms", "spread of p50", "bytes"), rows))
    print(f"Asked of /metrics/all: {LIMIT_MS} ms.")


def _read(site: LiveSite, request: bytes) -> Load:
    return run_load(HOST, site.port, lambda _: request, connections=1, requests=REQUESTS)


async def report_publication(url: str) -> None:
    """A new book of every symbol at each turn: the CPU time of writing them, and how much of it is one piece."""
    client = redis.asyncio.Redis.from_url(url, protocol=2)
    engine = new_engine({})
    publisher = MarketPublisher(client, Keys(PREFIX), engine)
    turns = round(1 / INTERVAL_SECONDS)
    costs, waits = [], []
    for number in range(LEAST_RUNS + 1):
        cost = 0.0
        for turn in range(turns):
            _take_books(engine, time_ms=books.START_MS + number * 1000 + turn * 1000 // turns)
            started = time.process_time()
            await publisher.publish()
            cost += time.process_time() - started
        costs.append(cost * 100)
        _take_books(engine, time_ms=books.START_MS + number * 1000 + 999)
        waits.append(await _longest_wait(publisher))
    await client.aclose()
    share, longest = Sample(tuple(costs[1:])), Sample(tuple(waits[1:])).median
    print(f"Publishing {len(SYMBOLS)} new books {turns} times a second: {share.median:.1f} % of a core")
    print(
        f"(spread {share.spread:.0%}). The longest that another task waits for its turn: {longest:.2f} ms of CPU time."
    )


def _take_books(engine: Engine, *, time_ms: int) -> None:
    sides = {
        name: [[f"{100 + sign * level / 100:.2f}", "1.50000000"] for level in range(1, books.LEVELS + 1)]
        for name, sign in (("bids", -1), ("asks", 1))
    }
    for symbol in SYMBOLS:
        payload = envelope(f"{symbol.lower()}@depth20@100ms", sides, ts=time_ms)
        engine.market(payload, received_ms=0, is_replay=True)


async def _longest_wait(publisher: MarketPublisher) -> float:
    """Milliseconds of CPU time between two turns of a task that only gives way and comes back."""
    publication = asyncio.create_task(publisher.publish(), name="publication")
    longest, last = 0.0, time.thread_time()
    while not publication.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    await publication
    return longest * 1000


if __name__ == "__main__":
    main()

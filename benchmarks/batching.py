"""What sharing round trips to Redis saves: ``python -m benchmarks.batching``.

Threads of one process ask for what a read of a configuration asks for, again and again: once through
`strategy_config.redis.batching`, where a request made during a round trip joins the next, and once with an
exchange of each thread's own over a kept connection. The CPU time is that of the process, all its threads together.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from benchmarks.measure import interleave, machine, noise, table
from embedded.servers import Valkey
from strategy_core.configuration import redis_keys
from strategy_core.strategies.registry import STRATEGIES

QUESTIONS = 2_000
RUNS = 9
THREADS = (1, 4, 16)
SYMBOL = "BTCUSDT"
DOCUMENT = b"x" * 1_000
# As configsite.wsgi sets it.
SWITCH_INTERVAL = 0.0005


def main() -> None:
    """Run everything and print it."""
    print(machine())
    sys.setswitchinterval(SWITCH_INTERVAL)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Valkey(Path(folder) / "valkey") as valkey:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "configsite.settings.test")
        settings.REDIS_URL = valkey.url
        django.setup()
        report()
    print(noise())


def report() -> None:
    """Each number of threads with both, by turns."""
    from strategy_config.redis import batching, redis_client

    keys = redis_client.keys()
    fields = [redis_keys.field_name(strategy_id, symbol) for strategy_id in STRATEGIES for symbol in (None, SYMBOL)]
    redis_client.run(lambda client: client.hset(keys.config, mapping=dict.fromkeys(fields, DOCUMENT)))
    questions = [
        redis_client.pack("GET", keys.identities)
        + redis_client.pack("HMGET", keys.config, strategy_id, redis_keys.field_name(strategy_id, SYMBOL))
        for strategy_id in STRATEGIES
    ]

    def shared(packed: bytes) -> Any:
        return batching.ask(packed, 2)[0]

    def own(packed: bytes) -> Any:
        return redis_client.run(lambda client: redis_client.exchange(client, [packed], 2))

    ways = {"shared": shared, "own": own}
    clocks = {"wall": time.perf_counter, "CPU": time.process_time}
    samples = interleave(
        {
            (threads, kind, way): partial(_timed, ask, questions, threads, clock)
            for threads in THREADS
            for kind, clock in clocks.items()
            for way, ask in ways.items()
        },
        runs=RUNS,
    )
    rows = []
    for threads, kind in product(THREADS, clocks):
        both = [samples[threads, kind, way] for way in ways]
        figures = [figure for each in both for figure in (f"{each.median * 1e6:,.0f}", f"{each.spread:.0%}")]
        rows.append((f"{threads}, {kind} time", *figures, f"{both[1].ratio(both[0]):.2f}"))
    print(table((f"threads; µs a read, {RUNS} runs", "shared", "spread", "own", "spread", "own / shared"), rows))


def _timed(ask: Callable[[bytes], Any], questions: list[bytes], threads: int, clock: Callable[[], float]) -> float:
    """Seconds a read, of all threads together."""

    def work() -> None:
        for number in range(QUESTIONS // threads):
            ask(questions[number % len(questions)])

    with ThreadPoolExecutor(threads) as pool:
        started = clock()
        for future in [pool.submit(work) for _ in range(threads)]:
            future.result()
        return (clock() - started) / QUESTIONS


if __name__ == "__main__":
    main()

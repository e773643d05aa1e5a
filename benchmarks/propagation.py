"""From a POST to the runtime, and what the runtime takes from NATS: ``python -m benchmarks.propagation``.

Publication to application is what the runtime acknowledges; all processes share this machine's clock.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import redis

from benchmarks.measure import LEAST_RUNS, Sample, machine, noise, table
from benchmarks.site import PREFIX
from benchmarks.stack import Stack, running_stack, wait_until
from embedded.servers import die_with_parent
from realtime_runtime.config import wire

CHANGES = 200
LOADED_RATE = 10_000
BURST = 400_000
MEASURED_SECONDS = 8.0
RECEIVED = "realtime_runtime_messages_total"


def main() -> None:
    """Run everything and print it."""
    print(machine())
    with running_stack() as stack:
        for title, rate in (("idle", 0), (f"at {LOADED_RATE:,} messages/s", LOADED_RATE)):
            runs = [_changes(stack, rate) for _ in range(LEAST_RUNS)]
            rows = []
            for column, name in enumerate(("publication -> applied", "POST -> answered", "POST -> applied")):
                p50 = Sample(tuple(_percentile(run[column], 50) for run in runs))
                p99 = Sample(tuple(_percentile(run[column], 99) for run in runs))
                rows.append((name, f"{p50.median:.2f}", f"{p99.median:.2f}", f"{p50.spread:.0%}"))
            print(table((f"ms, {title}, {LEAST_RUNS} runs of {CHANGES}", "p50", "p99", "spread of p50"), rows))
            print()
        print("Asked: publication 0.6 / 5 ms; POST -> applied 5 / 25 ms idle, 50 ms p99 at 10,000 messages/s.\n")
        _report_intake(stack)
    print(noise())


def _changes(stack: Stack, rate: int) -> tuple[list[float], list[float], list[float]]:
    """Post ``CHANGES`` changes, one after the other: the three latencies of each, in ms."""
    with _publishing(stack, rate, CHANGES * 400) if rate else nullcontext():
        shared: Any = redis.Redis.from_url(stack.valkey.url)  # its types say that every answer may be anything
        keys = wire.Keys(PREFIX)
        published, answered, applied = [], [], []
        last = (shared.xrevrange(keys.acks, count=1) or [(b"0", {})])[0][0]
        for number in range(CHANGES):
            document = {"parameters": {"buy_threshold": 1.1 + number % 100 / 100}, "changed_by": "bench"}
            started = time.time()
            response = stack.site.post("/api/v1/strategies/orderbook_skew/config/BTCUSDT", json=document)
            answered_at = time.time()
            response.raise_for_status()
            sequence = response.json()["metadata"]["sequence"]
            ack = None
            while ack is None or ack.sequence < sequence:
                for _, entries in shared.xread({keys.acks: last}, block=5_000):
                    last = entries[-1][0]
                    ack = wire.decode_ack(entries[-1][1][wire.STREAM_FIELD.encode()])
            latency = ack.latency_ms
            if ack.status != "applied" or latency is None:
                raise RuntimeError(f"sequence {sequence} was {ack.status}: {ack.error}")
            entry = shared.xrange(keys.changes, f"{sequence}-0", f"{sequence}-0")[0][1][wire.STREAM_FIELD.encode()]
            published.append(latency)
            answered.append((answered_at - started) * 1000)
            applied.append(wire.decode_change(entry).published_at_ms + latency - started * 1000)
        return published, answered, applied


def _report_intake(stack: Stack) -> None:
    """CPU time a message at a steady rate, and how many a second get through when all cores are busy."""
    runtime = stack.runtime
    shares, bursts, costs = [], [], []
    for _ in range(LEAST_RUNS):
        with _publishing(stack, LOADED_RATE, int(LOADED_RATE * (MEASURED_SECONDS + 6))):
            before = runtime.metric(RECEIVED)
            wait_until(lambda before=before: runtime.metric(RECEIVED) > before)  # type: ignore[misc]  # bound per run
            time.sleep(1)
            taken, cpu, at = runtime.metric(RECEIVED), runtime.cpu_seconds(), time.perf_counter()
            time.sleep(MEASURED_SECONDS)
            seconds = time.perf_counter() - at
            cpu = runtime.cpu_seconds() - cpu
            shares.append(cpu / seconds * LOADED_RATE / ((runtime.metric(RECEIVED) - taken) / seconds))
        taken, cpu = runtime.metric(RECEIVED), runtime.cpu_seconds()
        with _publishing(stack, 0, BURST) as process:
            wait_until(lambda taken=taken: runtime.metric(RECEIVED) > taken)  # type: ignore[misc]  # bound per run
            at = time.perf_counter()
            process.wait()
            wait_until(lambda taken=taken: runtime.metric(RECEIVED) >= taken + BURST)  # type: ignore[misc]  # bound per run
            bursts.append(BURST / (time.perf_counter() - at))
            costs.append((runtime.cpu_seconds() - cpu) / BURST * 1e6)
    cost = Sample(tuple(costs))
    rows = [
        (f"share of a core at {LOADED_RATE:,} messages/s", f"{Sample(tuple(shares)).median:.1%}"),
        (
            "messages/s through nats-server, all on two cores",
            f"{Sample(tuple(bursts)).median:,.0f}",
        ),
        ("CPU time of the runtime a message then, us", f"{cost.median:.1f}"),
        ("messages/s that one core of the runtime is good for", f"{1e6 / cost.median:,.0f}"),
        ("dropped from the queue", f"{runtime.metric('realtime_runtime_messages_dropped_total'):,.0f}"),
        ("resident memory, MB", f"{runtime.resident_mb():.0f}"),
    ]
    print(table((f"runtime process, {LEAST_RUNS} runs", "median"), rows))
    print("Asked: 25 % of a core at 10,000/s; 40,000 messages/s through nats-server.")


@contextmanager
def _publishing(stack: Stack, rate: int, messages: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A publisher process for the time of the block."""
    command = [sys.executable, "-m", "benchmarks.publisher", "--nats-url", stack.nats.url]
    process = subprocess.Popen([*command, "--messages", str(messages), "--rate", str(rate)], preexec_fn=die_with_parent)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)


def _percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


if __name__ == "__main__":
    main()

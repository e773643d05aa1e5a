"""From a POST to the runtime, and what the runtime takes from NATS: ``python -m benchmarks.propagation``.

Publication to application is what the runtime acknowledges; all processes share this machine's clock.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import redis

from benchmarks.measure import LEAST_RUNS, Sample, machine, noise, table
from benchmarks.publisher import Outcome
from benchmarks.site import PREFIX
from benchmarks.stack import Stack, running_stack, wait_until
from embedded.servers import die_with_parent
from strategy_core.configuration import change_stream, redis_keys, runtime_reports

CHANGES = 200
LOADED_RATE = 10_000
BURST = 50_000
PATIENCE_SECONDS = 180.0
SETTLING_SECONDS = 1.0
MEASURED_SECONDS = 4.0
TIMES = (
    "publication -> applied",
    "POST -> answered",
    "POST -> applied",
    "answer -> applied (below 0: applied before the answer)",
)
DROPPED = "realtime_runtime_messages_dropped_total"
QUEUED = "realtime_runtime_messages_queued"


def main() -> None:
    """Run everything and print it."""
    print(machine())
    with running_stack() as stack:
        for title, rate in (("idle", 0), (f"at {LOADED_RATE:,} messages/s", LOADED_RATE)):
            runs = [_changes(stack, rate) for _ in range(LEAST_RUNS)]
            rows = []
            for column, name in enumerate(TIMES):
                p50 = Sample(tuple(_percentile(run[column], 50) for run in runs))
                p99 = Sample(tuple(_percentile(run[column], 99) for run in runs))
                rows.append(
                    (name, f"{p50.median:.2f}", f"{p99.median:.2f}", f"{p50.spread:.0%}" if p50.median > 0 else "")
                )
            print(table((f"ms, {title}, {LEAST_RUNS} runs of {CHANGES}", "p50", "p99", "spread of p50"), rows))
            print()
        print("Asked: publication 0.6 / 5 ms; POST -> applied 5 / 25 ms idle, 50 ms p99 at 10,000 messages/s.\n")
        _report_intake(stack)
    print(noise())


def _changes(stack: Stack, rate: int) -> tuple[list[float], ...]:
    """Post ``CHANGES`` changes, one after the other: their ``TIMES``, in ms."""
    with _publishing(stack, "--rate", str(rate)) if rate else nullcontext():
        shared: Any = redis.Redis.from_url(stack.valkey.url)  # its types say that every answer may be anything
        keys = redis_keys.Keys(PREFIX)
        published, answered, applied, after_answer = [], [], [], []
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
                    ack = runtime_reports.decode_ack(entries[-1][1][redis_keys.STREAM_FIELD.encode()])
            if ack.status != "applied":
                raise RuntimeError(f"sequence {sequence} was {ack.status}: {ack.error}")
            latency = ack.latency_ms
            if latency is None:
                continue  # The complete read, due once a minute, came before the change and brought it along.
            entry = shared.xrange(keys.changes, f"{sequence}-0", f"{sequence}-0")[0][1][
                redis_keys.STREAM_FIELD.encode()
            ]
            published.append(latency)
            answered.append((answered_at - started) * 1000)
            applied_at_ms = change_stream.decode_change(entry).published_at_ms + latency
            applied.append(applied_at_ms - started * 1000)
            after_answer.append(applied_at_ms - answered_at * 1000)
        return published, answered, applied, after_answer


def _report_intake(stack: Stack) -> None:
    """CPU time a message at a steady rate, and how many a second get through when all cores are busy."""
    steady, bursts = [], []
    for _ in range(LEAST_RUNS):
        _settle(stack)
        bursts.append(_burst(stack))
        _settle(stack)
        steady.append(_steady(stack))
    share, lost = (Sample(column) for column in zip(*steady, strict=True))
    rate, cost = (Sample(column) for column in zip(*bursts, strict=True))
    rows = [
        (f"share of a core at {LOADED_RATE:,} messages/s", f"{share.median:.1%}", f"{share.spread:.0%}"),
        ("given up then, for want of processor time", f"{lost.median:.1%}", ""),
        (
            "messages/s through nats-server, publisher and it on the same cores",
            f"{rate.median:,.0f}",
            f"{rate.spread:.0%}",
        ),
        ("CPU time of the runtime a message then, us", f"{cost.median:.1f}", f"{cost.spread:.0%}"),
        ("messages/s that one core of the runtime is good for", f"{1e6 / cost.median:,.0f}", ""),
        ("resident memory, MB", f"{stack.runtime.resident_mb():.0f}", ""),
    ]
    print(table((f"runtime process, {LEAST_RUNS} runs", "median", "spread"), rows))
    print("Asked: 25 % of a core at 10,000/s; 40,000 messages/s through nats-server.")


def _settle(stack: Stack) -> None:
    """Wait until the runtime has worked off what came before, and is connected should that have been too much."""
    runtime = stack.runtime
    wait_until(lambda: runtime.is_ready() and not runtime.metric(QUEUED), seconds=PATIENCE_SECONDS)


def _steady(stack: Stack) -> tuple[float, float]:
    """(the runtime's CPU time a second at ``LOADED_RATE`` messages a second, share of the messages given up)."""
    runtime = stack.runtime
    with _publishing(stack, "--rate", str(LOADED_RATE)):
        time.sleep(SETTLING_SECONDS)
        dropped, cpu, at = runtime.metric(DROPPED), runtime.cpu_seconds(), time.perf_counter()
        time.sleep(MEASURED_SECONDS)
        seconds = time.perf_counter() - at
        cpu = runtime.cpu_seconds() - cpu
        dropped = runtime.metric(DROPPED) - dropped
    return cpu / seconds, dropped / (LOADED_RATE * seconds)


def _burst(stack: Stack) -> tuple[float, float]:
    """(messages/s, CPU time of the runtime in microseconds a message), published as fast as they are processed."""
    with _publishing(stack, "--messages", str(BURST)) as process:
        cpu = stack.runtime.cpu_seconds()
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        cpu = stack.runtime.cpu_seconds() - cpu
    outcome = Outcome(**json.loads(output))
    if outcome.processed < BURST or outcome.dropped:
        raise RuntimeError(f"of {BURST:,} messages {outcome.processed:,} were processed, {outcome.dropped:,} dropped")
    return BURST / outcome.seconds, cpu / BURST * 1e6


@contextmanager
def _publishing(stack: Stack, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A publisher process that has sent its first message, for the time of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.publisher", "--nats-url", stack.nats.url, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    )
    with process:
        try:
            if process.stdout is None or process.stdout.readline() != "started\n":
                raise RuntimeError("the publisher did not start")
            yield process
        finally:
            process.terminate()


def _percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


if __name__ == "__main__":
    main()

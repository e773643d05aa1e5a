"""What sharing the symbols costs a replica: ``python -m benchmarks.replicas``.

Two runtimes hear the same messages at the same time, so that the machine's other work hits both alike: one owns every
symbol, the other owns none and sets all of it aside, as replicas do with the symbols of the others.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import LEAST_RUNS, Sample, machine, table
from benchmarks.site import running_site
from benchmarks.stack import Runtime, running_runtime, wait_until
from embedded.servers import NatsServer, Valkey, die_with_parent

# No more than a runtime queues: on a busy machine it gets late, and gives up none.
MESSAGES = 10_000
RATE = 2_500
PATIENCE_SECONDS = 120.0
NOTHING = {"TRADING_SYMBOLS": "NONEUSDT"}
REPLICAS = (1, 2, 4, 8, 16)


def main() -> None:
    """Measure, and say how many messages a second each number of replicas is good for."""
    print(machine())
    with _two_runtimes() as (nats_url, owner, stranger):
        own: list[float] = []
        foreign: list[float] = []
        for _ in range(LEAST_RUNS):
            for costs, cost in zip((own, foreign), _costs(nats_url, owner, stranger), strict=True):
                costs.append(cost)
    kinds = {"of its own symbols": Sample(tuple(own)), "of symbols of others": Sample(tuple(foreign))}
    rows = [(name, f"{each.median:.1f}", f"{each.spread:.0%}") for name, each in kinds.items()]
    print(table((f"CPU time of a runtime at {RATE:,} messages/s", "us/message", "spread"), rows))
    print()
    own_us, foreign_us = (each.median for each in kinds.values())
    capacities = [
        (str(count), f"{1e6 / (own_us / count + foreign_us * (1 - 1 / count)):,.0f}", f"{count * 1e6 / own_us:,.0f}")
        for count in REPLICAS
    ]
    print(table(("replicas, a core each", "messages/s, all hear all", "messages/s, NATS deals out"), capacities))


def _costs(nats_url: str, *runtimes: Runtime) -> tuple[float, ...]:
    """Publish ``MESSAGES``: the CPU time of each runtime, in microseconds a message."""
    before = [(runtime.cpu_seconds(), _processed(runtime)) for runtime in runtimes]
    command = [sys.executable, "-m", "benchmarks.publisher", "--nats-url", nats_url]
    subprocess.run([*command, "--messages", str(MESSAGES), "--rate", str(RATE)], check=True, preexec_fn=die_with_parent)
    for runtime, (_, processed) in zip(runtimes, before, strict=True):
        wait_until(lambda: _processed(runtime) == processed + MESSAGES, seconds=PATIENCE_SECONDS)  # noqa: B023  (called here)
    return tuple(
        (runtime.cpu_seconds() - cpu) / MESSAGES * 1e6 for runtime, (cpu, _) in zip(runtimes, before, strict=True)
    )


def _processed(runtime: Runtime) -> int:
    processed: int = runtime.info()["runtime"]["counters"]["processed"]
    return processed


@contextmanager
def _two_runtimes() -> Iterator[tuple[str, Runtime, Runtime]]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Valkey(Path(folder) / "valkey") as valkey,
        NatsServer(Path(folder) / "nats") as nats,
        running_site(Path(folder), valkey.url),
    ):
        folders = [Path(folder) / name for name in ("owner", "stranger")]
        for each in folders:
            each.mkdir()
        with (
            running_runtime(folders[0], valkey.url, nats.url) as owner,
            running_runtime(folders[1], valkey.url, nats.url, environ=NOTHING) as stranger,
        ):
            yield nats.url, owner, stranger


if __name__ == "__main__":
    main()

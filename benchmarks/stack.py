"""The product as it runs, for benchmarks: real servers, the site under granian, the runtime as its own process."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.site import PREFIX, running_site
from embedded.servers import HOST, NatsServer, Valkey, die_with_parent, free_port
from tests.live_site import LiveSite

READY_SECONDS = 30.0
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Runtime:
    """A running runtime. ``metrics`` are the numbers of its /info; ``process`` tells its CPU time."""

    port: int
    process: psutil.Process

    def info(self) -> Any:
        """The runtime's /info."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/info", timeout=10) as answer:
            return json.load(answer)

    def is_ready(self) -> bool:
        """Whether it is connected to everything; false also where it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/ready", timeout=2) as answer:
                return bool(json.load(answer)["status"] == "ok")
        except OSError:
            return False

    def metric(self, name: str) -> float:
        """The sum over all label sets of one metric of /metrics."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    def resident_mb(self) -> float:
        """Resident memory in MB."""
        return self.process.memory_info().rss / 1e6


@dataclass(frozen=True, slots=True)
class Stack:
    """What is running. ``site`` answers as admin."""

    valkey: Valkey
    nats: NatsServer
    site: LiveSite
    runtime: Runtime


@contextmanager
def running_stack(*, environ: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Start everything in a folder that is gone afterwards; ``environ`` goes to the runtime."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Valkey(Path(folder) / "valkey") as valkey,
        NatsServer(Path(folder) / "nats") as nats,
        running_site(Path(folder), valkey.url) as site,
        running_runtime(Path(folder), valkey.url, nats.url, environ=environ) as runtime,
    ):
        yield Stack(valkey, nats, site, runtime)


@contextmanager
def running_runtime(
    folder: Path, redis_url: str, nats_url: str, *, environ: Mapping[str, str] | None = None
) -> Iterator[Runtime]:
    """Start a runtime whose files lie in ``folder``; ``environ`` wins over what is usual here."""
    port = free_port()
    environment: Mapping[str, str] = {
        **os.environ,
        "REDIS_URL": redis_url,
        "REDIS_KEY_PREFIX": PREFIX,
        "NATS_URL": nats_url,
        "CONFIG_SNAPSHOT_PATH": str(folder / "snapshot.json"),
        "HEALTH_CHECK_PORT": str(port),
        "HEARTBEAT_INTERVAL_SECONDS": "1",
        "MESSAGE_TTL_SECONDS": "0",
        "STRATEGY_ENABLED_ONCHAIN_METRICS": "true",
        "LOG_LEVEL": "WARNING",
        **(environ or {}),
    }
    with (folder / "runtime.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "realtime_runtime", "run"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environment),
            preexec_fn=die_with_parent,
        )
    try:
        runtime = Runtime(port, psutil.Process(process.pid))
        wait_until(lambda: process.poll() is not None or runtime.is_ready())
        if process.poll() is not None:
            raise RuntimeError(f"the runtime ended at its start:\n{(folder / 'runtime.log').read_text()[-2000:]}")
        yield runtime
    finally:
        process.terminate()
        process.wait(15)


def wait_until(condition: Callable[[], bool], *, seconds: float = READY_SECONDS) -> None:
    """Poll until ``condition`` holds; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the benchmark's condition did not come true in time")
        time.sleep(POLL_SECONDS)

"""A running product for whoever watches it: site, worker, two runtimes and a simulated market, all of them traced."""

import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from embedded.servers import HOST, NatsServer, Valkey, free_port
from tests.clean_environment import clean_environment
from tests.faults.processes import ChildProcess, RuntimeProcess, Worker
from tests.live_site import LiveSite
from tests.monitoring.collector import Collector, collecting
from tests.plain_http import NO_ROOTS
from tests.waiting import until

RUNTIMES = 2


@dataclass
class Watched:
    """The product and the collector of its traces. ``pages`` are the addresses that Prometheus asks, by process."""

    site: LiveSite
    worker: Worker
    runtimes: list[RuntimeProcess]
    collector: Collector
    nats_url: str
    topic: str
    pages: dict[str, str]

    def samples(self, process: str) -> dict[str, float]:
        """What a process shows: the value of each sample, the labels being part of its name."""
        families = text_string_to_metric_families(httpx.get(self.pages[process], timeout=30, verify=NO_ROOTS).text)
        return {
            each.name + str(sorted(each.labels.items())): each.value for family in families for each in family.samples
        }

    def moved(self, process: str, before: dict[str, float]) -> set[str]:
        """The names of the metrics that have risen since ``before``."""
        now = self.samples(process)
        return {name.split("[")[0] for name, value in now.items() if value > before.get(name, 0.0)}


@pytest.fixture(scope="module")
def watched(
    prepared_site: LiveSite, valkey: Valkey, nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """Everything runs, and market data has reached both runtimes."""
    directory, prefix, worker_port = tmp_path_factory.mktemp("watched"), f"watched-{uuid.uuid4().hex[:8]}", free_port()
    (directory / "prometheus").mkdir()
    with ExitStack() as stack:
        collector = stack.enter_context(collecting())
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        environment = {**traced, "LOG_LEVEL": "INFO", "WORKER_METRICS_PORT": str(worker_port)}
        multiprocess = {"PROMETHEUS_MULTIPROC_DIR": str(directory / "prometheus")}
        prepared = (prepared_site.store, prepared_site.tokens)
        site = LiveSite(
            directory / "site",
            redis_url=valkey.url,
            prefix=prefix,
            prepared=prepared,
            environment=environment | multiprocess,
        )
        stack.callback(site.stop)
        site.start()
        # The folder is the web's alone.
        del site.environment["PROMETHEUS_MULTIPROC_DIR"]
        worker = stack.enter_context(Worker(site, directory))
        market = {"NATS_URL": nats_server.url, "NATS_CONSUMER_TOPIC": f"{prefix}.data"}
        own = {"REDIS_URL": valkey.url, "REDIS_KEY_PREFIX": prefix, "NATS_TOPIC_INTENTS": f"{prefix}.intents"}
        runtimes = [
            stack.enter_context(_runtime(directory / f"runtime-{number}", {**traced, **market, **own}, number))
            for number in range(RUNTIMES)
        ]
        command = (sys.executable, "-m", "realtime_runtime", "feed", "simulate")
        stack.enter_context(ChildProcess(command, {**clean_environment(), **market}, directory / "feed.log"))
        pages = {"site": f"{site.url}/metrics", "worker": f"http://{HOST}:{worker_port}/metrics"}
        pages |= {f"runtime-{n}": f"http://{HOST}:{each.port}/metrics" for n, each in enumerate(runtimes)}
        found = Watched(site, worker, runtimes, collector, nats_server.url, f"{prefix}.data", pages)
        until(lambda: all(each.status() == "ok" for each in runtimes))
        until(lambda: all(found.samples(f"runtime-{n}")["realtime_runtime_symbols[]"] for n in range(RUNTIMES)))
        yield found


def _runtime(directory: Path, environment: dict[str, str], number: int) -> RuntimeProcess:
    directory.mkdir()
    shares = {"RUNTIME_REPLICAS": str(RUNTIMES), "RUNTIME_ORDINAL": str(number), "HOSTNAME": f"runtime-{number}"}
    return RuntimeProcess(environment | shares, directory)

"""Fixtures of the fault suite: a whole installation on servers of its own, and waiting for a condition."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from embedded.servers import NatsServer, Valkey
from strategy_core.configuration import redis_keys, runtime_reports
from tests.faults.hostile import FIGURES
from tests.faults.processes import RuntimeProcess, Worker
from tests.live_site import LiveSite
from tests.runtime.conftest import Environ
from tests.runtime.market import Market
from tests.runtime.site import Site
from tests.waiting import until

PREFIX = "faults"
SKEW = "/api/v1/strategies/orderbook_skew/config"


def pytest_sessionfinish() -> None:
    """Print what the hostile clients' victims took, for whoever looks (``-s``)."""
    if table := FIGURES.table():
        print(f"\nUnder slow and aborted connections:\n{table}")


@dataclass
class Installation:
    """A site with its worker, a runtime, and their servers."""

    site: LiveSite
    valkey: Valkey
    nats: NatsServer
    runtime: RuntimeProcess
    worker: Worker

    def redis(self) -> redis.Redis:
        """A client of the installation's Redis."""
        return redis.Redis.from_url(self.valkey.url)

    def write(self, levels: int) -> dict[str, Any]:
        """Change a parameter; the metadata of the answer."""
        answer = self.site.post(SKEW, {"parameters": {"top_levels": levels}, "changed_by": "faults"}).json()
        assert answer["success"], answer
        metadata: dict[str, Any] = answer["metadata"]
        return metadata

    def acks(self, sequence: int) -> list[runtime_reports.Ack]:
        """The answers to one change."""
        entries: Any = self.redis().xrange(redis_keys.Keys(PREFIX).acks)
        found = (runtime_reports.decode_ack(fields[b"p"]) for _, fields in entries)
        return [ack for ack in found if ack.sequence == sequence]


@pytest.fixture(scope="module")
def installation(prepared_site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all tests of a module: each leaves it as it found it."""
    directory = tmp_path_factory.mktemp("installation")
    with Valkey(directory / "valkey") as valkey, NatsServer(directory / "nats") as nats:
        site = LiveSite(
            directory / "site",
            redis_url=valkey.url,
            prefix=PREFIX,
            prepared=(prepared_site.store, prepared_site.tokens),
        ).start()
        servers = {"REDIS_URL": valkey.url, "REDIS_KEY_PREFIX": PREFIX, "NATS_URL": nats.url}
        try:
            with RuntimeProcess(servers, directory) as runtime, Worker(site, directory) as worker:
                until(lambda: runtime.status() == "ok")
                yield Installation(site, valkey, nats, runtime, worker)
        finally:
            site.stop()


@pytest.fixture
def variables(redis_prefix: str, nats_subject: str, valkey: Valkey, fresh_nats: NatsServer) -> Environ:
    """The environment of runtimes as processes, on a NATS of this test's own."""
    return {
        "REDIS_URL": valkey.url,
        "REDIS_KEY_PREFIX": redis_prefix,
        "NATS_URL": fresh_nats.url,
        "NATS_CONSUMER_TOPIC": f"{nats_subject}.data",
        "NATS_TOPIC_INTENTS": f"{nats_subject}.intents",
    }


@pytest.fixture
async def site(valkey: Valkey, redis_prefix: str) -> AsyncIterator[Site]:
    """A site for these runtimes, in a few lines."""
    publisher = Site(valkey.url, redis_prefix)
    yield publisher
    await publisher.close()


@pytest.fixture
async def market(variables: Environ) -> AsyncIterator[Market]:
    """The market of these runtimes."""
    connected = await Market.connect(variables)
    yield connected
    await connected.close()


@pytest.fixture(autouse=True)
def _quiet_polling(caplog: pytest.LogCaptureFixture) -> None:
    """Leave the requests of `until` out of a failure's log."""
    caplog.set_level("WARNING", logger="httpx")

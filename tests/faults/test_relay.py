"""The relay of changes killed, NATS away, Redis flushed or away: every change is told, once, in order."""

import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import redis

from embedded.servers import NatsServer, Valkey
from tests.change_listener import ChangeListener
from tests.faults.conftest import PREFIX, SKEW
from tests.faults.processes import RelayProcess
from tests.live_site import LiveSite
from tests.waiting import until

PAUSE_SECONDS = 0.02


@dataclass
class Installation:
    """A site and its relay, their servers, and a service that is told."""

    site: LiveSite
    valkey: Valkey
    nats: NatsServer
    relay: RelayProcess
    listener: ChangeListener

    def write(self, count: int) -> int:
        """Make changes one after another; the sequence of the last."""
        for _ in range(count):
            body = {"parameters": {"top_levels": 5}, "changed_by": "faults"}
            last: int = self.site.post(f"{SKEW}?force=true", body).json()["metadata"]["sequence"]
        return last

    def told_up_to(self, sequence: int) -> None:
        """Wait for the change; all before it were told in order, none is missing."""
        until(lambda: self.listener.count() >= sequence)
        assert self.listener.sequences() == list(range(1, sequence + 1))


@pytest.fixture(scope="module")
def told(prepared_site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all tests of this module: each leaves everything running."""
    directory = tmp_path_factory.mktemp("told")
    with Valkey(directory / "valkey") as valkey, NatsServer(directory / "nats") as nats:
        site = LiveSite(
            directory / "site",
            redis_url=valkey.url,
            prefix=PREFIX,
            prepared=(prepared_site.store, prepared_site.tokens),
        ).start()
        try:
            with RelayProcess(site, nats.url, directory) as relay:
                installed = Installation(site, valkey, nats, relay, ChangeListener(nats))
                installed.told_up_to(installed.write(1))
                yield installed
        finally:
            site.stop()


def test_relay__killed_again_and_again_while_changes_are_made__leaves_none_out(told: Installation) -> None:
    last: list[int] = []
    is_ending = threading.Event()

    def change() -> None:
        while not is_ending.wait(PAUSE_SECONDS):
            last.append(told.write(1))

    writer = threading.Thread(target=change)
    writer.start()
    try:
        for _ in range(3):
            seen = told.listener.count()
            until(lambda seen=seen: told.listener.count() > seen)  # type: ignore[misc]  # a lambda's default
            told.relay.end(signal.SIGKILL)
            told.relay.start()
    finally:
        is_ending.set()
        writer.join()
    told.told_up_to(last[-1])


def test_nats__away_while_changes_are_made__tells_them_when_it_is_back(told: Installation) -> None:
    told.nats.stop()
    try:
        last = told.write(5)
    finally:
        told.nats.start()
    told.told_up_to(last)
    told.told_up_to(told.write(1))


@pytest.mark.parametrize("is_running", [True, False], ids=["relay running", "relay down"])
def test_redis__flushed__no_change_is_left_out(told: Installation, is_running: bool) -> None:
    if not is_running:
        told.relay.end()
    told.write(3)
    with redis.Redis.from_url(told.valkey.url) as client:
        client.flushall()
    last = told.write(2)
    if not is_running:
        told.relay.start()
    told.told_up_to(last)
    told.told_up_to(told.write(1))


def test_redis__away__changes_are_told_all_the_same(told: Installation) -> None:
    told.valkey.stop()
    try:
        told.told_up_to(told.write(2))
    finally:
        told.valkey.start()
    told.told_up_to(told.write(2))


def test_relay__ended_while_nats_hangs__ends_and_goes_on_after_its_next_start(told: Installation) -> None:
    told.nats.pause()
    last = told.write(1)
    told.relay.end()
    assert told.relay.exit_code == 0
    told.nats.resume()
    told.relay.start()
    told.told_up_to(last)

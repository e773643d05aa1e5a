"""Redis killed, flushed, restarted, out of memory, read-only: no change is lost, and nothing needs a restart."""

from collections.abc import Callable

import pytest

from strategy_core.configuration import redis_keys
from tests.faults.conftest import PREFIX, SKEW, Installation
from tests.waiting import until

Fault = Callable[[Installation], object]


def kill(installed: Installation) -> None:
    installed.valkey.kill()


def flush(installed: Installation) -> None:
    installed.redis().flushall()


def lose_documents(installed: Installation) -> None:
    installed.redis().delete(redis_keys.Keys(PREFIX).config)


def lose_the_list(installed: Installation) -> None:
    installed.redis().delete(redis_keys.Keys(PREFIX).sequences)


def start(installed: Installation) -> None:
    installed.valkey.start()


def fill_up(installed: Installation) -> None:
    client = installed.redis()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)


def give_memory(installed: Installation) -> None:
    installed.redis().config_set("maxmemory", 0)


def make_replica(installed: Installation) -> None:
    """Of nobody who answers: it serves what it has, and takes nothing."""
    installed.redis().execute_command("REPLICAOF", "127.0.0.1", "1")


def make_primary(installed: Installation) -> None:
    installed.redis().execute_command("REPLICAOF", "NO", "ONE")


def nothing(installed: Installation) -> None:
    """The fault is over by itself."""


@pytest.mark.parametrize(
    ("fault", "lift", "levels"),
    [
        pytest.param(kill, start, 3, id="killed"),
        pytest.param(flush, nothing, 4, id="flushed"),
        pytest.param(lose_documents, nothing, 7, id="documents-lost"),
        pytest.param(lose_the_list, nothing, 8, id="list-lost"),
        pytest.param(fill_up, give_memory, 5, id="out-of-memory"),
        pytest.param(make_replica, make_primary, 6, id="read-only"),
    ],
)
def test_redis__at_fault__changes_are_kept_and_reach_the_runtime_afterwards(
    installation: Installation, fault: Fault, lift: Fault, levels: int
) -> None:
    before = installation.write(2)["sequence"]
    until(lambda: installation.runtime.sequence() == before)
    fault(installation)
    sequence = installation.write(levels)["sequence"]
    assert installation.site.get(SKEW).status_code == 200
    assert installation.site.get("/ready").status_code == 200
    assert installation.runtime.status() in {"ok", "degraded"}
    lift(installation)
    until(lambda: installation.runtime.sequence() == sequence)
    until(lambda: installation.acks(sequence))
    # A notice to read everything again, as after a repair, is acknowledged as well.
    assert {ack.status for ack in installation.acks(sequence)} == {"applied"}
    served = until(lambda: (body := installation.site.get(SKEW).json())["metadata"]["cache_hit"] and body)
    assert served["data"]["parameters"]["top_levels"] == levels
    until(lambda: installation.runtime.status() == "ok")


def test_redis__hanging_when_a_change_is_made__told_when_it_goes_on(installation: Installation) -> None:
    installation.valkey.pause()
    try:
        written = installation.write(8)
        assert written["published"] is False
    finally:
        installation.valkey.resume()
    until(lambda: installation.runtime.sequence() == written["sequence"])


def test_redis__gone_and_back_many_times__every_sequence_is_answered_once(installation: Installation) -> None:
    """With its data kept: as a replica it refuses the acknowledgements, too."""
    sequences = []
    for levels in range(2, 7):
        sequences.append(installation.write(levels)["sequence"])
        make_replica(installation)
        sequences.append(installation.write(levels)["sequence"])
        make_primary(installation)
    until(lambda: installation.runtime.sequence() == sequences[-1])
    until(lambda: installation.acks(sequences[-1]))
    assert {sequence: len(installation.acks(sequence)) for sequence in sequences} == dict.fromkeys(sequences, 1)
    ids = [int(entry_id.split(b"-")[0]) for entry_id, _ in installation.redis().xrange(redis_keys.Keys(PREFIX).changes)]
    assert ids == sorted(ids)

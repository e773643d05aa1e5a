"""A Redis Cluster: with braces in the prefix all keys are in one slot, and without them scripts are refused."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from embedded.servers import NatsServer, Valkey, free_port
from strategy_core.configuration import redis_keys
from tests.live_site import LiveSite
from tests.runtime.conftest import Environ, RunningApp
from tests.runtime.market import is_listening
from tests.runtime.site import Site
from tests.waiting import eventually

SLOTS = 16_384


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Valkey]:
    """A cluster of one node that has all slots."""
    # By default the nodes talk on a port that is 10,000 higher, which may be too high.
    arguments = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with Valkey(tmp_path / "cluster", arguments=arguments) as server:
        with redis.Redis.from_url(server.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
            while "cluster_state:ok" not in str(client.execute_command("CLUSTER", "INFO")):
                continue
        yield server


async def test_runtime__on_a_cluster__reads_the_configuration_where_all_keys_share_a_slot(
    environ: Environ, cluster: Valkey, nats_server: NatsServer, running_app: RunningApp
) -> None:
    prefix = "{strategies}"
    site = Site(cluster.url, prefix)
    await site.set_layer("orderbook_skew", top_levels=7)
    variables = environ | {"REDIS_URL": cluster.url, "NATS_URL": nats_server.url, "REDIS_KEY_PREFIX": prefix}
    async with running_app(variables) as app:
        await is_listening(app)
        await site.set_layer("orderbook_skew", "BTCUSDT", top_levels=8)
        await eventually(lambda: app.runtime.config.live.sequence == 2)
        await eventually(lambda: app.runtime.config.degraded is None)
    keys = redis_keys.Keys(prefix)
    with redis.Redis.from_url(cluster.url) as client:
        slots = {
            client.execute_command("CLUSTER", "KEYSLOT", key) for key in (keys.config, keys.acks, keys.runtime("x"))
        }
    assert len(slots) == 1
    await site.close()


async def test_scripts__on_a_cluster__are_refused_without_the_braces(cluster: Valkey) -> None:
    site = Site(cluster.url, "strategies")
    with pytest.raises(redis.ResponseError, match="(?i)same slot"):
        await site.set_layer("orderbook_skew", top_levels=7)
    await site.close()


def test_site__on_a_cluster__publishes_and_serves(
    cluster: Valkey, prepared_site: LiveSite, tmp_path: Path, live_site: Callable[..., LiveSite]
) -> None:
    site = live_site(redis_url=cluster.url, environment={"REDIS_KEY_PREFIX": "{strategies}"})
    answer = site.request(
        "PATCH", "/api/v1/strategies/orderbook_skew/config", json={"parameters": {"top_levels": 7}, "changed_by": "ann"}
    ).json()
    assert (answer["success"], answer["metadata"]["published"]) == (True, True)
    refreshed = site.post("/api/v1/strategies/cache/refresh").json()
    assert refreshed["success"], refreshed

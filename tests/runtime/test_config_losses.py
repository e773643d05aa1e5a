"""What Redis loses is noticed, said and asked for; the last good configuration stays, on disk, too."""

from pathlib import Path
from typing import Any

import pytest

from embedded.servers import Valkey
from realtime_runtime.config import snapshot
from realtime_runtime.config.client import ConfigClient
from tests.runtime.conftest import Environ, RunningApp, RunningClient, get_json
from tests.runtime.site import Site, document, layer_config
from tests.waiting import eventually

SKEW, VELOCITY, BTC = "orderbook_skew", "ticker_velocity", "BTCUSDT"


def documents(sequence: int = 1, **own: Any) -> dict[str, bytes | None]:
    return {
        SKEW: document(layer_config(SKEW, sequence=sequence, **own)),
        f"{SKEW}:{BTC}": document(layer_config(SKEW, BTC, sequence=sequence, **own)),
    }


def threshold(client: ConfigClient) -> float:
    parameters: Any = client.live.active.lookup(SKEW, None).parameters
    return float(parameters.buy_threshold)


async def test_document__lost__said_asked_for_and_back_after_the_rewrite(
    site: Site, valkey: Valkey, running_client: RunningClient, tmp_path: Path, redis_prefix: str
) -> None:
    path = tmp_path / "snapshot.json"
    async with running_client(valkey.url, ttl_seconds=0.2, path=path) as client:
        await site.publish(documents(buy_threshold=1.5))
        await eventually(lambda: client.live.sequence == 1)
        assert await client.save_snapshot()
        before = snapshot.read(path, prefix=redis_prefix)
        await site.redis.hdel(site.keys.config, SKEW)
        asked = await eventually(lambda: site.redis.get(site.keys.repair))
        assert SKEW in asked.decode()
        assert SKEW in (client.degraded or "")
        assert "last good" in (client.degraded or "")
        assert threshold(client) == 1.5
        assert 0 < await site.redis.ttl(site.keys.repair) <= 60
        assert await client.save_snapshot()
        assert snapshot.read(path, prefix=redis_prefix) == before

        await site.rewrite(documents(buy_threshold=1.5))
        await eventually(lambda: client.degraded is None)
        assert client.counters.damaged


@pytest.mark.parametrize("name", ["config", "sequences", "sequence"])
async def test_change__after_a_loss__is_in_force_nevertheless(
    site: Site, valkey: Valkey, running_client: RunningClient, name: str
) -> None:
    async with running_client(valkey.url, ttl_seconds=0.2) as client:
        await site.publish(documents(buy_threshold=1.5))
        await eventually(lambda: client.live.sequence == 1)
        await site.redis.delete(f"{site.keys.prefix}:{name}")
        await eventually(lambda: client.condition.damage)
        await site.publish({SKEW: document(layer_config(SKEW, sequence=2, buy_threshold=1.9))})
        await eventually(lambda: threshold(client) == 1.9)


async def test_documents__named_in_a_change_and_lost_before_they_were_read__kept_and_asked_for(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    """A change of many layers names them; the hash may be gone when the runtime reads it."""
    async with running_client(valkey.url) as client:
        await site.publish(documents(buy_threshold=1.5))
        await eventually(lambda: client.live.sequence == 1)
        async with site.redis.pipeline(transaction=True) as together:
            site.redis, real = together, site.redis
            with pytest.raises(AssertionError):
                await site.publish(documents(2, buy_threshold=1.9), is_embedded=False)
            together.delete(site.keys.config)
            site.redis = real
            await together.execute()
        await eventually(lambda: client.condition.damage)
        assert (threshold(client), client.live.active.lookup(SKEW, BTC).enabled) == (1.5, True)
        assert await eventually(lambda: site.redis.get(site.keys.repair))


async def test_redis__set_back_by_a_replica__not_followed_until_the_site_says_so(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url, ttl_seconds=0.2) as client:
        await site.publish(documents(buy_threshold=1.5))
        await site.publish(documents(2, buy_threshold=1.9))
        await eventually(lambda: client.live.sequence == 2)
        await site.redis.delete(site.keys.config, site.keys.sequences, site.keys.sequence, site.keys.changes)
        site.sequence = 0
        await site.publish(documents(buy_threshold=1.5))
        await eventually(lambda: "behind" in (client.degraded or ""))
        assert (threshold(client), client.live.sequence) == (1.9, 2)
        await site.publish(documents(2, buy_threshold=1.9))
        await eventually(lambda: client.degraded is None)


async def test_redis__that_may_evict__is_said_and_measured(
    environ: Environ, fresh_valkey: Valkey, nats_server: Any, running_app: RunningApp, redis_prefix: str
) -> None:
    site = Site(fresh_valkey.url, redis_prefix)
    await site.redis.config_set("maxmemory-policy", "allkeys-lru")
    await site.publish(documents())
    async with running_app(environ | {"REDIS_URL": fresh_valkey.url, "NATS_URL": nats_server.url}) as app:
        await eventually(lambda: app.runtime.config.live.sequence == 1)
        assert app.runtime.config.condition.may_evict
        [warning] = (await get_json(app, "/ready"))[1]["checks"]["config"]["warnings"]
        assert "allkeys-lru" in warning
    await site.close()


async def test_ready__of_a_start_that_knows_nothing__says_what_it_waits_for(
    environ: Environ, nats_server: Any, running_app: RunningApp
) -> None:
    variables = environ | {"REDIS_URL": "redis://127.0.0.1:1/0", "NATS_URL": nats_server.url}
    async with running_app(variables | {"COLD_START": "hold", "COLD_START_WAIT_SECONDS": "3600"}) as app:
        await eventually(lambda: app.runtime.bus.attempted.is_set())
        status, body = await get_json(app, "/ready")
        assert (status, body["status"]) == (503, "starting")
        assert "nothing is known" in body["checks"]["config"]["reason"]
        assert set(body["checks"]["config"]["not_trading"]) >= {SKEW, VELOCITY}
    async with running_app(variables | {"COLD_START": "hold"}) as app:
        status, body = await eventually(lambda: _settled(app))
        assert (status, body["status"]) == (200, "degraded")
        assert "COLD_START=hold" in body["checks"]["config"]["reason"]
        assert (await get_json(app, "/info"))[1]["configuration"]["enabled_strategies"] == []


async def _settled(app: Any) -> Any:
    status, body = await get_json(app, "/ready")
    return (status, body) if body["status"] != "starting" else None


async def test_runtime__whose_user_of_redis_may_not_read_the_list__reads_the_rest(
    fresh_valkey: Valkey, redis_prefix: str, running_client: RunningClient
) -> None:
    """As with the users of the version before; a loss of all documents is noticed nevertheless."""
    site = Site(fresh_valkey.url, redis_prefix)
    await site.redis.execute_command("ACL", "SETUSER", "old", "on", ">old", "~*", "+@all", "-hkeys", "-info")
    await site.publish(documents(buy_threshold=1.5))
    async with running_client(fresh_valkey.url.replace("redis://", "redis://old:old@"), ttl_seconds=0.2) as client:
        await eventually(lambda: threshold(client) == 1.5)
        await site.publish(documents(2, buy_threshold=1.9))
        await eventually(lambda: threshold(client) == 1.9)
        await site.redis.delete(site.keys.config)
        await eventually(lambda: SKEW in (client.condition.damage or ""))
        assert threshold(client) == 1.9
    await site.close()

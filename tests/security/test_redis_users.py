"""The users of docs/redis-users.acl: enough for their process, and nothing else."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from embedded.servers import NatsServer
from strategy_config.redis.site_keys import SiteKeys
from strategy_core.configuration.halts import Halt
from tests.change_listener import ChangeListener
from tests.faults.processes import RelayProcess, Worker
from tests.live_site import LiveSite
from tests.runtime.conftest import Environ, RunningApp
from tests.runtime.market import Market, is_listening
from tests.runtime.site import Site
from tests.security.conftest import GuardedRedis
from tests.waiting import eventually

SKEW = "orderbook_skew"
PATH = f"/api/v1/strategies/{SKEW}/config"


def keys_of(prefix: str) -> dict[str, str]:
    keys = SiteKeys(prefix)
    return {
        "config": keys.config,
        "sequence": keys.sequence,
        "sequences": keys.sequences,
        "set": keys.change_set(1),
        "repair": keys.repair,
        "changes": keys.changes,
        "halts": keys.halts,
        "resumed": keys.resumed,
        "told_halts": keys.told_halts,
        "identities": keys.identities,
        "heartbeat": keys.runtime("x"),
        "acks": keys.acks,
        "signals": keys.signals,
        "market": keys.market,
        "pressure": keys.pressure("BTCUSDT"),
        "prices": keys.prices("BTCUSDT"),
        "login": keys.login("x"),
        "broker": f"{prefix}:celery:celery",
        "foreign": "somebody:else",
    }


Attempt = Callable[[Any, dict[str, str]], object]
RUNTIME_DENIED: dict[str, Attempt] = {
    "write a config": lambda client, keys: client.execute_command("HSET", keys["config"], "f", "v"),
    "write the sequence": lambda client, keys: client.set(keys["sequence"], 1),
    "forge the list of what was written": lambda client, keys: client.hdel(keys["sequences"], "f"),
    "forge a set": lambda client, keys: client.set(keys["set"], "x"),
    "read what another asked for": lambda client, keys: client.get(keys["repair"]),
    "delete the changes": lambda client, keys: client.delete(keys["changes"]),
    "forge a change": lambda client, keys: client.xadd(keys["changes"], {"p": "x"}),
    "end a halt": lambda client, keys: client.execute_command("HDEL", keys["halts"], "f"),
    "say that a halt was resumed": lambda client, keys: client.execute_command("HSET", keys["resumed"], "f", "v"),
    "set the identities": lambda client, keys: client.set(keys["identities"], 1),
    "lift a lockout": lambda client, keys: client.delete(keys["login"]),
    "give the worker a task": lambda client, keys: client.execute_command("LPUSH", keys["broker"], "x"),
    "read a history": lambda client, keys: client.get(keys["pressure"]),
    "read prices": lambda client, keys: client.lrange(keys["prices"], 0, -1),
    "read another's key": lambda client, keys: client.get(keys["foreign"]),
    "run a script": lambda client, keys: client.eval("return 1", 0),
    "subscribe": lambda client, keys: client.execute_command("SUBSCRIBE", "x"),
    "list keys": lambda client, keys: client.execute_command("KEYS", "*"),
    "flush": lambda client, keys: client.flushdb(),
    "read the server's settings": lambda client, keys: client.config_get("*"),
    "read users": lambda client, keys: client.execute_command("ACL", "LIST"),
}
WEB_DENIED: dict[str, Attempt] = {
    "forge an acknowledgement": lambda client, keys: client.xadd(keys["acks"], {"p": "x"}),
    "forge a heartbeat": lambda client, keys: client.set(keys["heartbeat"], "x"),
    "forge market metrics": lambda client, keys: client.execute_command("HSET", keys["market"], "f", "v"),
    "forge a history": lambda client, keys: client.set(keys["pressure"], "x"),
    "forge a price": lambda client, keys: client.execute_command("RPUSH", keys["prices"], "x"),
    "give the worker a task": lambda client, keys: client.execute_command("LPUSH", keys["broker"], "x"),
    "read another's key": lambda client, keys: client.get(keys["foreign"]),
    "reach another's key by a script": lambda client, keys: client.eval(
        "return redis.call('GET', KEYS[1])", 1, keys["foreign"]
    ),
    "list keys": lambda client, keys: client.execute_command("KEYS", "*"),
    "flush": lambda client, keys: client.flushdb(),
    "read the server's settings": lambda client, keys: client.config_get("*"),
}
WORKER_DENIED: dict[str, Attempt] = {
    name: WEB_DENIED[name] for name in ("forge an acknowledgement", "read another's key", "list keys", "flush")
} | {"lift a lockout": RUNTIME_DENIED["lift a lockout"]}


@pytest.mark.parametrize(
    ("user", "denied"), [("runtime", RUNTIME_DENIED), ("web", WEB_DENIED), ("worker", WORKER_DENIED)]
)
def test_user__anything_that_is_not_its_own__is_denied(
    guarded_redis: GuardedRedis, redis_prefix: str, user: str, denied: dict[str, Attempt]
) -> None:
    keys = keys_of(redis_prefix)
    with redis.Redis.from_url(guarded_redis.url(user)) as client:
        assert client.ping()
        for name, attempt in denied.items():
            with pytest.raises(redis.exceptions.NoPermissionError):
                pytest.fail(f"{user} could {name}: {attempt(client, keys)}")


def test_nobody__without_a_password__gets_nothing(guarded_redis: GuardedRedis) -> None:
    with (
        redis.Redis(host="127.0.0.1", port=guarded_redis.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


async def test_runtime__as_its_user__reads_changes_and_answers_with_signals(
    guarded_redis: GuardedRedis, environ: Environ, nats_server: NatsServer, running_app: RunningApp, redis_prefix: str
) -> None:
    site = Site(guarded_redis.url("web"), redis_prefix)
    variables = environ | {"REDIS_URL": guarded_redis.url("runtime"), "NATS_URL": nats_server.url}
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(variables) as app:
        market = await Market.connect(variables)
        await is_listening(app)
        await site.set_layer(SKEW, "BTCUSDT", min_signal_interval_seconds=0.0, base_confidence=0.9)
        await eventually(lambda: app.runtime.config.live.sequence == 2)
        await market.turn()
        await eventually(lambda: app.runtime.history.stored == 1)
        await eventually(lambda: app.runtime.market.writes)
        await market.turn()
        await eventually(lambda: app.runtime.market.writes > 1)
        assert app.runtime.market.failures == 0
        await eventually(lambda: app.runtime.prices.writes)
        assert [ack.status for ack in await site.acks() if ack.sequence == 2] == ["applied"]
        assert await site.redis.get(site.keys.runtime(app.runtime.settings.instance_id))
        assert app.runtime.config.counters.acks_lost == 0
        await app.runtime.halting.take_direct(Halt(id=str(uuid4())), is_shared=True)
        await eventually(lambda: site.redis.xrange(site.keys.told_halts))
        assert app.runtime.config.halts.problem == ""
        await market.close()
    await site.close()
    assert guarded_redis.denials() == []


def test_web__as_its_user__serves_and_publishes(
    guarded_redis: GuardedRedis, live_site: Callable[..., LiveSite], redis_prefix: str
) -> None:
    site = live_site(redis_url=guarded_redis.url("web"))
    written = site.post(PATH, {"parameters": {"buy_threshold": 1.3}, "changed_by": "jane"}).json()
    assert written["metadata"]["published"] is True
    read = [site.get(PATH).json()["metadata"] for _ in range(2)]
    assert (read[1]["cache_hit"], read[1]["degraded"]) == (True, False)
    assert site.get("/api/v1/runtimes").status_code == 200
    assert site.get("/api/v1/signals").status_code == 200
    assert site.post("/api/v1/strategies/cache/refresh").status_code == 200
    site.client.post("/admin/login/", data={"username": "x", "password": "y"})
    assert guarded_redis.denials() == []


def test_worker__as_its_user__publishes_what_was_missed(
    guarded_redis: GuardedRedis, live_site: Callable[..., LiveSite], redis_prefix: str, tmp_path: Path
) -> None:
    site = live_site(redis_url="redis://127.0.0.1:1/0")
    site.post(PATH, {"parameters": {"buy_threshold": 1.3}, "changed_by": "jane"})
    with Worker(site, tmp_path, REDIS_URL=guarded_redis.url("worker")) as worker:
        with redis.Redis.from_url(guarded_redis.url("web")) as client:
            _wait_for(lambda: client.get(SiteKeys(redis_prefix).sequence) == b"1", worker.log_path)
        worker.end()
    assert guarded_redis.denials() == []


def test_relay__as_the_workers_user__is_told_by_the_stream(
    guarded_redis: GuardedRedis, live_site: Callable[..., LiveSite], fresh_nats: NatsServer, tmp_path: Path
) -> None:
    listener = ChangeListener(fresh_nats)
    site = live_site(redis_url=guarded_redis.url("web"))
    with RelayProcess(site, fresh_nats.url, tmp_path, REDIS_URL=guarded_redis.url("worker")) as relay:
        for sequence in (1, 2):
            site.post(PATH, {"parameters": {"buy_threshold": 1.3 + sequence / 10}, "changed_by": "jane"})
            _wait_for(lambda wanted=sequence: listener.count() == wanted, relay.log_path)  # type: ignore[misc]  # a default
        assert "relay.waiting" not in relay.log_path.read_text()
    assert guarded_redis.denials() == []


def _wait_for(condition: Callable[[], bool], log_path: Path) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, log_path.read_text()[-3000:]
        time.sleep(0.05)

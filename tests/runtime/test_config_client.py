"""The live configuration against a real Valkey: changes, refusals, gaps, outages."""

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from embedded.servers import Valkey
from realtime_runtime.config import client as client_module
from realtime_runtime.config import snapshot
from realtime_runtime.config.client import ConfigClient
from strategy_core.configuration import runtime_reports, wire_documents
from tests.runtime.conftest import RunningClient
from tests.runtime.site import Site, document, layer_config, poison
from tests.waiting import eventually

SKEW = "orderbook_skew"


def threshold(client: ConfigClient, symbol: str | None = None) -> float:
    parameters: Any = client.live.active.lookup(SKEW, symbol).parameters
    return float(parameters.buy_threshold)


async def test_change__published__in_force_and_acknowledged_with_latency(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url) as client:
        generation = client.live.active.generation
        await site.set_layer(SKEW, buy_threshold=1.5)
        await site.set_layer(SKEW, "BTCUSDT", buy_threshold=2.5)
        acks = await eventually(lambda: _acks(site, 2))
        assert (threshold(client), threshold(client, "BTCUSDT"), threshold(client, "ETHUSDT")) == (1.5, 2.5, 1.5)
        assert [(ack.sequence, ack.status, ack.instance_id) for ack in acks] == [
            (1, "applied", "tested"),
            (2, "applied", "tested"),
        ]
        assert acks[1].latency_ms is not None
        assert acks[1].latency_ms == round(acks[1].latency_ms, 3)
        assert client.live.active.generation >= generation + 2
        assert client.live.active.lookup(SKEW, "BTCUSDT").symbol_version == 2


async def _acks(site: Site, count: int) -> list[runtime_reports.Ack]:
    acks = await site.acks()
    return acks if len(acks) >= count else []


@pytest.mark.parametrize("is_embedded", [True, False])
async def test_change__of_many_layers__in_one_swap(
    site: Site, valkey: Valkey, running_client: RunningClient, is_embedded: bool
) -> None:
    symbols = [f"SYM{number:03}USDT" for number in range(100)]
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW)
        await eventually(lambda: client.live.sequence == 1)
        generation = client.live.active.generation
        await site.publish(
            {
                f"{SKEW}:{symbol}": document(layer_config(SKEW, symbol, sequence=2, buy_threshold=2.0))
                for symbol in symbols
            },
            is_embedded=is_embedded,
        )
        await eventually(lambda: client.live.sequence == 2)
        assert client.live.active.generation == generation + 1
        assert {threshold(client, symbol) for symbol in symbols} == {2.0}


async def test_change__removes_a_layer__lower_layer_shows_through(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await site.set_layer(SKEW, "BTCUSDT", buy_threshold=2.5)
        await site.publish({f"{SKEW}:BTCUSDT": None})
        await eventually(lambda: client.live.sequence == 3)
        assert threshold(client, "BTCUSDT") == 1.5
        await site.publish({SKEW: None})
        await eventually(lambda: client.live.sequence == 4)
        assert threshold(client) == 1.2


POISON = {
    "wrong type": (SKEW, poison(layer_config(SKEW), top_levels="5")),
    "boolean for a number": (SKEW, poison(layer_config(SKEW), top_levels=True)),
    "out of range": (SKEW, poison(layer_config(SKEW), buy_threshold=99.0)),
    "broken rule": (SKEW, poison(layer_config(SKEW), buy_threshold=1.0, sell_threshold=1.0)),
    "not JSON": (SKEW, b"\xff{not json"),
    "empty": (SKEW, b"null"),
    "too deep": (SKEW, b"[" * 100_000),
    "another layer's": (SKEW, document(layer_config("trade_momentum"))),
    "unknown format": (SKEW, document(layer_config(SKEW)).replace(b'"format":1', b'"format":3')),
    "unknown strategy": (
        "no_such_strategy",
        document(msgspec.structs.replace(layer_config(SKEW), strategy_id="no_such_strategy")),
    ),
    "not a symbol": (f"{SKEW}:a b", document(layer_config(SKEW, "a b"))),
}


@pytest.mark.parametrize("name", POISON)
async def test_change__with_a_poisoned_document__refused_alone_and_acknowledged(
    site: Site, valkey: Valkey, running_client: RunningClient, name: str
) -> None:
    field, raw = POISON[name]
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        # The last good value is the one that this client has taken in, not one that was overwritten before it looked.
        await eventually(lambda: client.live.sequence == 1)
        await site.publish(
            {field: raw, "ticker_velocity": document(layer_config("ticker_velocity", sequence=2, time_window=120))},
            is_embedded=False,
        )
        acks = await eventually(lambda: _acks(site, 2))
        assert (acks[1].sequence, acks[1].status, acks[1].field) == (2, "rejected", field)
        assert acks[1].error
        assert threshold(client) == 1.5
        velocity: Any = client.live.active.lookup("ticker_velocity", None).parameters
        assert velocity.time_window == 120
        assert [refused.field for refused in client.live.refused] == [field]
        assert (client.live.sequence, client.live.applied) == (2, 1)

        await site.publish(
            {field: document(layer_config(SKEW, sequence=3, buy_threshold=1.6)) if field == SKEW else None}
        )
        await eventually(lambda: client.live.sequence == 3)
        assert client.live.refused == ()
        assert client.live.applied == 3


async def test_change__with_an_unknown_parameter__in_force_without_it_and_said_so(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url) as client:
        await site.publish({SKEW: poison(layer_config(SKEW, buy_threshold=1.5), surprise=1)})
        [ack] = await eventually(lambda: _acks(site, 1))
        assert (threshold(client), ack.status, "surprise" in (ack.error or "")) == (1.5, "applied", True)
        assert client.live.left_out == {SKEW: ("surprise",)}
        assert (client.live.refused, client.degraded) == ((), None)
        assert "surprise" in client.condition.warnings(client.live)[0]


async def test_entry__that_is_no_change__refused_and_everything_read_anew(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: client.live.sequence == 1)
        await site.redis.hset(site.keys.config, SKEW, document(layer_config(SKEW, sequence=2, buy_threshold=1.7)))
        await site.redis.set(site.keys.sequence, 2)
        await site.redis.xadd(site.keys.changes, {"p": b"rubbish"}, id="2-0")
        await eventually(lambda: threshold(client) == 1.7)
        assert ("rejected", 2) in {(ack.status, ack.sequence) for ack in await eventually(lambda: _acks(site, 2))}


async def test_sequence__with_a_gap__everything_read_anew(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: client.live.sequence == 1)
        await site.redis.hset(
            site.keys.config, "ticker_velocity", document(layer_config("ticker_velocity", enabled=False))
        )
        await site.publish({SKEW: document(layer_config(SKEW, sequence=5, buy_threshold=1.9))}, sequence=5)
        await eventually(lambda: client.live.sequence == 5)
        assert threshold(client) == 1.9
        assert client.live.active.lookup("ticker_velocity", None).enabled is False
        assert client.counters.gaps == 1
        assert {ack.sequence for ack in await eventually(lambda: _acks(site, 5))} == {1, 2, 3, 4, 5}


async def test_reload_notice__under_the_same_sequence__read_and_acknowledged(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: _acks(site, 1))
        await site.rewrite({SKEW: document(layer_config(SKEW, buy_threshold=1.8))})
        acks = await eventually(lambda: _acks(site, 2))
        assert threshold(client) == 1.8
        assert (acks[1].sequence, acks[1].status) == (1, "applied")
        assert acks[1].latency_ms is not None


async def test_redis__went_back_to_an_older_sequence__followed(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url) as client:
        await site.publish({SKEW: document(layer_config(SKEW, sequence=50, buy_threshold=1.5))}, sequence=50)
        await eventually(lambda: client.live.sequence == 50)
        site.sequence = 7
        await site.rewrite({SKEW: document(layer_config(SKEW, sequence=7, buy_threshold=1.3))})
        await eventually(lambda: client.live.sequence == 7)
        assert threshold(client) == 1.3
        await site.set_layer(SKEW, buy_threshold=1.4)
        await eventually(lambda: threshold(client) == 1.4)


async def test_redis__emptied_under_a_living_connection__kept_until_published_again(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: client.live.sequence == 1)
        await site.redis.delete(*[key async for key in site.redis.scan_iter(f"{site.keys.prefix}:*")])
        await eventually(lambda: client.degraded is not None)
        assert threshold(client) == 1.5
        site.sequence = 1
        await site.rewrite({SKEW: document(layer_config(SKEW, buy_threshold=1.6))})
        await eventually(lambda: client.degraded is None and threshold(client) == 1.6)


async def test_document__changed_behind_the_stream__repaired_after_the_time_to_live(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url, ttl_seconds=0.2) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: client.live.sequence == 1)
        await site.redis.hset(site.keys.config, SKEW, document(layer_config(SKEW, buy_threshold=1.7)))
        await eventually(lambda: threshold(client) == 1.7)


async def test_published_sequence__is_no_number__trades_on_and_recovers(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url, ttl_seconds=0.2) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: client.live.sequence == 1)
        await site.redis.set(site.keys.sequence, "rubbish")
        await eventually(lambda: client.counters.outages)
        assert threshold(client) == 1.5
        await site.redis.set(site.keys.sequence, "1")
        await eventually(lambda: client.degraded is None)


async def test_layer__expires__switches_by_itself_at_its_instant(
    site: Site, valkey: Valkey, running_client: RunningClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that the test sets: on the machine's own a slow one could be past the instant at the first look."""
    expires_at_ms = int(time.time() * 1000) + 300
    clock = [expires_at_ms - 1.0]
    monkeypatch.setattr(client_module, "_now_ms", lambda: clock[0])
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        own = layer_config(SKEW, "BTCUSDT", version=4, sequence=2, buy_threshold=2.5)
        after = layer_config(SKEW, "BTCUSDT", version=5, sequence=2, buy_threshold=1.5)
        await site.publish({f"{SKEW}:BTCUSDT": document(own, expires_at_ms=expires_at_ms, after=after)})
        await eventually(lambda: threshold(client, "BTCUSDT") == 2.5)
        assert client.live.active.lookup(SKEW, "BTCUSDT").symbol_version == 4
        assert client.counters.expired == 0
        clock[0] = float(expires_at_ms)
        await eventually(lambda: threshold(client, "BTCUSDT") == 1.5)
        assert client.live.active.lookup(SKEW, "BTCUSDT").symbol_version == 5
        assert client.counters.expired == 1


async def test_redis__stopped_and_back_empty__kept_then_followed_again(
    fresh_valkey: Valkey, redis_prefix: str, running_client: RunningClient
) -> None:
    site = Site(fresh_valkey.url, redis_prefix)
    async with running_client(fresh_valkey.url) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: client.live.sequence == 1)
        fresh_valkey.stop()
        await eventually(lambda: client.degraded is not None and client.stale_seconds > 0.5)
        assert threshold(client) == 1.5
        fresh_valkey.start()
        await eventually(lambda: client.is_connected)
        assert threshold(client) == 1.5
        await site.redis.connection_pool.disconnect()
        await site.rewrite({SKEW: document(layer_config(SKEW, buy_threshold=1.6))})
        await eventually(lambda: client.degraded is None and threshold(client) == 1.6)
        assert client.counters.outages == 1
    await site.close()


async def test_redis__hangs__noticed_and_followed_again(
    fresh_valkey: Valkey, redis_prefix: str, running_client: RunningClient
) -> None:
    site = Site(fresh_valkey.url, redis_prefix)
    async with running_client(fresh_valkey.url) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: client.live.sequence == 1)
        fresh_valkey.pause()
        await eventually(lambda: client.degraded is not None)
        fresh_valkey.resume()
        await site.set_layer(SKEW, buy_threshold=1.6)
        await eventually(lambda: threshold(client) == 1.6)
    await site.close()


async def test_snapshot__after_a_change__starts_without_redis(
    fresh_valkey: Valkey, redis_prefix: str, running_client: RunningClient, tmp_path: Path
) -> None:
    site, path = Site(fresh_valkey.url, redis_prefix), tmp_path / "snapshot.json"
    async with running_client(fresh_valkey.url, path=path):
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: (saved := snapshot.read(path, prefix=redis_prefix)) and saved.sequence == 1)
    fresh_valkey.kill()
    async with running_client(fresh_valkey.url, path=path) as client:
        assert (threshold(client), client.live.sequence) == (1.5, 1)
        assert client.degraded is not None
    await site.close()


async def test_snapshot__poisoned_since_in_redis__last_good_document_stays(
    site: Site, valkey: Valkey, running_client: RunningClient, tmp_path: Path
) -> None:
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: client.live.sequence == 1)
        assert await client.save_snapshot()
    await site.publish({SKEW: poison(layer_config(SKEW, sequence=2), buy_threshold=99.0)})
    async with running_client(valkey.url) as client:
        assert (threshold(client), client.live.sequence) == (1.5, 2)
        assert [refused.field for refused in client.live.refused] == [SKEW]


async def test_snapshot__cannot_be_written__counted_and_following_goes_on(
    site: Site, valkey: Valkey, running_client: RunningClient, tmp_path: Path
) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    async with running_client(valkey.url, path=blocked / "snapshot.json") as client:
        await site.set_layer(SKEW, buy_threshold=1.5)
        await eventually(lambda: client.counters.snapshot_failures)
        await site.set_layer(SKEW, buy_threshold=1.6)
        await eventually(lambda: threshold(client) == 1.6)


async def test_check__of_many_documents__lets_others_run_meanwhile(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    documents = {
        f"{SKEW}:SYM{number:04}USDT": document(layer_config(SKEW, f"SYM{number:04}USDT")) for number in range(600)
    }
    await site.publish({SKEW: document(layer_config(SKEW)), **documents})
    turns = 0
    async with running_client(valkey.url, ttl_seconds=60.0) as client:

        async def count_turns() -> None:
            nonlocal turns
            while client.live.sequence < 2:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        changed = {
            field: document(msgspec.structs.replace(wire_documents.decode_document(raw).config, sequence=2, version=2))
            for field, raw in documents.items()
        }
        await site.publish(changed)
        await counting
        assert turns > len(documents) // 64

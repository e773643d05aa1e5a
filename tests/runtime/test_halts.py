"""A runtime is halted over each path, and stays halted until exactly that halt is resumed."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import nats
import pytest

from embedded.servers import NatsServer, Valkey
from realtime_runtime.app import App
from realtime_runtime.halts.halt_paths import SECRET_HEADER
from realtime_runtime.messaging.outgoing import OutgoingSignal
from strategy_core.configuration.halts import EVERYTHING, SIGNATURE_HEADER, Halt, Scope, signature_of
from tests.runtime.conftest import Environ, RunningApp, get_json
from tests.runtime.market import Market, is_listening
from tests.runtime.site import Site
from tests.waiting import eventually

SKEW = "orderbook_skew"
SECRET = "a secret for tests alone"  # noqa: S105  (of this test)
FORGED = "another secret, guessed"
Asking = Callable[[App, dict[str, Any]], Awaitable[tuple[int, dict[str, Any]]]]


def a_halt(scope: Scope = EVERYTHING) -> Halt:
    return Halt(
        id=str(uuid4()), scope=scope, at="2026-01-01T00:00:00.000+00:00", by="ann", reason="test", channel="api"
    )


@pytest.fixture
def servers(shared_servers: Environ) -> Environ:
    return shared_servers | {"HALT_SECRET": SECRET}


@pytest.fixture
async def market(servers: Environ) -> AsyncIterator[Market]:
    connected = await Market.connect(servers)
    yield connected
    await connected.close()


async def trades(app: App, market: Market) -> bool:
    """Whether a turn of the market that is known to be processed makes a signal."""
    await is_listening(app)
    before = len(market.signals), app.runtime.consumer.processed
    await market.turn()
    await eventually(lambda: app.runtime.consumer.processed >= before[1] + 2)
    await eventually(lambda: app.runtime.bus.outbox_size == 0)
    await market.client.flush()
    return len(market.signals) > before[0]


async def post(app: App, body: dict[str, Any] | bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"http://127.0.0.1:{app.health.port}/halt"
    async with aiohttp.ClientSession() as session, session.post(url, data=payload, headers=headers) as response:
        return response.status, json.loads(await response.read())


async def ask_over_http(app: App, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return await post(app, body, **{SECRET_HEADER: SECRET})


async def ask_over_nats(app: App, body: dict[str, Any], secret: str = SECRET) -> tuple[int, dict[str, Any]]:
    await is_listening(app)
    payload = json.dumps(body).encode()
    client = await nats.connect(app.runtime.settings.nats_url)
    headers = {SIGNATURE_HEADER: signature_of(payload, secret.encode())}
    try:
        answer = await client.request(app.runtime.halt_paths.subject, payload, timeout=30, headers=headers)
    finally:
        await client.close()
    return 200, json.loads(answer.data)


BOTH = pytest.mark.parametrize("ask", [ask_over_http, ask_over_nats])


@BOTH
async def test_halt__without_the_site__acknowledged_no_signal_follows_and_redis_learns_it(
    servers: Environ, site: Site, running_app: RunningApp, market: Market, ask: Asking
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(servers) as app:
        assert await trades(app, market)
        status, answer = await ask(app, {"scope": {"strategy_id": SKEW}, "by": "ann", "reason": "fat finger"})
        assert status == 200
        assert answer["halted"] is answer["is_kept"] is True
        assert answer["scope"] == {"strategy_id": SKEW}
        assert not await trades(app, market)
        told = await eventually(lambda: site.redis.xrange(site.keys.told_halts))
        record = json.loads(told[0][1][b"p"])
        assert (record["id"], record["by"], record["reason"]) == (answer["id"], "ann", "fat finger")
        _, ready = await get_json(app, "/ready")
        assert ready["checks"]["halts"]["halted"][0]["why"] == "fat finger"
        _, info = await get_json(app, "/info")
        assert info["runtime"]["halts"][0]["id"] == answer["id"]
        await site.resume(answer["id"])
        await eventually(lambda: not app.runtime.halting.halts.held)
        assert await trades(app, market)


@BOTH
async def test_halt__of_another_symbol__this_one_trades_on(
    servers: Environ, site: Site, running_app: RunningApp, market: Market, ask: Asking
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(servers) as app:
        await ask(app, {"scope": {"symbol": "ETHUSDT"}})
        assert await trades(app, market)


@BOTH
async def test_halt__over_one_runtimes_path__halts_the_others(
    servers: Environ, site: Site, running_app: RunningApp, tmp_path: Path, ask: Asking
) -> None:
    await site.set_layer(SKEW)
    async with (
        running_app(servers) as first,
        running_app(servers | {"CONFIG_SNAPSHOT_PATH": str(tmp_path / "other.json")}) as second,
    ):
        await is_listening(second)
        _, answer = await ask(first, {})
        await eventually(lambda: second.runtime.halting.halts.holds(answer["id"]))
        assert len(second.runtime.halting.halts.held) == len(first.runtime.halting.halts.held) == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {SECRET_HEADER: FORGED}, {"Authorization": f"Bearer {FORGED}"}, {"Authorization": f"Basic {SECRET}"}],
)
async def test_halt__over_http_without_the_secret__401_counted_and_trades_on(
    servers: Environ, site: Site, running_app: RunningApp, market: Market, headers: dict[str, str]
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(servers) as app:
        status, answer = await post(app, {}, **headers)
        assert status == 401
        assert answer["halted"] is False
        assert await trades(app, market)
        assert app.runtime.halt_paths.refused == 1


async def test_halt__over_nats_forged__answered_counted_and_trades_on(
    servers: Environ, site: Site, running_app: RunningApp, market: Market
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(servers) as app:
        _, answer = await ask_over_nats(app, {}, FORGED)
        assert answer["halted"] is False
        assert await trades(app, market)
        assert app.runtime.halt_paths.refused == 1


async def test_halt__asked_for_by_get__405_and_trades_on(
    servers: Environ, site: Site, running_app: RunningApp, market: Market
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(servers) as app:
        url = f"http://127.0.0.1:{app.health.port}/halt"
        async with aiohttp.ClientSession() as session:
            for method in ("GET", "HEAD", "PUT", "DELETE"):
                async with session.request(method, url, headers={SECRET_HEADER: SECRET}) as response:
                    assert response.status == 405
        assert await trades(app, market)


async def test_halt__as_a_bearer_token_without_a_body__halts_everything(
    servers: Environ, site: Site, running_app: RunningApp, market: Market
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(servers) as app:
        status, answer = await post(app, b"", Authorization=f"Bearer {SECRET}")
        assert (status, answer["scope"]) == (200, {})
        assert not await trades(app, market)


@pytest.mark.parametrize("body", [b"not json", b'{"scope": "skew"}', b'{"scope": {"strategy_id": 7}}', b"x" * 200_000])
async def test_halt__whose_scope_cannot_be_read__halts_everything(
    servers: Environ, site: Site, running_app: RunningApp, body: bytes
) -> None:
    async with running_app(servers) as app:
        status, answer = await post(app, body, **{SECRET_HEADER: SECRET})
        assert (status, answer["scope"]) == (200, {})
        assert app.runtime.halting.halts.is_halted(SKEW, "BTCUSDT")


async def test_halt__with_neither_secret_nor_trust__nobody_can_and_ready_says_so(
    shared_servers: Environ, running_app: RunningApp
) -> None:
    async with running_app(shared_servers) as app:
        await is_listening(app)
        status, _ = await post(app, {}, **{SECRET_HEADER: ""})
        assert status == 401
        client = await nats.connect(shared_servers["NATS_URL"])
        with pytest.raises(nats.errors.NoRespondersError):
            await client.request(app.runtime.halt_paths.subject, b"{}", timeout=10)
        await client.close()
        _, ready = await get_json(app, "/ready")
        assert ready["checks"]["halts"]["nats"].startswith("off")
        assert ready["checks"]["halts"]["http"].startswith("off")
        assert not app.runtime.halting.halts.held


async def test_halt__over_nats_with_a_trusted_broker__needs_no_signature(
    shared_servers: Environ, running_app: RunningApp
) -> None:
    async with running_app(shared_servers | {"HALT_TRUST_BROKER": "1"}) as app:
        await is_listening(app)
        client = await nats.connect(shared_servers["NATS_URL"])
        answer = await client.request(app.runtime.halt_paths.subject, b"{}", timeout=30)
        await client.close()
        assert json.loads(answer.data)["halted"] is True


async def test_halt__while_redis_is_frozen__holds_at_once_and_is_told_when_it_thaws(
    environ: Environ, fresh_valkey: Valkey, nats_server: NatsServer, redis_prefix: str, running_app: RunningApp
) -> None:
    variables = environ | {"REDIS_URL": fresh_valkey.url, "NATS_URL": nats_server.url, "HALT_SECRET": SECRET}
    site = Site(fresh_valkey.url, redis_prefix)
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(variables) as app:
        market = await Market.connect(variables)
        assert await trades(app, market)
        fresh_valkey.pause()
        _, answer = await ask_over_http(app, {})
        assert answer["is_kept"] is True
        assert not await trades(app, market)
        fresh_valkey.resume()
        told = await eventually(lambda: site.redis.xrange(site.keys.told_halts))
        assert json.loads(told[0][1][b"p"])["id"] == answer["id"]
        await market.close()
    await site.close()


async def test_halt__by_the_site__acknowledged_with_its_sequence_and_listed_in_the_heartbeat(
    servers: Environ, site: Site, running_app: RunningApp, market: Market
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(servers) as app:
        assert await trades(app, market)
        halt = a_halt(Scope(symbol="BTCUSDT"))
        sequence = await site.halt(halt)
        await eventually(lambda: app.runtime.config.live.sequence == sequence)
        assert not await trades(app, market)
        assert app.runtime.heartbeat.compose().halts == [halt.id]

        async def acknowledged() -> bool:
            return any((ack.sequence, ack.status) == (sequence, "applied") for ack in await site.acks())

        await eventually(acknowledged)
        # A change of the configuration, a switch included, ends nothing.
        await site.set_layer(SKEW, min_signal_interval_seconds=0.0, enabled=True)
        await eventually(lambda: app.runtime.config.live.sequence == site.sequence)
        assert not await trades(app, market)


@pytest.mark.parametrize("lost", [("halts",), ("halts", "told_halts"), ("sequence", "config"), ("changes", "halts")])
async def test_halt__when_redis_loses_keys__holds_and_is_told_again(
    servers: Environ, site: Site, running_app: RunningApp, market: Market, lost: tuple[str, ...]
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(servers | {"CONFIG_CACHE_TTL_SECONDS": "1"}) as app:
        halt = a_halt()
        await site.halt(halt)
        await eventually(lambda: app.runtime.halting.halts.holds(halt.id))
        reloads = app.runtime.config.counters.reloads
        for key in lost:
            await site.redis.delete(getattr(site.keys, key))
        if "sequence" not in lost:
            await eventually(lambda: app.runtime.config.counters.reloads > reloads + 1)
        assert not await trades(app, market)
        if "halts" in lost:
            told = await eventually(lambda: site.redis.xrange(site.keys.told_halts))
            assert json.loads(told[0][1][b"p"])["id"] == halt.id


async def test_halt__in_redis_before_the_start__holds_from_the_first_message(
    servers: Environ, site: Site, running_app: RunningApp, market: Market
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    await site.halt(a_halt(Scope(strategy_id=SKEW)))
    async with running_app(servers) as app:
        assert not await trades(app, market)


async def test_resume__missed_while_stopped__learnt_at_the_start(
    servers: Environ, site: Site, running_app: RunningApp, market: Market
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(servers) as app:
        _, answer = await ask_over_http(app, {})
        await eventually(lambda: app.runtime.halting.is_kept)
    await site.resume(answer["id"])
    # The entry of the resume itself is gone from the stream.
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    await site.redis.xtrim(site.keys.changes, maxlen=1, approximate=False)
    async with running_app(servers) as app:
        assert await trades(app, market)
        # The same request once more: its id has ended.
        _, again = await ask_over_http(app, {"id": answer["id"]})
        assert again["halted"] is False
        assert await trades(app, market)


async def test_resume__that_does_not_list_a_halt__that_one_holds(
    servers: Environ, site: Site, running_app: RunningApp, market: Market
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(servers) as app:
        first, second = a_halt(), a_halt(Scope(symbol="BTCUSDT"))
        await site.halt(first, second)
        sequence = await site.resume(first.id)
        await eventually(lambda: app.runtime.config.live.sequence == sequence)
        assert app.runtime.halting.halts.held == (second,)
        assert not await trades(app, market)


async def test_signals__waiting_for_nats__those_of_the_scope_are_dropped_and_counted(
    environ: Environ, valkey: Valkey, fresh_nats: NatsServer, running_app: RunningApp
) -> None:
    variables = environ | {"REDIS_URL": valkey.url, "NATS_URL": fresh_nats.url, "HALT_SECRET": SECRET}
    async with running_app(variables) as app:
        await is_listening(app)
        bus, subject = app.runtime.bus, variables["NATS_TOPIC_INTENTS"]
        fresh_nats.pause()
        for number, symbol in enumerate(["BTCUSDT", "ETHUSDT", "BTCUSDT"]):
            bus.send(OutgoingSignal(subject, f"{number}", b"{}", time.monotonic(), strategy_id=SKEW, symbol=symbol))
        # They are on their way to a server that does not confirm, or wait behind them.
        await asyncio.sleep(0)
        await ask_over_http(app, {"scope": {"symbol": "BTCUSDT"}})
        fresh_nats.kill()
        fresh_nats.start()
        await eventually(lambda: bus.signals_sent == 1)
        assert (bus.signals_halted, bus.outbox_size) == (2, 0)


async def test_file__damaged__this_runtime_halts_until_its_own_halt_is_resumed(
    servers: Environ, site: Site, running_app: RunningApp, market: Market, tmp_path: Path
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    path = tmp_path / "halts.json"
    path.write_bytes(b"\0" * 100)
    async with running_app(servers | {"HALTS_PATH": str(path)}) as app:
        assert not await trades(app, market)
        (own,) = app.runtime.halting.halts.held
        assert "damaged" in own.reason
        await eventually(lambda: site.redis.xlen(site.keys.told_halts))
        # The others do not halt for it.
        async with running_app(servers | {"HALTS_PATH": str(tmp_path / "other.json")}) as other:
            await eventually(lambda: other.runtime.config.live.sequence == 1)
            assert other.runtime.halting.halts.held == ()
    async with running_app(servers | {"HALTS_PATH": str(path)}) as app:
        assert not await trades(app, market)
        await site.resume(own.id)
        await eventually(lambda: not app.runtime.halting.halts.held)
        assert await trades(app, market)


async def test_file__that_cannot_be_written__halts_all_the_same_and_says_so(
    servers: Environ, site: Site, running_app: RunningApp, market: Market, tmp_path: Path
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    (tmp_path / "a file").touch()
    async with running_app(servers | {"HALTS_PATH": str(tmp_path / "a file" / "halts.json")}) as app:
        status, answer = await ask_over_http(app, {})
        assert (status, answer["halted"], answer["is_kept"]) == (200, True, False)
        assert not await trades(app, market)
        _, ready = await get_json(app, "/ready")
        assert (ready["status"], ready["checks"]["halts"]["status"]) == ("degraded", "degraded")

"""A whole runtime against a real Valkey and a real nats-server."""

import asyncio
import time

import pytest

from embedded.servers import NatsServer, Valkey
from realtime_runtime import settings
from realtime_runtime.app import App
from realtime_runtime.messaging.outgoing import OutgoingSignal
from strategy_core.configuration import runtime_reports
from tests.runtime.conftest import Environ, RunningApp, get_json
from tests.runtime.market import Market, is_listening
from tests.runtime.site import Site, document, layer_config
from tests.waiting import eventually

SKEW = "orderbook_skew"


async def test_change__between_two_messages__shows_in_the_next_signal(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(shared_servers) as app:
        market = await Market.connect(shared_servers)
        await is_listening(app)
        await market.turn()
        await eventually(lambda: len(market.signals) == 1)
        await site.set_layer(SKEW, "BTCUSDT", min_signal_interval_seconds=0.0, base_confidence=0.9)
        await eventually(lambda: app.runtime.config.live.sequence == 2)
        await market.turn()
        await eventually(lambda: len(market.signals) == 2)
        assert [signal["metadata"]["config"] for signal in market.signals] == [
            {"sequence": 1, "global_version": 1, "symbol_version": 0},
            {"sequence": 2, "global_version": 0, "symbol_version": 2},
        ]
        assert market.signals[0]["confidence"] < market.signals[1]["confidence"]
        assert market.ids == [signal["id"] for signal in market.signals]
        await market.close()


async def test_signals__decided__also_in_the_history_stream(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(shared_servers) as app:
        market = await Market.connect(shared_servers)
        await is_listening(app)
        await market.turn()
        await market.turn()
        await eventually(lambda: app.runtime.history.stored == 2)
        assert await site.redis.xlen(site.keys.signals) == 2
        await market.close()


@pytest.mark.parametrize("setting", ["", "elsewhere"])
async def test_signals__of_a_simulated_market__go_to_a_subject_of_their_own(
    shared_servers: Environ, site: Site, running_app: RunningApp, setting: str
) -> None:
    intents = shared_servers["NATS_TOPIC_INTENTS"]
    topic = setting and f"{intents}.{setting}"
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(shared_servers | {"NATS_TOPIC_SIMULATED_INTENTS": topic}) as app:
        real = await Market.connect(shared_servers)
        made_up = await Market.connect(shared_servers | {"NATS_TOPIC_INTENTS": topic or f"simulated.{intents}"})
        await is_listening(app)
        await real.turn(source="simulated")
        await eventually(lambda: made_up.signals)
        await real.turn()
        await eventually(lambda: real.signals)
        assert [signal["metadata"].get("source") for signal in made_up.signals] == ["simulated"]
        assert [signal["metadata"].get("source") for signal in real.signals] == [None]
        await eventually(lambda: app.runtime.history.stored == 2)
        await real.close()
        await made_up.close()


async def test_heartbeat__while_running__written_and_withdrawn_at_the_end(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    await site.set_layer(SKEW)
    async with running_app(shared_servers) as app:
        key = site.keys.runtime(app.runtime.settings.instance_id)
        market = await Market.connect(shared_servers)
        await is_listening(app)
        await market.turn("ETHUSDT")
        await eventually(lambda: app.runtime.consumer.processed == 2)

        async def has_seen_the_symbol() -> runtime_reports.Heartbeat | None:
            raw = await site.redis.get(key)
            heartbeat = runtime_reports.decode_heartbeat(raw) if raw else None
            return heartbeat if heartbeat and heartbeat.symbols == ["ETHUSDT"] else None

        heartbeat = await eventually(has_seen_the_symbol)
        assert (heartbeat.sequence, heartbeat.market_source, heartbeat.replica) == (1, "replay", "0/1")
        assert SKEW in heartbeat.strategies
        assert 0 < await site.redis.ttl(key) <= runtime_reports.HEARTBEAT_TTL_SECONDS
        await market.close()
    assert await site.redis.get(key) is None


async def test_redis__stopped__trades_on_and_ready_says_degraded(
    environ: Environ, fresh_valkey: Valkey, nats_server: NatsServer, running_app: RunningApp, redis_prefix: str
) -> None:
    variables = environ | {"REDIS_URL": fresh_valkey.url, "NATS_URL": nats_server.url}
    site = Site(fresh_valkey.url, redis_prefix)
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(variables) as app:
        market = await Market.connect(variables)
        await is_listening(app)
        assert (await get_json(app, "/ready"))[1]["status"] == "ok"
        fresh_valkey.stop()
        await eventually(lambda: app.runtime.config.degraded)
        before = app.runtime.config.stale_seconds
        await market.turn()
        await eventually(lambda: market.signals)
        status, body = await get_json(app, "/ready")
        assert (status, body["status"], body["checks"]["config"]["status"]) == (200, "degraded", "degraded")
        assert body["checks"]["config"]["config_stale_seconds"] > before
        assert market.signals[0]["metadata"]["config"]["sequence"] == 1
        await market.close()
    await site.close()


async def test_nats__restarted__resumes_and_sends_what_was_waiting(
    environ: Environ, valkey: Valkey, fresh_nats: NatsServer, site: Site, running_app: RunningApp
) -> None:
    variables = environ | {"REDIS_URL": valkey.url, "NATS_URL": fresh_nats.url}
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(variables) as app:
        market = await Market.connect(variables)
        await is_listening(app)
        fresh_nats.stop()
        await eventually(lambda: not app.runtime.bus.is_connected)
        status, body = await get_json(app, "/ready")
        assert (status, body["status"], body["checks"]["nats"]["status"]) == (200, "degraded", "degraded")
        app.runtime.bus.send(_outgoing(variables, "waited"))
        fresh_nats.start()
        await eventually(lambda: app.runtime.bus.is_connected and market.client.is_connected)
        await eventually(lambda: app.runtime.bus.outbox_size == 0)
        await market.turn()
        await eventually(lambda: len([each for each in market.signals if each.get("strategy_id") == SKEW]) == 1)
        assert app.runtime.bus.signals_dropped == 0
        await market.close()


def _outgoing(variables: Environ, identity: str) -> OutgoingSignal:
    return OutgoingSignal(
        f"{variables['NATS_TOPIC_INTENTS']}.orderbook_skew", identity, b'{"waited": true}', time.monotonic()
    )


async def test_stop__with_queued_messages_and_unsent_signals__everything_goes_out(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(shared_servers) as app:
        market = await Market.connect(shared_servers)
        await is_listening(app)
        for _ in range(500):
            await market.turn()
        await eventually(lambda: app.runtime.intake.received == 1_000)
    await eventually(lambda: len(market.signals) == 500)
    assert app.runtime.consumer.processed == 1_000
    assert len(set(market.ids)) == 500
    await market.close()


async def test_progress__asked_for__answered_after_processing(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    async with running_app(shared_servers) as app:
        market = await Market.connect(shared_servers)
        await is_listening(app)
        before = await market.progress()
        await market.client.publish(shared_servers["NATS_CONSUMER_TOPIC"], b"rubbish")
        await market.turn()
        after = await market.progress()
        assert before["processed"] == 0
        assert (after["processed"], after["dropped"], after["errors"]) == (3, 0, 1)
        assert after["instance_id"] == app.runtime.settings.instance_id
        await market.close()


async def test_topic__with_one_subject_a_symbol__only_own_symbols_traded(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    base = shared_servers["NATS_CONSUMER_TOPIC"]
    variables = shared_servers | {"NATS_CONSUMER_TOPIC": f"{base}.>", "TRADING_SYMBOLS": "ETHUSDT"}
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(variables) as app:
        await is_listening(app)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            market = await Market.connect(variables | {"NATS_CONSUMER_TOPIC": f"{base}.{symbol}"})
            await market.turn(symbol)
            await market.close()
        await eventually(lambda: app.runtime.consumer.processed == 4)
        assert app.runtime.engine.symbols_seen() == ["ETHUSDT"]
        assert app.runtime.engine.counters.foreign == 2


async def test_environment__with_a_bad_strategy_variable__named_in_info_while_trading(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    variables = shared_servers | {
        "ORDERBOOK_SKEW_TOP_LEVELS": "many",
        "ORDERBOOK_SKEW_TOP_LEVLES": "3",
        "TICKER_VELOCITY_TIME_WINDOW": "90",
    }
    async with running_app(variables) as app:
        status, body = await get_json(app, "/info")
        config = body["configuration"]["config"]
        assert status == 200
        assert [problem["variable"] for problem in config["environment_problems"]] == ["ORDERBOOK_SKEW_TOP_LEVELS"]
        assert [each["variable"] for each in config["unread_variables"]] == ["ORDERBOOK_SKEW_TOP_LEVLES"]
        assert config["strategies"][SKEW]["parameters"]["top_levels"] == 5
        assert config["strategies"]["ticker_velocity"]["parameters"]["time_window"] == 90
        assert SKEW in body["configuration"]["enabled_strategies"]
        assert "onchain_metrics" not in body["configuration"]["enabled_strategies"]


async def test_ready__before_nats_was_tried__says_starting(shared_servers: Environ) -> None:
    app = App(settings.read(shared_servers))
    await app.health.start()
    assert (await get_json(app, "/ready"))[0] == 503
    assert (await get_json(app, "/healthz"))[0] == 200
    await app.health.stop()


async def test_nats__closes_the_connection_for_good__the_process_ends_with_an_error(
    shared_servers: Environ, site: Site
) -> None:
    app = App(settings.read(shared_servers))
    running = asyncio.create_task(app.run())
    await app.started.wait()
    await is_listening(app)
    await app.runtime.bus._client.close()
    with pytest.raises(ExceptionGroup, match="unhandled errors") as raised:
        await running
    assert [type(each).__name__ for each in raised.value.exceptions] == ["NatsLostError"]


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_stop__at_any_moment_of_the_start__ends_in_good_order(shared_servers: Environ, turns: int) -> None:
    app = App(settings.read(shared_servers))
    running = asyncio.create_task(app.run())
    await app.started.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    app.stop()
    await asyncio.wait_for(running, 10)


async def test_servers__all_away_at_the_start__trades_on_defaults_once_nats_comes(
    environ: Environ, fresh_valkey: Valkey, fresh_nats: NatsServer, running_app: RunningApp
) -> None:
    variables = environ | {"REDIS_URL": fresh_valkey.url, "NATS_URL": fresh_nats.url}
    fresh_valkey.stop()
    fresh_nats.stop()
    async with running_app(variables) as app:
        status, body = await eventually(lambda: _when_attempted(app))
        assert (status, body["status"]) == (200, "degraded")
        fresh_nats.start()
        await is_listening(app)
        market = await Market.connect(variables)
        await market.turn()
        await eventually(lambda: market.signals)
        await market.close()


async def _when_attempted(app: App) -> tuple[int, dict[str, str]] | None:
    return await get_json(app, "/ready") if app.runtime.bus.attempted.is_set() else None


async def test_document__with_expiry__signals_change_by_themselves(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    off = layer_config(SKEW, "BTCUSDT", version=1, sequence=1, enabled=False)
    on = layer_config(SKEW, "BTCUSDT", version=2, sequence=1, min_signal_interval_seconds=0.0)
    async with running_app(shared_servers) as app:
        market = await Market.connect(shared_servers)
        await is_listening(app)
        expires_at_ms = _now_ms() + 200
        await site.publish({f"{SKEW}:BTCUSDT": document(off, expires_at_ms=expires_at_ms, after=on)})
        await eventually(lambda: app.runtime.config.live.sequence == 1)

        async def signals_after_another_turn() -> bool:
            await market.turn()
            return bool(market.signals)

        await eventually(signals_after_another_turn)
        assert market.signals[0]["metadata"]["config"]["symbol_version"] == 2
        assert _now_ms() >= expires_at_ms
        await market.close()


def _now_ms() -> int:
    return int(time.time() * 1000)

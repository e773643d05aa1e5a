"""Two runtimes of one share: one trades, the other keeps warm and takes over."""

from embedded.servers import NatsServer, Valkey
from strategy_core.configuration import redis_keys
from tests.runtime.conftest import Environ, RunningApp, get_json
from tests.runtime.market import Market, is_listening
from tests.runtime.site import Site
from tests.waiting import eventually

SKEW = "orderbook_skew"


async def test_second_runtime_of_a_share__emits_nothing_and_says_so(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(shared_servers) as first:
        await is_listening(first)
        async with running_app(shared_servers) as second:
            await is_listening(second)
            market = await Market.connect(shared_servers)
            for _ in range(10):
                await market.turn()
            await eventually(lambda: second.runtime.consumer.withheld >= 10)
            await eventually(lambda: len(market.signals) == 10)
            assert len(set(market.ids)) == len(market.ids) == 10
            assert second.runtime.consumer.signals == 0
            _, ready = await get_json(second, "/ready")
            assert ready["checks"]["share"] == {
                "status": "standby",
                "holder": first.runtime.settings.instance_id,
                "reason": "another runtime trades this share; this one takes over when it ends",
            }
            assert second.runtime.heartbeat.compose().standby
            assert not first.runtime.heartbeat.compose().standby
            await market.close()


async def test_holder_ends__standby_trades_from_the_next_message_and_keeps_the_intervals(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=3_600.0)
    async with running_app(shared_servers) as second_holder:
        await is_listening(second_holder)
        async with running_app(shared_servers) as standby:
            await is_listening(standby)
            market = await Market.connect(shared_servers)
            await market.turn("BTCUSDT")
            await eventually(lambda: market.signals)
            await eventually(lambda: (SKEW, "BTCUSDT") in standby.runtime.standby.last_signals.emitted)
            second_holder.stop()
            await eventually(lambda: standby.runtime.standby.is_holder)
            await market.turn("BTCUSDT")
            await market.turn("ETHUSDT")
            await eventually(lambda: len(market.signals) == 2)
            assert [signal["symbol"] for signal in market.signals] == ["BTCUSDT", "ETHUSDT"]
            await market.close()


async def test_runtime_alone__redis_away_from_the_start__trades(
    environ: Environ, fresh_valkey: Valkey, nats_server: NatsServer, running_app: RunningApp
) -> None:
    variables = environ | {"REDIS_URL": fresh_valkey.url, "NATS_URL": nats_server.url}
    fresh_valkey.stop()
    async with running_app(variables) as app:
        await is_listening(app)
        market = await Market.connect(variables)
        await market.turn()
        await eventually(lambda: market.signals)
        await market.close()


async def test_different_symbols__no_common_share__both_trade(shared_servers: Environ, running_app: RunningApp) -> None:
    async with (
        running_app(shared_servers | {"TRADING_SYMBOLS": "BTCUSDT"}) as first,
        running_app(shared_servers | {"TRADING_SYMBOLS": "ETHUSDT"}) as second,
    ):
        await is_listening(first)
        await is_listening(second)
        assert first.runtime.standby.is_holder
        assert second.runtime.standby.is_holder


async def test_lease__of_the_holder__ends_with_it_in_good_order(
    shared_servers: Environ, valkey: Valkey, site: Site, running_app: RunningApp
) -> None:
    async with running_app(shared_servers) as app:
        await is_listening(app)
        key = redis_keys.Keys(shared_servers["REDIS_KEY_PREFIX"]).share(app.runtime.settings.share_name)
        assert await app.runtime.redis.pttl(key) > 0
    assert await site.redis.get(key) is None

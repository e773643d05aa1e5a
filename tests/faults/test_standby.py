"""Two processes of one share: the one that trades is killed, or stands still and wakes up again."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from embedded.servers import HOST, NatsServer, Valkey
from realtime_runtime import settings
from realtime_runtime.standby.pauses import PAUSE_SECONDS
from strategy_core.configuration.halts import Halt
from tests.docs.blocks import blocks
from tests.faults.processes import RuntimeProcess
from tests.relay import Relay
from tests.runtime.conftest import Environ
from tests.runtime.market import Market
from tests.runtime.site import Site
from tests.waiting import eventually

SKEW = "orderbook_skew"
FEED = "binance.websocket.data"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "ADAUSDT", "XRPUSDT", "DOGEUSDT", "BNBUSDT", "LTCUSDT")
[PARTITIONS] = [block.text for block in blocks("docs/SCALING.md") if block.info == "conf"]
TURN_SECONDS = 0.1
# Longer than what counts as a pause, shorter than the confirmation of a share lasts.
STANDS_STILL_SECONDS = PAUSE_SECONDS + 1.0


@pytest.fixture
async def market(site: Site, market: Market) -> Market:
    """One on which the strategy signals at every turn."""
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    return market


class MarketBySymbol(Market):
    """One that publishes each symbol on a subject of its own."""

    async def turn(self, symbol: str = "BTCUSDT", **members: Any) -> None:
        self._topic = f"{FEED}.{symbol}"
        await super().turn(symbol, **members)


def role(runtime: RuntimeProcess) -> str | None:
    """What /ready says of the share; None while the process does not answer."""
    answer = runtime.answer("/ready")
    return None if answer is None else answer.json()["checks"]["share"]["status"]


def counter(runtime: RuntimeProcess, name: str) -> int:
    """One of the counters of /info."""
    answer = runtime.answer("/info")
    assert answer is not None
    return int(answer.json()["runtime"]["counters"][name])


async def decided(runtime: RuntimeProcess, wanted: str) -> None:
    await eventually(lambda: role(runtime) == wanted)


async def trade_until_signals(market: Market, number: int) -> None:
    """Move the market until so many signals more have come."""
    wanted = len(market.signals) + number

    async def moved() -> bool:
        await market.turn()
        await asyncio.sleep(TURN_SECONDS)
        return len(market.signals) >= wanted

    await eventually(moved)


def directory(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


async def test_holder__killed__standby_takes_over_and_no_signal_is_sent_twice(
    variables: Environ, market: Market, tmp_path: Path
) -> None:
    with RuntimeProcess(variables, directory(tmp_path, "a")) as first:
        await decided(first, "holder")
        with RuntimeProcess(variables, directory(tmp_path, "b")) as second:
            await decided(second, "standby")
            await trade_until_signals(market, 5)
            first.end(signal.SIGKILL)
            await trade_until_signals(market, 5)
            assert role(second) == "holder"
            first.start()
            await decided(first, "standby")
            await trade_until_signals(market, 5)
            assert role(second) == "holder"
            assert len(set(market.ids)) == len(market.ids)


async def test_holder__stands_still_until_another_trades__sends_nothing_when_it_wakes(
    variables: Environ, market: Market, tmp_path: Path
) -> None:
    with (
        RuntimeProcess(variables, directory(tmp_path, "a")) as first,
        RuntimeProcess(variables, directory(tmp_path, "b")) as second,
    ):
        await eventually(lambda: {role(first), role(second)} == {"holder", "standby"})
        holder, standby = (first, second) if role(first) == "holder" else (second, first)
        await trade_until_signals(market, 5)
        os.kill(holder.pid, signal.SIGSTOP)
        await trade_until_signals(market, 5)
        assert role(standby) == "holder"
        os.kill(holder.pid, signal.SIGCONT)
        await decided(holder, "standby")
        await trade_until_signals(market, 5)
        assert len(set(market.ids)) == len(market.ids)


async def test_redis_killed__nothing_changes_hands(
    variables: Environ, market: Market, fresh_valkey: Valkey, tmp_path: Path
) -> None:
    own_redis = variables | {"REDIS_URL": fresh_valkey.url}
    site = Site(fresh_valkey.url, own_redis["REDIS_KEY_PREFIX"])
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    await site.close()
    with RuntimeProcess(own_redis, directory(tmp_path, "a")) as first:
        await decided(first, "holder")
        with RuntimeProcess(own_redis, directory(tmp_path, "b")) as second:
            await decided(second, "standby")
            await trade_until_signals(market, 5)
            fresh_valkey.stop()
            await trade_until_signals(market, 100)
            assert (role(first), role(second)) == ("holder", "standby")
            assert len(set(market.ids)) == len(market.ids)


async def halt(site: Site) -> None:
    await site.halt(Halt(id=str(uuid4())))


async def switch_off(site: Site) -> None:
    await site.set_layer(SKEW, enabled=False)


@pytest.mark.parametrize("stop", [halt, switch_off])
async def test_runtime__stopped_while_it_stood_still__sends_nothing_of_what_it_decides_when_it_wakes(
    variables: Environ,
    site: Site,
    market: Market,
    valkey: Valkey,
    tmp_path: Path,
    stop: Callable[[Site], Awaitable[None]],
) -> None:
    """Redis answers late, so that whatever does not wait for it would be sent before the stop is known."""
    with Relay((HOST, valkey.port)) as relay:
        behind = variables | {"REDIS_URL": f"redis://{HOST}:{relay.port}/0"}
        with RuntimeProcess(behind, directory(tmp_path, "a")) as runtime:
            await decided(runtime, "holder")
            await trade_until_signals(market, 5)
            os.kill(runtime.pid, signal.SIGSTOP)
            relay.pause()
            await stop(site)
            await asyncio.sleep(STANDS_STILL_SECONDS)
            before = len(market.signals)
            for _ in range(5):
                await market.turn()
            os.kill(runtime.pid, signal.SIGCONT)
            await market.progress()
            relay.resume()
            await eventually(lambda: counter(runtime, "signals_halted") == 5)
            assert len(market.signals) == before


@pytest.mark.parametrize("topic", [f"{FEED}.>", "binance.share.{ordinal}.>"], ids=["CRC-32", "partition()"])
async def test_two_shares__holder_of_one_stands_still__its_standby_trades_and_the_other_share_misses_nothing(
    site: Site, redis_prefix: str, valkey: Valkey, tmp_path: Path, topic: str
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    configuration = tmp_path / "nats.conf"
    configuration.write_text(PARTITIONS.replace("partition(4,", "partition(2,") if "ordinal" in topic else "")
    with NatsServer(tmp_path / "nats", arguments=["-c", str(configuration)]) as server:
        shares = [
            {
                "REDIS_URL": valkey.url,
                "REDIS_KEY_PREFIX": redis_prefix,
                "NATS_URL": server.url,
                "NATS_CONSUMER_TOPIC": topic,
                "NATS_TOPIC_INTENTS": "intents",
                "RUNTIME_REPLICAS": "2",
                "RUNTIME_ORDINAL": ordinal,
            }
            for ordinal in ("0", "1")
        ]
        owner = settings.read(shares[0])
        first_share = [symbol for symbol in SYMBOLS if owner.owns_symbol(symbol)]
        second_share = [symbol for symbol in SYMBOLS if symbol not in first_share]
        market = await MarketBySymbol.connect({**shares[0], "NATS_CONSUMER_TOPIC": FEED})
        turned: Counter[str] = Counter()

        async def turn(symbols: list[str]) -> None:
            for symbol in symbols:
                await market.turn(symbol)
            turned.update(symbols)
            await eventually(lambda: Counter(signal["symbol"] for signal in market.signals) >= turned)

        with (
            RuntimeProcess(shares[0], directory(tmp_path, "a")) as holder,
            RuntimeProcess(shares[1], directory(tmp_path, "c")) as other,
        ):
            await decided(holder, "holder")
            await decided(other, "holder")
            with RuntimeProcess(shares[0], directory(tmp_path, "b")) as standby:
                await decided(standby, "standby")
                assert first_share
                assert second_share
                await turn(first_share + second_share)
                os.kill(holder.pid, signal.SIGSTOP)

                async def has_taken_over() -> bool:
                    await turn(second_share)
                    return role(standby) == "holder"

                await eventually(has_taken_over)
                await turn(first_share + second_share)
                os.kill(holder.pid, signal.SIGCONT)
                await decided(holder, "standby")
                await turn(first_share + second_share)
                assert (role(holder), role(standby), role(other)) == ("standby", "holder", "holder")
        await market.close()
        assert Counter(signal["symbol"] for signal in market.signals) == turned
        assert len(set(market.ids)) == len(market.ids)

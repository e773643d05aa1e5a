"""Two processes of one share: the one that trades is killed, or stands still and wakes up again."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from embedded.servers import Valkey
from tests.faults.processes import RuntimeProcess
from tests.runtime.conftest import Environ, eventually
from tests.runtime.market import Market
from tests.runtime.site import Site

SKEW = "orderbook_skew"
PAUSE_SECONDS = 0.1


@pytest.fixture
async def market(site: Site, market: Market) -> Market:
    """One on which the strategy signals at every turn."""
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    return market


def role(runtime: RuntimeProcess) -> str | None:
    """What /ready says of the share; None while the process does not answer."""
    answer = runtime.answer("/ready")
    return None if answer is None else answer.json()["checks"]["share"]["status"]


async def decided(runtime: RuntimeProcess, wanted: str) -> None:
    await eventually(lambda: role(runtime) == wanted)


async def trade_until_signals(market: Market, number: int) -> None:
    """Move the market until so many signals more have come."""
    wanted = len(market.signals) + number

    async def moved() -> bool:
        await market.turn()
        await asyncio.sleep(PAUSE_SECONDS)
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

"""A NATS server that refuses the credentials which it took before: processes wait for better days, and do not end."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import nkeys  # type: ignore[import-untyped]  # it brings none
import pytest
from nats.aio.msg import Msg

from embedded.servers import Valkey
from realtime_runtime import metrics
from realtime_runtime.feeds.live import live_health, live_metrics
from realtime_runtime.feeds.live.live_feed import LiveFeed
from realtime_runtime.feeds.publishing import connected
from service_kit.nats_connection import CheckedClient, NatsAccess
from tests.guarded_nats import GuardedNats
from tests.runtime.conftest import Environ, RunningApp, get_json
from tests.runtime.market import Market, is_listening
from tests.runtime.site import Site
from tests.waiting import eventually

SKEW = "orderbook_skew"


OLD, NEW = "{user: rt, password: old}", "{user: rt, password: new}"


def _key() -> tuple[str, bytes]:
    """An nkey of a user: public key and seed."""
    seed = bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    return nkeys.from_seed(bytearray(seed)).public_key.decode(), seed


async def test_runtime__whose_password_was_changed__stays_degraded_says_so_and_goes_on_with_what_it_knew(
    environ: Environ, valkey: Valkey, site: Site, running_app: RunningApp, tmp_path: Path
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    guarded = GuardedNats(tmp_path / "nats", OLD)
    with guarded:
        variables = environ | {"REDIS_URL": valkey.url, "NATS_URL": guarded.url_as("rt:old")}
        async with running_app(variables) as app:
            market = await Market.connect(variables | {"NATS_URL": guarded.url})
            await is_listening(app)
            await market.turn()
            await eventually(lambda: app.runtime.consumer.processed == 2)
            guarded.replace(NEW)

            async def is_refused() -> bool:
                status, body = await get_json(app, "/ready")
                nats = body["checks"]["nats"]
                return bool(status == 200 and body["status"] == "degraded" and "refuses" in (nats["reason"] or ""))

            await eventually(is_refused)
            assert app.runtime.bus.refusal.lower() == "authorization violation"
            assert b"realtime_runtime_nats_refused 1.0" in metrics.render(app.runtime)
            guarded.replace(OLD)
            await eventually(lambda: app.runtime.bus.is_connected and not app.runtime.bus.refusal)
            assert app.runtime.engine.symbols_seen() == ["BTCUSDT"]

            async def trades_again() -> bool:
                before = len(market.signals)
                await market.turn()
                return len(market.signals) > before

            await eventually(trades_again)
            await market.close()


async def test_runtime__refused_from_the_start__waits_until_it_is_let_in(
    environ: Environ, valkey: Valkey, running_app: RunningApp, tmp_path: Path
) -> None:
    guarded = GuardedNats(tmp_path / "nats", NEW)
    with guarded:
        variables = environ | {"REDIS_URL": valkey.url, "NATS_URL": guarded.url_as("rt:old")}
        async with running_app(variables) as app:
            await eventually(lambda: app.runtime.bus.refusal)
            guarded.replace(OLD)
            await is_listening(app)
            assert app.runtime.bus.refusal == ""


@pytest.mark.parametrize(
    "spoil", [None, lambda path: path.write_bytes(b"SUAB"), Path.unlink], ids=["intact", "cut", "gone"]
)
async def test_client__whose_nkey_was_rotated__reads_the_new_seed_at_its_next_attempt(
    tmp_path: Path, spoil: Callable[[Path], object] | None
) -> None:
    (old, old_seed), (new, new_seed) = _key(), _key()
    file = tmp_path / "user.nk"
    file.write_bytes(old_seed)
    guarded = GuardedNats(tmp_path / "nats", f"{{nkey: {old}}}")
    with guarded:
        client = CheckedClient()
        access = NatsAccess(nkey_seed_file=str(file)).options()
        await client.connect(guarded.url_as(""), max_reconnect_attempts=-1, reconnect_time_wait=0.05, **access)
        guarded.replace(f"{{nkey: {new}}}")
        await eventually(lambda: client.refusal)
        if spoil is not None:
            # Half of the rotation: the file is there in part, or not at all.
            spoil(file)
            await eventually(lambda: str(file) in client.refusal)
        file.write_bytes(new_seed)
        await eventually(lambda: client.is_connected and not client.refusal)
        await client.close()


async def test_feed__whose_password_was_changed__goes_on_when_it_is_let_in_again(tmp_path: Path) -> None:
    guarded = GuardedNats(tmp_path / "nats", OLD)
    arrived = asyncio.Event()

    async def take(message: Msg) -> None:
        arrived.set()

    with guarded:
        listener = CheckedClient()
        await listener.connect(guarded.url)
        await listener.subscribe("market", cb=take)
        await listener.flush()
        closed = asyncio.Event()
        async with connected(guarded.url_as("rt:old"), name="test", access=NatsAccess(), closed=closed) as client:
            guarded.replace(NEW)
            await eventually(lambda: client.refusal)
            feed = LiveFeed(client, {}, [])
            nats = live_health.readiness(feed, now=0.0)["checks"]["nats"]
            assert nats["status"] == "degraded"
            assert "refuses" in nats["reason"]
            assert b"realtime_feed_nats_refused 1.0" in live_metrics.render(feed)
            guarded.replace(OLD)
            await eventually(lambda: client.is_connected and not client.refusal)
            await client.publish("market", b"1")
            await eventually(arrived.is_set)
            assert not closed.is_set()
        await listener.close()

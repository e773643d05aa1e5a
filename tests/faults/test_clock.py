"""The clock jumps back, on the site and under the runtime: order comes from sequences, never from instants."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from embedded.servers import Valkey
from realtime_runtime import settings
from realtime_runtime.config import client as client_module
from realtime_runtime.config.client import ConfigClient
from realtime_runtime.config.documents import Catalogue
from realtime_runtime.config.state import LiveConfig
from realtime_runtime.halts.halts_in_force import HaltsInForce
from strategy_config.history import verification
from strategy_config.models import ConfigAudit
from strategy_config.selectors import history, stored_layers
from strategy_config.selectors.history import HistoryFilter
from strategy_config.services import expiries, layers
from tests.factories import OriginFactory
from tests.runtime.site import Site
from tests.waiting import eventually

SKEW = "orderbook_skew"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_history__clock_an_hour_back__keeps_its_order_and_its_chain() -> None:
    for levels, hours in ((3, 0), (4, -1), (5, -2), (6, 1)):
        layers.set_layer(
            strategy_id=SKEW, parameters={"top_levels": levels}, origin=OriginFactory(at=NOW + timedelta(hours=hours))
        )
    rows = history.page(HistoryFilter(strategy_id=SKEW), limit=10, by="sequence").rows
    assert [row.version for row in rows] == [4, 3, 2, 1]
    assert stored_layers.layer_config(strategy_id=SKEW, at=NOW).parameters["top_levels"] == 6
    assert verification.verify().bad is None


@pytest.mark.django_db(transaction=True)
def test_expiry__recorded_before_the_clock_went_back__stays_recorded() -> None:
    until = NOW + timedelta(minutes=5)
    layers.set_layer(
        strategy_id=SKEW, symbol="BTCUSDT", parameters={"top_levels": 3}, origin=OriginFactory(at=NOW), expires_at=until
    )
    assert expiries.expire_due(at=until) == 1
    assert stored_layers.layer_config(strategy_id=SKEW, symbol="BTCUSDT", at=NOW).is_override is False
    assert expiries.expire_due(at=NOW) == expiries.expire_due(at=until) == 0
    assert list(ConfigAudit.objects.order_by("sequence").values_list("action", flat=True)) == ["CREATE", "EXPIRE"]


async def test_change__published_by_a_clock_that_is_ahead__answered_without_a_negative_latency(
    valkey: Valkey, redis_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a runtime's clock that went back by an hour sees it."""
    configured = settings.read({})
    live = LiveConfig(Catalogue(configured.strategies, configured.strategy_environment))
    client = ConfigClient(
        live,
        redis_url=valkey.url,
        prefix=redis_prefix,
        instance_id="back",
        ttl_seconds=60.0,
        snapshot_path=tmp_path / "snapshot.json",
        halting=HaltsInForce(live.active, tmp_path / "halts.json", instance_id="back", drop_waiting=int),
    )
    now = time.time
    monkeypatch.setattr(client_module, "_now_ms", lambda: (now() - 3_600) * 1000)
    site = Site(valkey.url, redis_prefix)
    await site.set_layer(SKEW, buy_threshold=1.5)
    task = asyncio.create_task(client.run())
    await eventually(lambda: client.live.sequence == 1)
    await site.set_layer(SKEW, buy_threshold=1.6)
    await eventually(lambda: client.live.sequence == 2)

    async def answered() -> list[float | None]:
        return [ack.latency_ms for ack in await site.acks() if ack.sequence == 2]

    assert await eventually(answered) == [0.0]
    task.cancel()
    await asyncio.wait({task})
    await site.close()

"""While halted no document in Redis says "enabled" to a runtime of a version without halts, whatever is switched on."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from embedded.servers import Valkey
from realtime_runtime.config.documents import Catalogue
from realtime_runtime.config.state import LiveConfig, Update
from strategy_config.publication import publisher
from strategy_config.redis import redis_client
from strategy_config.selectors import known_halts, stored_layers
from strategy_config.services import halts, switches
from strategy_config.tasks import periodic
from strategy_config.transfer import backup
from strategy_core.configuration.environment_layer import read_environment
from strategy_core.configuration.halts import EVERYTHING, Scope
from strategy_core.strategies.registry import STRATEGIES
from tests.factories import NOON, OriginFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_halts import forget_store, halt, halts_there
from tests.strategy_config.test_services import BTC, SKEW, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
SCOPES = [EVERYTHING, Scope(strategy_id=SKEW), Scope(symbol=BTC), Scope(strategy_id=SKEW, symbol=BTC)]


def raw_documents(cache: CacheUnderTest) -> dict[str, Any]:
    return {field.decode(): json.loads(raw) for field, raw in cache.client.hgetall(cache.keys.config).items()}


def switched_on(cache: CacheUnderTest, scope: Scope) -> list[str]:
    """The fields in the scope that an old runtime reads as switched on, now or after an expiry."""
    return [
        field
        for field, document in raw_documents(cache).items()
        for config in (document["config"], document["after"])
        if config is not None and config["enabled"]
        if scope.strategy_id in {None, config["strategy_id"]} and scope.symbol in {None, config["symbol"]}
    ]


def enabled_here(cache: CacheUnderTest, field: str) -> bool:
    """What a runtime of this version makes of the document, halts aside."""
    live = LiveConfig(Catalogue(STRATEGIES, {name: read_environment(each, {}) for name, each in STRATEGIES.items()}))
    update = Update()
    live.check(field, cache.client.hget(cache.keys.config, field), update)
    return update.accepted[field].now.enabled


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_enable_and_change__while_halted__are_stored_and_not_shown_to_old_runtimes(
    cache: CacheUnderTest, scope: Scope
) -> None:
    write(symbol=BTC, parameters={"top_levels": 7}, expires_at=NOON + timedelta(days=1))
    halted = halt(scope)
    assert switched_on(cache, scope) == []
    for symbol in (None, BTC):
        switches.switch(strategy_id=SKEW, symbol=symbol, enabled=False, origin=OriginFactory())
        switches.switch(strategy_id=SKEW, symbol=symbol, enabled=True, origin=OriginFactory())
    assert write(symbol=BTC, parameters={"top_levels": 8}).published
    assert switched_on(cache, scope) == []
    assert enabled_here(cache, f"{SKEW}:{BTC}")
    assert cache.document(SKEW).config.enabled
    assert stored_layers.layer_config(strategy_id=SKEW, symbol=BTC, at=NOON).enabled
    halts.resume(ids=[str(halted.halt.id)], origin=OriginFactory())
    assert {SKEW, f"{SKEW}:{BTC}"} <= set(switched_on(cache, EVERYTHING))
    assert not [field for field, document in raw_documents(cache).items() if "wanted" in document]


def test_halt_and_resume__of_what_is_covered_by_another__keeps_the_cover(cache: CacheUnderTest) -> None:
    publisher.publish_pending()
    everything, strategy = halt(), halt(Scope(strategy_id=SKEW))
    halts.resume(ids=[str(everything.halt.id)], origin=OriginFactory())
    assert switched_on(cache, Scope(strategy_id=SKEW)) == []
    assert switched_on(cache, EVERYTHING)
    assert cache.entries()[-1][1].kind == "reload"
    halts.resume(ids=[str(strategy.halt.id)], origin=OriginFactory())
    assert SKEW in switched_on(cache, EVERYTHING)


def test_rewrite__while_halted__writes_covered_documents_and_repairs_nothing_that_is_right(
    cache: CacheUnderTest,
) -> None:
    write(parameters={"top_levels": 7})
    halt()
    assert publisher.rewrite_all(is_forced=False).repaired == ()
    cache.forget()
    assert periodic.reconcile() == "done"
    assert switched_on(cache, EVERYTHING) == []
    assert enabled_here(cache, SKEW)


def test_halt__while_redis_is_down__covers_with_what_is_told_later(
    own_cache: CacheUnderTest, fresh_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "REST_SECONDS", 0.0)
    publisher.publish_pending()
    fresh_valkey.stop()
    halt()
    switches.switch(strategy_id=SKEW, enabled=True, origin=OriginFactory())
    fresh_valkey.start()
    assert publisher.publish_pending()
    assert switched_on(own_cache, EVERYTHING) == []


def test_restore__with_redis_away__loses_no_halt_that_redis_knew(
    own_cache: CacheUnderTest, fresh_valkey: Valkey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One is in the backup, one was set after it: that one is in Redis alone until Redis can be asked."""
    monkeypatch.setattr(redis_client, "REST_SECONDS", 0.0)
    kept = str(halt(Scope(strategy_id=SKEW)).halt.id)
    backup.write(tmp_path / "backup")
    later = str(halt(Scope(symbol=BTC)).halt.id)
    forget_store()
    own_cache.client.save()
    fresh_valkey.stop()
    assert backup.restore(tmp_path / "backup").bad is None
    assert [str(row.id) for row in known_halts.open_halts()] == [kept]
    fresh_valkey.start()
    assert periodic.reconcile() == "done"
    assert {str(row.id) for row in known_halts.open_halts()} == {kept, later}
    assert halts_there(own_cache) == {kept, later}
    assert switched_on(own_cache, Scope(strategy_id=SKEW)) == []

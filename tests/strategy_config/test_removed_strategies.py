"""Strategies that the code no longer has, or that `migrate` has not seen yet: nothing stops for them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY
from pytest_django import Settings

from strategy_config.accounts import tokens
from strategy_config.exceptions import NotFoundError
from strategy_config.history import positions, verification
from strategy_config.models import ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.publication import publisher
from strategy_config.resolution import layer_documents
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.selectors import overviews, stored_layers
from strategy_config.services import layers, switches
from strategy_config.services.open_layer import OpenLayer
from strategy_config.tasks import periodic
from strategy_config.transfer import backup
from tests import catalogues
from tests.factories import NOON, OriginFactory, UserFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_services import BTC, SKEW, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
GONE = "iceberg_detector"
OWN = {"min_refill_count": 4}


@pytest.fixture
def remove(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to go on with a version of the code that lacks the strategy GONE."""
    return lambda: catalogues.run_version(monkeypatch, catalogues.without(GONE))


def on() -> list[str]:
    return [each.strategy_id for each in overviews.strategy_overviews(NOON) if each.is_enabled]


def every_strategy() -> list[LayerKey]:
    return [LayerKey(each.strategy_id, None) for each in overviews.strategy_overviews(NOON)]


@pytest.mark.parametrize("enabled", [None, True, False])
def test_stop_layers__a_strategy_was_removed__switches_off_everything_as_one_set(
    cache: CacheUnderTest, remove: Callable[[], None], enabled: bool | None
) -> None:
    layers.set_layer(strategy_id=GONE, symbol=BTC, parameters=OWN, origin=OriginFactory())
    if enabled is not None:
        switches.switch(strategy_id=GONE, enabled=enabled, origin=OriginFactory())
    remove()
    was_on = on()
    written = switches.stop_layers(keys=every_strategy(), origin=OriginFactory())
    assert written.failures == ()
    assert written.published
    assert on() == []
    assert {row.strategy_id for row in written.changes} == {*was_on, *([] if enabled is False else [GONE])}
    for field in (*was_on, GONE, f"{GONE}:{BTC}"):
        assert not cache.document(field).config.enabled
    assert cache.document(f"{GONE}:{BTC}").config.own == OWN
    assert verification.verify().bad is None


def test_stop_layers__one_cannot_be_stopped__stops_the_others_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    record = OpenLayer.record

    def failing(layer: OpenLayer, *args: Any, **kwargs: Any) -> None:
        if layer.strategy_id == SKEW:
            raise RuntimeError("a damaged row")
        record(layer, *args, **kwargs)

    monkeypatch.setattr(OpenLayer, "record", failing)
    written = switches.stop_layers(keys=every_strategy(), origin=OriginFactory())
    assert on() == [SKEW]
    assert [(each.where, each.message) for each in written.failures] == [
        (f"{SKEW} global", "It could not be switched off: a damaged row")
    ]
    assert verification.verify().bad is None


def test_switch_overrides__off_with_a_removed_and_an_unheard_of_strategy__stops_what_is_there(
    remove: Callable[[], None],
) -> None:
    layers.set_layer(strategy_id=GONE, symbol=BTC, parameters=OWN, origin=OriginFactory())
    remove()
    write(symbol=BTC, parameters={"top_levels": 7})
    keys = [LayerKey(GONE, BTC), LayerKey("never_was", BTC), LayerKey(SKEW, BTC)]
    written = switches.switch_overrides(keys=keys, enabled=False, origin=OriginFactory())
    assert [row.strategy_id for row in written.changes] == [GONE, SKEW]
    assert [each.where for each in written.failures] == [f"never_was on {BTC}"]
    assert not SymbolOverride.objects.filter(enabled=True).exists()


def test_switch_overrides__on_with_a_removed_strategy__is_refused_as_a_whole(remove: Callable[[], None]) -> None:
    switches.switch(strategy_id=GONE, symbol=BTC, enabled=False, origin=OriginFactory())
    remove()
    write("switch", symbol=BTC, enabled=False)
    with pytest.raises(NotFoundError):
        switches.switch_overrides(keys=[LayerKey(SKEW, BTC), LayerKey(GONE, BTC)], enabled=True, origin=OriginFactory())
    assert not SymbolOverride.objects.filter(enabled=True).exists()


def test_switch__removed_strategy__can_be_stopped_and_not_started(
    cache: CacheUnderTest, remove: Callable[[], None]
) -> None:
    remove()
    written = switches.switch(strategy_id=GONE, enabled=False, origin=OriginFactory())
    assert (written.action, written.published) == ("DISABLE", True)
    assert not cache.document(GONE).config.enabled
    with pytest.raises(NotFoundError):
        switches.switch(strategy_id=GONE, enabled=True, origin=OriginFactory())
    with pytest.raises(NotFoundError):
        switches.switch(strategy_id="never_was", enabled=False, origin=OriginFactory())
    assert positions.last_sequence() == 1


def test_publish__redis_behind_by_a_change_of_a_removed_strategy__catches_up(
    cache: CacheUnderTest, remove: Callable[[], None], settings: Settings
) -> None:
    write(parameters={"top_levels": 7})
    url, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1/0"
    assert not layers.set_layer(strategy_id=GONE, parameters=OWN, origin=OriginFactory()).published
    assert not switches.switch(strategy_id=GONE, symbol=BTC, enabled=False, origin=OriginFactory()).published
    settings.REDIS_URL = url
    remove()
    assert switches.switch(strategy_id=SKEW, enabled=False, origin=OriginFactory()).published
    assert cache.sequence() == 4
    assert not cache.document(SKEW).config.enabled
    assert not cache.document(f"{GONE}:{BTC}").config.enabled
    assert cache.document(GONE).config.parameters == OWN
    assert publisher.rewrite_all(is_forced=False).repaired == ()


def test_rewrite__documents_that_the_version_with_the_strategy_wrote__stay(
    cache: CacheUnderTest, remove: Callable[[], None]
) -> None:
    layers.set_layer(strategy_id=GONE, symbol=BTC, parameters=OWN, origin=OriginFactory())
    before = {field: cache.document(field) for field in (GONE, f"{GONE}:{BTC}")}
    remove()
    assert publisher.rewrite_all(is_forced=True).repaired == ()
    assert {field: cache.document(field) for field in before} == before
    switches.switch(strategy_id=GONE, enabled=False, origin=OriginFactory())
    cache.forget()
    assert publisher.publish_pending()
    assert not cache.document(GONE).config.enabled
    assert not cache.document(f"{GONE}:{BTC}").config.enabled


def test_reconcile__a_removed_strategy_s_override_expires__everything_else_does_too(
    cache: CacheUnderTest, remove: Callable[[], None]
) -> None:
    soon = NOON + timedelta(hours=1)
    layers.set_layer(strategy_id=GONE, symbol=BTC, parameters=OWN, expires_at=soon, origin=OriginFactory())
    write(parameters={"top_levels": 7}, expires_at=soon)
    remove()
    assert periodic.reconcile() == "done"
    expired = ConfigAudit.objects.filter(action="EXPIRE").values_list("strategy_id", flat=True)
    assert set(expired) == {GONE, SKEW}
    assert cache.sequence() == 4
    assert not cache.document(f"{GONE}:{BTC}").config.is_override
    assert verification.verify().bad is None


def test_reconcile__one_expiry_fails__records_the_others_publishes_and_counts_it(
    cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for symbol in (BTC, "ETHUSDT"):
        write(symbol=symbol, parameters={"top_levels": 7}, expires_at=NOON + timedelta(hours=1))
    record = OpenLayer.record_due_expiry

    def failing(layer: OpenLayer) -> None:
        if layer.symbol == BTC:
            raise RuntimeError("a damaged row")
        record(layer)

    monkeypatch.setattr(OpenLayer, "record_due_expiry", failing)
    counted = failures("expiry")
    assert periodic.reconcile() == "done"
    assert [row.symbol for row in ConfigAudit.objects.filter(action="EXPIRE")] == ["ETHUSDT"]
    assert failures("expiry") == counted + 1
    assert cache.sequence() == 3


def test_rewrite__one_document_cannot_be_made__writes_the_others_and_leaves_it(
    cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(parameters={"top_levels": 7})
    document = layer_documents.symbol_document

    def failing(row: StrategyConfig, override: SymbolOverride) -> Any:
        raise RuntimeError(f"{override} is damaged")

    monkeypatch.setattr(layer_documents, "symbol_document", failing)
    cache.client.hdel(cache.keys.config, GONE)
    assert publisher.rewrite_all(is_forced=False).repaired == (GONE,)
    assert f"{SKEW}:{BTC}" in cache.fields()
    monkeypatch.setattr(layer_documents, "symbol_document", document)
    assert publisher.rewrite_all(is_forced=False).repaired == ()


def test_publish__fails_after_the_commit__the_change_stands_and_is_told_later(
    cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(parameters={"top_levels": 7})
    with monkeypatch.context() as broken:
        broken.setattr(publisher, "_entries", lambda *args: 1 / 0)
        written = write("switch", enabled=False)
    assert (written.published, written.sequence) == (False, 2)
    assert periodic.reconcile() == "done"
    assert cache.sequence() == 2


def test_strategy_without_a_row__reads_stops_and_publishes_as_one_never_set(cache: CacheUnderTest) -> None:
    StrategyConfig.objects.filter(strategy_id=SKEW).delete()
    assert stored_layers.layer_config(strategy_id=SKEW, at=NOON).version == 0
    assert SKEW in on()
    assert publisher.publish_pending()
    assert cache.document(SKEW).config.source == "default"
    assert write(parameters={"top_levels": 7}).published
    assert switches.switch(strategy_id=SKEW, enabled=False, origin=OriginFactory()).published
    assert StrategyConfig.objects.get(strategy_id=SKEW).enabled is False
    switches.stop_layers(keys=every_strategy(), origin=OriginFactory())
    assert on() == []
    assert verification.verify().bad is None


def test_backup_and_restore__with_a_removed_strategy__holds(remove: Callable[[], None], tmp_path: Path) -> None:
    layers.set_layer(strategy_id=GONE, symbol=BTC, parameters=OWN, origin=OriginFactory())
    switches.switch(strategy_id=GONE, enabled=False, origin=OriginFactory())
    remove()
    backup.write(tmp_path / "backup")
    for model in (SymbolOverride, StrategyConfig, ConfigAudit):
        model.objects.all()._raw_delete(using="default")
    restored = backup.restore(tmp_path / "backup")
    assert (restored.rows, restored.bad) == (2, None)
    assert StrategyConfig.objects.get(strategy_id=GONE).enabled is False


def test_api__removed_strategy__is_stopped_and_has_its_history(remove: Callable[[], None]) -> None:
    layers.set_layer(strategy_id=GONE, parameters=OWN, origin=OriginFactory())
    remove()
    _, secret = tokens.issue_token(user=UserFactory(groups=["operator"]), name="t", days=1, at=timezone.now())
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    base = f"/api/v1/strategies/{GONE}"
    why = {"changed_by": "ann", "reason": "why"}
    stopped = client.post(f"{base}/disable", why, content_type="application/json")
    assert (stopped.status_code, stopped.json()["data"]["enabled"]) == (200, False)
    assert client.post(f"{base}/enable", why, content_type="application/json").status_code == 404
    assert [row["action"] for row in client.get(f"{base}/audit").json()["data"]] == ["DISABLE", "CREATE"]
    assert client.get("/api/v1/strategies/never_was/audit").status_code == 404
    assert client.post("/api/v1/strategies/never_was/disable", why, content_type="application/json").status_code == 404
    assert client.get("/api/v1/strategies").status_code == 200


def failures(work: str) -> float:
    return REGISTRY.get_sample_value("configsite_item_failures_total", {"work": work}) or 0.0

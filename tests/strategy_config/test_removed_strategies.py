"""Strategies that the code no longer has, or that `migrate` has not seen yet: nothing stops for them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from strategy_config import audit, batches, overviews, selectors, services
from strategy_config.exceptions import NotFoundError
from strategy_config.models import SymbolOverride
from strategy_config.plans import LayerKey
from tests import catalogues
from tests.factories import NOON, OriginFactory
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


@pytest.mark.parametrize("enabled", [None, True, False])
def test_switch_off_all__a_strategy_was_removed__switches_off_everything_as_one_set(
    cache: CacheUnderTest, remove: Callable[[], None], enabled: bool | None
) -> None:
    services.set_layer(strategy_id=GONE, symbol=BTC, parameters=OWN, origin=OriginFactory())
    if enabled is not None:
        services.switch(strategy_id=GONE, enabled=enabled, origin=OriginFactory())
    remove()
    was_on = on()
    written = services.switch_off_all(origin=OriginFactory())
    assert written.failures == ()
    assert written.published
    assert on() == []
    assert {row.strategy_id for row in written.changes} == {*was_on, *([] if enabled is False else [GONE])}
    for field in (*was_on, GONE, f"{GONE}:{BTC}"):
        assert not cache.document(field).config.enabled
    assert cache.document(f"{GONE}:{BTC}").config.overrides == OWN
    assert audit.verify().bad is None


def test_switch_off_all__one_cannot_be_stopped__stops_the_others_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    record = batches.OpenLayer.record

    def failing(layer: batches.OpenLayer, *args: Any, **kwargs: Any) -> None:
        if layer.strategy_id == SKEW:
            raise RuntimeError("a damaged row")
        record(layer, *args, **kwargs)

    monkeypatch.setattr(batches.OpenLayer, "record", failing)
    written = services.switch_off_all(origin=OriginFactory())
    assert on() == [SKEW]
    assert [(each.where, each.message) for each in written.failures] == [
        (f"{SKEW} global", "It could not be switched off: a damaged row")
    ]
    assert audit.verify().bad is None


def test_switch_overrides__off_with_a_removed_and_an_unheard_of_strategy__stops_what_is_there(
    remove: Callable[[], None],
) -> None:
    services.set_layer(strategy_id=GONE, symbol=BTC, parameters=OWN, origin=OriginFactory())
    remove()
    write(symbol=BTC, parameters={"top_levels": 7})
    keys = [LayerKey(GONE, BTC), LayerKey("never_was", BTC), LayerKey(SKEW, BTC)]
    written = services.switch_overrides(keys=keys, enabled=False, origin=OriginFactory())
    assert [row.strategy_id for row in written.changes] == [GONE, SKEW]
    assert [each.where for each in written.failures] == [f"never_was on {BTC}"]
    assert not SymbolOverride.objects.filter(enabled=True).exists()


def test_switch_overrides__on_with_a_removed_strategy__is_refused_as_a_whole(remove: Callable[[], None]) -> None:
    services.switch(strategy_id=GONE, symbol=BTC, enabled=False, origin=OriginFactory())
    remove()
    write("switch", symbol=BTC, enabled=False)
    with pytest.raises(NotFoundError):
        services.switch_overrides(keys=[LayerKey(SKEW, BTC), LayerKey(GONE, BTC)], enabled=True, origin=OriginFactory())
    assert not SymbolOverride.objects.filter(enabled=True).exists()


def test_switch__removed_strategy__can_be_stopped_and_not_started(
    cache: CacheUnderTest, remove: Callable[[], None]
) -> None:
    remove()
    written = services.switch(strategy_id=GONE, enabled=False, origin=OriginFactory())
    assert (written.action, written.published) == ("DISABLE", True)
    assert not cache.document(GONE).config.enabled
    with pytest.raises(NotFoundError):
        services.switch(strategy_id=GONE, enabled=True, origin=OriginFactory())
    with pytest.raises(NotFoundError):
        services.switch(strategy_id="never_was", enabled=False, origin=OriginFactory())
    assert selectors.last_sequence() == 1

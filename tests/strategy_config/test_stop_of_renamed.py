"""A stop reaches the former id of a renamed strategy, which a runtime of the version before may still trade."""

from collections.abc import Callable

import pytest
from django.conf import settings

from strategy_config.models import SymbolOverride
from strategy_config.services import layers, switches
from strategy_core.strategies.registry import STRATEGIES
from tests import catalogues
from tests.factories import OriginFactory
from tests.strategy_config.test_services import SKEW

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
RENAMED = "book_skew"


def by_the_switch(symbol: str) -> None:
    switches.switch(strategy_id=RENAMED, symbol=symbol, enabled=False, origin=OriginFactory())


def among_parameters(symbol: str) -> None:
    layers.merge_layer(
        strategy_id=RENAMED, symbol=symbol, parameters={"enabled": False, "colour": "red"}, origin=OriginFactory()
    )


@pytest.mark.parametrize("stop", [by_the_switch, among_parameters])
def test_stop__of_a_symbol_in_small_letters__is_one_of_the_former_id(
    monkeypatch: pytest.MonkeyPatch, stop: Callable[[str], None]
) -> None:
    switches.switch(strategy_id=SKEW, enabled=True, origin=OriginFactory())
    former = STRATEGIES[SKEW]
    renamed = type("Renamed", (former,), {"id": RENAMED, "former_ids": (SKEW,)})
    catalogues.run_version(monkeypatch, {**catalogues.without(SKEW), RENAMED: renamed})
    stop("btcusdt")
    stopped = {(row.strategy_id, row.symbol, row.enabled) for row in SymbolOverride.objects.all()}
    assert stopped == {(SKEW, "BTCUSDT", False), (RENAMED, "BTCUSDT", False)}

"""How far other services were told of changes: the position in the store, and what comes after it."""

import pytest

from strategy_config.history import change_events, positions
from strategy_config.models import RelayPosition
from strategy_config.services import catalogue, layers
from tests.factories import OriginFactory

pytestmark = pytest.mark.django_db(transaction=True)
SKEW = "orderbook_skew"


def write(count: int) -> None:
    for _ in range(count):
        layers.set_layer(strategy_id=SKEW, parameters={"top_levels": 7}, origin=OriginFactory(), is_forced=True)


def unrelayed(limit: int = 10) -> list[int]:
    return [change.sequence for change in change_events.unrelayed_changes(limit=limit)]


def test_position__moves_on_and_never_back() -> None:
    write(4)
    assert unrelayed() == [1, 2, 3, 4]
    assert unrelayed(limit=2) == [1, 2]
    positions.record_relayed(sequence=3)
    assert unrelayed() == [4]
    positions.record_relayed(sequence=1)
    assert unrelayed() == [4]
    positions.record_relayed(sequence=4)
    assert unrelayed() == []


def test_position__of_a_store_that_had_a_history_before__begins_at_its_end() -> None:
    write(2)
    RelayPosition.objects.all().delete()
    catalogue.sync_catalogue()
    assert unrelayed() == []
    write(1)
    assert unrelayed() == [3]
    catalogue.sync_catalogue()
    assert unrelayed() == [3]


def test_event__of_a_change__says_what_the_history_says() -> None:
    layers.set_layer(strategy_id=SKEW, symbol="BTCUSDT", parameters={"top_levels": 7}, origin=OriginFactory())
    (event,) = change_events.unrelayed_changes(limit=10)
    assert event.subject == "config.changed.orderbook_skew.BTCUSDT"
    assert (event.action, event.version, event.changed_by, event.reason) == ("CREATE", 1, "alice", "a test")
    assert event.changed_at == "2024-08-08T12:00:00.000Z"

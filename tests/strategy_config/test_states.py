"""Rollback, the kill switch and expiry."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from strategy_config.exceptions import NotFoundError
from strategy_config.models import ConfigAudit
from strategy_config.resolution import entity_tags
from strategy_config.selectors import stored_layers
from strategy_config.services import expiries
from strategy_core.configuration.validation import InvalidParametersError
from tests.factories import NOON, OriginFactory
from tests.strategy_config.test_services import BTC, LATER, SKEW, history, own, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)


def config(symbol: str | None = BTC, at: Any = NOON) -> Any:
    return stored_layers.layer_config(strategy_id=SKEW, symbol=symbol, at=at)


def test_roll_back__without_target__undoes_the_last_change_and_skips_switches() -> None:
    write(parameters={"top_levels": 10})
    write(parameters={"top_levels": 11})
    write("switch", enabled=False)
    written = write("roll_back")
    assert (written.action, written.version, own()) == ("ROLLBACK", 4, {"top_levels": 10})
    assert config().enabled is False
    assert write("roll_back").version == 5
    assert own() == {"top_levels": 11}


def test_roll_back__to_before_the_first__is_no_layer() -> None:
    write(parameters={"top_levels": 10})
    assert write("roll_back").version == 2
    assert own() is None
    assert config().is_override is False


@pytest.mark.parametrize("by", ["target_version", "rollback_id"])
def test_roll_back__to_a_target__restores_the_state_after_it(by: str) -> None:
    for levels in (3, 4, 5):
        write(parameters={"top_levels": levels})
    row = history()[1]
    write("roll_back", **{by: row.version if by == "target_version" else str(row.id)})
    assert own() == {"top_levels": 4}


@pytest.mark.parametrize("kwargs", [{"target_version": 9}, {"target_version": 0}, {"rollback_id": "no-id"}, {}])
def test_roll_back__no_such_state__is_not_found(kwargs: dict[str, Any]) -> None:
    write(symbol="ETHUSDT", parameters={"top_levels": 10})
    with pytest.raises(NotFoundError):
        write("roll_back", **kwargs)


def test_roll_back__row_of_another_layer__is_not_found() -> None:
    write(symbol="ETHUSDT", parameters={"top_levels": 10})
    write(parameters={"top_levels": 10})
    with pytest.raises(NotFoundError):
        write("roll_back", rollback_id=history("ETHUSDT")[0].id)


def test_roll_back__state_that_no_longer_fits__is_refused() -> None:
    write(symbol=None, parameters={"buy_threshold": 3.0})
    write(parameters={"sell_threshold": 1.0, "top_levels": 2})
    write(parameters={"top_levels": 2})
    write(symbol=None, parameters={"buy_threshold": 1.0})
    with pytest.raises(InvalidParametersError):
        write("roll_back")
    assert own() == {"top_levels": 2}


def test_switch__global__rules_over_symbols() -> None:
    write("switch", symbol=None, enabled=False)
    written = write("switch", enabled=True)
    assert config().enabled is False
    assert written.warnings == ("orderbook_skew is switched off for all symbols.",)
    write("switch", symbol=None, enabled=True)
    assert config().enabled is True


def test_switch__symbol_without_parameters__makes_a_layer_of_its_own() -> None:
    written = write("switch", enabled=False)
    assert (written.action, written.version) == ("DISABLE", 1)
    assert (config().enabled, config().is_override, config(None).enabled) == (False, True, True)
    assert history()[0].changes == [{"parameter": "enabled", "old": True, "new": False}]


def test_delete_layer__switched_off_symbol__stays_off_and_says_so() -> None:
    write(parameters={"top_levels": 10})
    write("switch", enabled=False)
    assert write("delete_layer").warnings == ("orderbook_skew stays switched off on BTCUSDT.",)
    assert config().enabled is False


def test_layer_config__after_expiry__shows_what_is_below_before_anyone_recorded_it() -> None:
    write(parameters={"top_levels": 10}, expires_at=LATER)
    assert config().parameters["top_levels"] == 10
    expired = config(at=LATER)
    assert (expired.parameters["top_levels"], expired.is_override, expired.version) == (5, False, 2)
    assert not ConfigAudit.objects.filter(action="EXPIRE").exists()


def test_expire_due__due_layer__is_recorded_once() -> None:
    write(parameters={"top_levels": 10}, expires_at=LATER)
    write(symbol="ETHUSDT", parameters={"top_levels": 10}, expires_at=LATER + timedelta(seconds=1))
    assert expiries.expire_due(at=LATER) == 1
    assert expiries.expire_due(at=LATER) == 0
    row = history()[-1]
    assert (row.action, row.version, row.channel, row.new_parameters) == ("EXPIRE", 2, "schedule", None)
    assert config(at=LATER).version == 2


def test_set_layer__on_an_expired_one__records_the_expiry_first() -> None:
    write(parameters={"top_levels": 10}, expires_at=LATER)
    seen = entity_tags.etag(config(at=LATER))
    written = write(parameters={"top_levels": 3}, origin=OriginFactory(at=LATER), if_match=seen)
    assert [(row.action, row.version) for row in history()] == [("CREATE", 1), ("EXPIRE", 2), ("CREATE", 3)]
    assert (written.version, written.sequence, config().expires_at) == (3, 3, None)


def test_merge_layer__expiry_left_out__stays() -> None:
    write(parameters={"top_levels": 10}, expires_at=LATER)
    write("merge_layer", parameters={"buy_threshold": 2.0})
    assert config().expires_at == "2024-08-08T12:05:00.000Z"
    write("merge_layer", parameters={}, expires_at=None)
    assert config().expires_at is None


def test_merge_layer__that_drops_the_last_value__drops_the_expiry_too() -> None:
    write(parameters={"top_levels": 10}, expires_at=LATER)
    written = write("merge_layer", parameters={"top_levels": None})
    assert (written.config.own, written.config.expires_at) == ({}, None)
    assert [change["parameter"] for change in history()[-1].changes] == ["top_levels", "expires_at"]


def test_set_layer__global_change__ignores_expired_overrides() -> None:
    write(symbol=None, parameters={"buy_threshold": 3.0})
    write(parameters={"sell_threshold": 1.0}, expires_at=LATER)
    with pytest.raises(InvalidParametersError):
        write(symbol=None, parameters={"buy_threshold": 1.0})
    assert write(symbol=None, parameters={"buy_threshold": 1.0}, origin=OriginFactory(at=LATER)).version == 2

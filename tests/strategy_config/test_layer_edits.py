"""Edits of a layer: the switch among the parameters, a stop beside something refused, round trips of reads."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from strategy_config.exceptions import ConfigError, VersionConflictError
from strategy_config.history import verification
from strategy_config.history.origins import NO_REASON
from strategy_config.models import CHANGED_BY_LENGTH, REASON_LENGTH, ConfigAudit
from strategy_config.observed import runtimes
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.resolution.texts import CUT_MARK
from strategy_config.selectors import stored_layers
from strategy_config.services import dry_run, layers, switches
from strategy_config.services.layer_edits import SWITCH, NotAllowedError
from strategy_config.services.layer_write import LayerWrite
from strategy_core.configuration import runtime_reports, wire_documents, wire_json
from strategy_core.configuration.validation import InvalidParametersError
from strategy_core.strategies.registry import STRATEGIES
from tests.factories import NOON, OriginFactory
from tests.strategy_config.conftest import CacheUnderTest

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
SKEW = "orderbook_skew"
BTC = "BTCUSDT"


EDITS: dict[str, Callable[..., LayerWrite]] = {"set_layer": layers.set_layer, "merge_layer": layers.merge_layer}


def write(action: str, parameters: dict[str, Any], *, symbol: str | None = BTC, **kwargs: Any) -> LayerWrite:
    origin = kwargs.pop("origin", None) or OriginFactory()
    return EDITS[action](strategy_id=SKEW, symbol=symbol, parameters=parameters, origin=origin, **kwargs)


def merge(parameters: dict[str, Any], **kwargs: Any) -> LayerWrite:
    return write("merge_layer", parameters, **kwargs)


def actions(symbol: str | None = BTC) -> list[str]:
    rows = ConfigAudit.objects.filter(strategy_id=SKEW, symbol=symbol or "").order_by("sequence")
    return [row.action for row in rows]


def read(symbol: str | None = BTC) -> wire_documents.LayerConfig:
    return stored_layers.layer_config(strategy_id=SKEW, symbol=symbol, at=NOON)


def test_no_strategy__has_a_parameter_of_the_switchs_name() -> None:
    assert not [each for each in STRATEGIES.values() if SWITCH in each.parameters.model_fields]


@pytest.mark.parametrize("symbol", [None, BTC])
def test_merge__nothing_named__changes_nothing(symbol: str | None) -> None:
    assert merge({}, symbol=symbol).is_unchanged
    merge({"top_levels": 7}, symbol=symbol)
    again = merge({}, symbol=symbol)
    assert (again.is_unchanged, again.version, again.config.own) == (True, 1, {"top_levels": 7})
    assert actions(symbol) == ["CREATE"]
    assert merge({}, symbol=symbol, is_forced=True).version == 2


def test_merge__last_own_value_removed__leaves_an_empty_layer() -> None:
    merge({"top_levels": 7})
    assert merge({"top_levels": None}).config.own == {}
    assert merge({"top_levels": None}).is_unchanged


@pytest.mark.parametrize("action", ["merge_layer", "set_layer"])
@pytest.mark.parametrize("symbol", [None, BTC])
def test_stop__with_parameters__is_one_set_of_two_rows_the_stop_first(action: str, symbol: str | None) -> None:
    written = write(action, {SWITCH: False, "top_levels": 7}, symbol=symbol)
    assert (written.is_stopped, written.refusal, written.action) == (True, None, "CREATE")
    assert (written.config.enabled, written.config.own) == (False, {"top_levels": 7})
    assert actions(symbol) == ["DISABLE", "CREATE"]
    assert verification.verify().bad is None


def test_stop__alone__keeps_parameters_and_expiry() -> None:
    until = NOON + timedelta(hours=1)
    merge({"top_levels": 7}, expires_at=until)
    config = merge({SWITCH: False}).config
    assert (config.enabled, config.own) == (False, {"top_levels": 7})
    assert config.expires_at == "2024-08-08T13:00:00.000Z"


REFUSED_BESIDE: dict[str, dict[str, Any]] = {
    "unknown parameter": {"parameters": {"nonsense": 1}},
    "out of range": {"parameters": {"top_levels": -1}},
    "expiry in the past": {"parameters": {"top_levels": 7}, "expires_at": NOON - timedelta(hours=1)},
    "If-Match": {"parameters": {"top_levels": 7}, "if_match": '"999"'},
}


@pytest.mark.parametrize("beside", REFUSED_BESIDE.values(), ids=REFUSED_BESIDE.keys())
@pytest.mark.parametrize("action", ["merge_layer", "set_layer"])
def test_stop__beside_something_refused__is_stored_alone(action: str, beside: dict[str, Any]) -> None:
    merge({"top_levels": 5})
    more = {name: value for name, value in beside.items() if name != "parameters"}
    written = write(action, {SWITCH: False, **beside["parameters"]}, **more)
    assert written.is_stopped
    assert isinstance(written.refusal, (InvalidParametersError, ConfigError))
    assert (read().enabled, read().own) == (False, {"top_levels": 5})
    assert actions() == ["CREATE", "DISABLE"]


def test_stop__alone_with_an_if_match_of_before__holds_and_says_so() -> None:
    merge({"top_levels": 5})
    written = merge({SWITCH: False}, if_match='"999"')
    assert (written.refusal, read().enabled) == (None, False)
    assert "If-Match" in written.warnings[0]
    assert (
        "If-Match"
        in switches.switch(
            strategy_id=SKEW, symbol=BTC, enabled=False, origin=OriginFactory(), if_match='"999"'
        ).warnings[0]
    )


def test_stop__of_an_expired_layer_that_nobody_recorded__holds() -> None:
    merge({"top_levels": 5}, expires_at=NOON + timedelta(minutes=1))
    later = OriginFactory(at=NOON + timedelta(hours=1))
    written = merge({SWITCH: False}, origin=later)
    assert (written.action, written.config.enabled, written.config.own) == ("DISABLE", False, {})


ODD_TEXTS: dict[str, dict[str, str]] = {
    "long reason": {"reason": "x" * (REASON_LENGTH + 1)},
    "no reason": {"reason": " \u200b"},
    "NUL": {"reason": "feed\0broken"},
    "reversed": {"changed_by": "a\u202eb"},
    "nobody": {"changed_by": "\u200b"},
    "long name": {"changed_by": "x" * (CHANGED_BY_LENGTH + 1)},
    "surrogate": {"reason": "\ud800"},
    "long request id": {"request_id": "r" * 500},
}


@pytest.mark.parametrize("texts", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
@pytest.mark.parametrize("way", ["switch", "merge", "overrides"])
def test_stop__with_texts_that_cannot_be_kept__is_stored_with_what_can(way: str, texts: dict[str, str]) -> None:
    origin = OriginFactory(**texts)
    if way == "switch":
        switches.switch(strategy_id=SKEW, symbol=BTC, enabled=False, origin=origin)
    elif way == "merge":
        merge({SWITCH: False}, origin=origin)
    else:
        switches.switch_overrides(keys=[LayerKey(SKEW, BTC)], enabled=False, origin=origin)
    row = ConfigAudit.objects.get(strategy_id=SKEW, symbol=BTC)
    assert row.action == "DISABLE"
    assert (row.changed_by.strip(), row.reason.strip()) == (row.changed_by, row.reason)
    assert row.changed_by
    assert row.reason
    assert verification.verify().bad is None


def test_stop__long_reason__is_cut_and_marked() -> None:
    merge({SWITCH: False}, origin=OriginFactory(reason="x" * 2_000))
    reason = ConfigAudit.objects.get(symbol=BTC).reason
    assert reason.endswith(CUT_MARK)
    assert len(reason) == REASON_LENGTH


def test_stop__no_reason__says_that_none_was_given() -> None:
    merge({SWITCH: False}, origin=OriginFactory(reason=""))
    assert ConfigAudit.objects.get(symbol=BTC).reason == NO_REASON


@pytest.mark.parametrize("value", ["false", 0, None, [], 0.0])
def test_switch__not_a_boolean__is_refused_with_every_other_error(value: Any) -> None:
    with pytest.raises(InvalidParametersError) as refusal:
        merge({SWITCH: value, "top_levels": -1})
    assert [(error.field, error.code) for error in refusal.value.errors] == [
        (SWITCH, "INVALID_TYPE"),
        ("top_levels", "OUT_OF_RANGE"),
    ]
    assert actions() == []


def test_switch_on__as_it_is__is_nothing_and_needs_no_right() -> None:
    assert merge({SWITCH: True}, may_enable=False).is_unchanged
    assert merge({SWITCH: True, "top_levels": 7}, may_enable=False).action == "CREATE"
    assert actions() == ["CREATE"]


def test_switch_on__what_is_off__needs_the_right_and_comes_last() -> None:
    merge({SWITCH: False})
    with pytest.raises(NotAllowedError):
        merge({SWITCH: True, "top_levels": 7}, may_enable=False)
    assert actions() == ["DISABLE"]
    assert merge({SWITCH: True, "top_levels": 7}).config.enabled
    assert actions() == ["DISABLE", "CREATE", "ENABLE"]


def test_switch_on__if_match_of_before__is_refused() -> None:
    merge({SWITCH: False})
    with pytest.raises(VersionConflictError):
        merge({SWITCH: True}, if_match='"999"')
    assert actions() == ["DISABLE"]


def heartbeat(cache: CacheUnderTest, name: str, sequence: int, replica: str) -> None:
    beat = runtime_reports.Heartbeat(
        instance_id=name,
        host="h",
        version="1",
        started_at="2024-08-08T11:00:00Z",
        sent_at="2024-08-08T12:00:00Z",
        sequence=sequence,
        lag_ms=0.0,
        messages_per_second=0.0,
        symbols=[],
        strategies=[],
        errors=0,
        dropped=0,
        signals=0,
        config_stale_seconds=0.0,
        market_source="real",
        replica=replica,
    )
    cache.client.set(cache.keys.runtime(name), wire_json.encode(beat), ex=60)


def test_confirmed_sequence__is_what_every_share_has_applied(cache: CacheUnderTest) -> None:
    assert runtimes.confirmed_sequence() == 0
    heartbeat(cache, "a", 7, "0/2")
    assert runtimes.confirmed_sequence() == 0
    heartbeat(cache, "b", 5, "1/2")
    assert runtimes.confirmed_sequence() == 5
    heartbeat(cache, "c", 3, "unreadable")
    assert runtimes.confirmed_sequence() == 3


def test_stop__of_what_is_off__is_told_again_until_every_runtime_has_it(cache: CacheUnderTest) -> None:
    merge({SWITCH: False})
    assert merge({SWITCH: False}).version == 2
    heartbeat(cache, "a", 1, "0/1")
    assert merge({SWITCH: False}).version == 3
    heartbeat(cache, "a", 3, "0/1")
    again = merge({SWITCH: False})
    assert (again.is_unchanged, again.is_stopped, again.version, again.published) == (True, True, 3, True)


def test_round_trip__of_a_read__makes_nothing_own_that_was_inherited() -> None:
    merge({"buy_threshold": 1.5}, symbol=None)
    merge({"top_levels": 7})
    everything = {**read().parameters, "sell_threshold": 0.7}
    written = merge(everything)
    assert written.config.own == {"top_levels": 7, "sell_threshold": 0.7}
    assert set(written.inherited) == everything.keys() - {"top_levels", "sell_threshold"}
    merge({"buy_threshold": 1.6}, symbol=None)
    assert read().parameters["buy_threshold"] == 1.6


def test_round_trip__without_what_the_original_did_not_have__is_one_as_well() -> None:
    parameters = {name: value for name, value in read().parameters.items() if name != "min_signal_interval_seconds"}
    written = merge(parameters)
    assert written.is_unchanged
    assert set(written.inherited) == parameters.keys()


def test_round_trip__own_value_equal_to_the_inherited_one__stays_own() -> None:
    merge({"top_levels": 5})
    written = merge({**read().parameters})
    assert (written.config.own, written.is_unchanged) == ({"top_levels": 5}, True)


def test_merge__of_some__and_replace__pin_what_they_name() -> None:
    assert merge({"top_levels": 5}).config.own == {"top_levels": 5}
    everything = read("ETHUSDT").parameters
    assert write("set_layer", everything, symbol="ETHUSDT").config.own == everything


def test_check_change__tells_what_the_write_does() -> None:
    merge({"top_levels": 7})
    preview = dry_run.check_change(
        strategy_id=SKEW, symbol=BTC, parameters={**read().parameters, SWITCH: False}, is_merge=True, at=NOON
    )
    assert [(change.parameter, change.new) for change in preview.changes] == [(SWITCH, False)]
    assert "buy_threshold" in preview.inherited
    assert actions() == ["CREATE"]

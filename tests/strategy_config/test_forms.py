"""The form of a layer: what typed texts stand for, and what of it is a change."""

import pytest
from django.conf import settings
from django.http import QueryDict

from strategy_config.admin import forms, parameter_fields
from strategy_config.admin.forms import LayerForm
from strategy_core.strategies.base import ParameterSpec
from strategy_core.strategies.registry import STRATEGIES
from tests.factories import NOON
from tests.strategy_config.test_services import BTC, SKEW, write

SPECS = {spec.name: spec for strategy in STRATEGIES.values() for spec in strategy.specs()}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("buy_threshold", "1.35", 1.35),
        ("buy_threshold", " 1,35 ", 1.35),
        ("buy_threshold", "2", 2),
        ("min_total_volume", "0,001", 0.001),
        ("min_total_volume", ",125", 0.125),
        ("top_levels", "7", 7),
        ("volume_confirmation", "false", False),
        ("exchanges", "binance,okx", ["binance", "okx"]),
    ],
)
def test_parse__readable_text__is_the_value(name: str, text: str, value: object) -> None:
    assert parameter_fields.parse(SPECS[name], text) == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("buy_threshold", "1,350", "can be read in two ways"),
        ("buy_threshold", "1.234,5", "can be read in two ways"),
        ("buy_threshold", "1,2,3", "can be read in two ways"),
        ("buy_threshold", "abc", "buy_threshold must be a number, not 'abc'."),
        ("buy_threshold", "nan", "buy_threshold must be a number, not 'nan'."),
        ("buy_threshold", "1e999", "buy_threshold must be a number, not '1e999'."),
        ("buy_threshold", "1_0", "buy_threshold must be a number, not '1_0'."),
        ("top_levels", "7,5", "top_levels must be a whole number, not '7.5'."),
        ("volume_confirmation", "maybe", "volume_confirmation must be true or false, not 'maybe'."),
    ],
)
def test_parse__doubtful_text__is_refused_with_words(name: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match="must be|two ways") as refusal:
        parameter_fields.parse(SPECS[name], text)
    assert words in str(refusal.value)


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_parse__text_of_a_value__gives_it_back(spec: ParameterSpec) -> None:
    for value in (spec.default, spec.example):
        assert parameter_fields.parse(spec, parameter_fields.text_of(spec, value)) == value


@pytest.mark.parametrize("strategy_id", STRATEGIES)
@pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
def test_layer_form__of_every_strategy__has_every_parameter_in_a_group(strategy_id: str) -> None:
    form = LayerForm(forms.layer_state(strategy_id=strategy_id, symbol=None, at=NOON))
    grouped = [field.name for _, fields in form.groups for field in fields]
    assert sorted(grouped) == sorted(spec.name for spec in STRATEGIES[strategy_id].specs())
    assert form.changes == {}


def sent(**texts: str) -> QueryDict:
    """A form of the skew strategy that was opened while nothing was set."""
    data = QueryDict(mutable=True)
    for spec in STRATEGIES[SKEW].specs():
        data[f"was-{spec.name}"] = ""
        data[f"p-{spec.name}"] = texts.get(spec.name, "")
    return data


@pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
def test_layer_form__somebody_changed_meanwhile__keeps_both() -> None:
    write(symbol=None, parameters={"top_levels": 7, "buy_threshold": 1.4})
    state = forms.layer_state(strategy_id=SKEW, symbol=None, at=NOON)
    form = LayerForm(state, sent(buy_threshold="1,3"))
    assert form.changes == {"buy_threshold": 1.3}
    fields = {field.name: (field.text, field.was, field.state) for field in form.parameters}
    assert fields["top_levels"] == ("7", "7", "own")
    assert fields["buy_threshold"] == ("1,3", "1.4", "changed")


@pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
def test_layer_form__other_text_for_the_same_value__is_no_change() -> None:
    write(symbol=None, parameters={"buy_threshold": 1.4})
    data = sent(buy_threshold="1.40")
    data["was-buy_threshold"] = "1.4"
    form = LayerForm(forms.layer_state(strategy_id=SKEW, symbol=None, at=NOON), data)
    assert form.changes == {}


@pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
def test_layer_state__of_a_symbol__inherits_from_the_global_layer() -> None:
    write(symbol=None, parameters={"top_levels": 7})
    write(symbol=BTC, parameters={"buy_threshold": 1.5})
    state = forms.layer_state(strategy_id=SKEW, symbol=BTC, at=NOON)
    assert (state.inherited["top_levels"], state.sources["top_levels"]) == (7, "global")
    assert (state.inherited["buy_threshold"], state.sources["buy_threshold"]) == (1.2, "default")
    assert state.config.own == {"buy_threshold": 1.5}


def test_step__of_every_number__is_a_round_part_of_its_range_and_of_its_default() -> None:
    steps = {name: parameter_fields.ParameterField(SPECS[name]).step for name in ("top_levels", "min_total_volume")}
    assert steps == {"top_levels": "1", "min_total_volume": "0.0001"}


@pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
def test_limits__of_long_times__are_also_told_in_words() -> None:
    state = forms.layer_state(strategy_id="cross_exchange_spread", symbol=None, at=NOON)
    limits = {each.name: each.field.limits for each in LayerForm(state).parameters}
    assert limits["min_signal_interval"] == "60 to 3600 (1 min to 1 h)"
    assert limits["base_confidence"] == "0.5 to 1"


@pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
def test_layer_form__stored_value_that_cannot_be_read__is_an_error_only_once_it_is_typed_over() -> None:
    state = forms.layer_state(strategy_id=SKEW, symbol=None, at=NOON)
    state.config.own["buy_threshold"] = "high"
    untouched, typed = sent(), sent(buy_threshold="higher")
    for data in (untouched, typed):
        data["was-buy_threshold"] = "high"
    untouched["p-buy_threshold"] = "high"
    assert (LayerForm(state, untouched).errors, LayerForm(state, untouched).changes) == ({}, {})
    assert LayerForm(state, typed).errors == {"buy_threshold": ["buy_threshold must be a number, not 'higher'."]}

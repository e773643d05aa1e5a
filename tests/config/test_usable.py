"""Values that no longer fit: each is left out by itself, the rest holds, and what is missing is named."""

from typing import Any

import pytest
from hypothesis import given

from strategy_core.configuration import usable
from strategy_core.configuration.environment_layer import read_environment
from strategy_core.configuration.parameter_values import NOTHING
from strategy_core.configuration.validation import InvalidParametersError, check_values, validate_layer
from strategy_core.strategies.orderbook_skew import OrderbookSkew
from tests.config.test_layers import AnyStrategy, strategy_and_layers


class Renamed(OrderbookSkew):
    """`top_levels` was `depth` once."""

    renamed = {"depth": "top_levels"}


@pytest.mark.parametrize(
    ("layers", "in_force", "refused"),
    [
        pytest.param(
            {"global_values": {"top_levels": 25, "buy_threshold": 1.4}, "symbol_values": {"buy_threshold": 1.7}},
            {"top_levels": (5, "refused"), "buy_threshold": (1.7, "symbol")},
            [("top_levels", "global", 25)],
            id="out of range",
        ),
        pytest.param(
            {"environment": {"top_levels": 7}, "global_values": {"top_levels": "many"}},
            {"top_levels": (7, "refused")},
            [("top_levels", "global", "many")],
            id="of another type, the lower layer shows through",
        ),
        pytest.param(
            {"global_values": {"gone": 1, "top_levels": 6}, "symbol_values": {"gone_too": 2}},
            {"top_levels": (6, "global")},
            [("gone", "global", 1), ("gone_too", "symbol", 2)],
            id="parameters that are gone",
        ),
        pytest.param(
            {"global_values": {"top_levels": 25}, "symbol_values": {"top_levels": 3}},
            {"top_levels": (3, "symbol")},
            [],
            id="what is overridden does not matter",
        ),
        pytest.param(
            {"environment": {"sell_threshold": 1.0}, "global_values": {"buy_threshold": 1.0, "top_levels": 9}},
            {"sell_threshold": (0.8, "refused"), "buy_threshold": (1.0, "global"), "top_levels": (9, "global")},
            [("sell_threshold", "environment", 1.0)],
            id="a rule: the environment gives way first",
        ),
        pytest.param(
            {"global_values": {"sell_threshold": 1.0}, "symbol_values": {"buy_threshold": 1.0, "top_levels": 9}},
            {"sell_threshold": (1.0, "global"), "buy_threshold": (1.2, "refused"), "top_levels": (9, "symbol")},
            [("buy_threshold", "symbol", 1.0)],
            id="a rule: then the symbol",
        ),
        pytest.param(
            {"global_values": {"sell_threshold": 1.0, "buy_threshold": 1.0, "top_levels": 9}},
            {"sell_threshold": (0.8, "refused"), "buy_threshold": (1.2, "refused"), "top_levels": (9, "global")},
            [("buy_threshold", "global", 1.0), ("sell_threshold", "global", 1.0)],
            id="a rule: then global",
        ),
    ],
)
def test_resolve__values_that_do_not_fit__only_they_are_left_out(
    layers: dict[str, Any], in_force: dict[str, tuple[Any, str]], refused: list[tuple[str, str, Any]]
) -> None:
    found = usable.resolve(OrderbookSkew, **layers)
    assert {name: (getattr(found.parameters, name), found.sources[name]) for name in in_force} == in_force
    assert sorted((each.parameter, each.layer, each.value) for each in found.refused) == refused
    assert all(each.message for each in found.refused)


@given(strategy_and_layers())
def test_resolve__any_layers__holds_and_names_all_that_is_left_out(
    drawn: tuple[AnyStrategy, list[dict[str, Any]]],
) -> None:
    strategy, (environment, global_values, symbol_values) = drawn
    found = usable.resolve(strategy, environment=environment, global_values=global_values, symbol_values=symbol_values)
    assert list(found.parameters.broken_rules()) == []
    wanted = {**environment, **global_values, **symbol_values}
    missed = {each.parameter for each in found.refused}
    for name, value in check_values(strategy, wanted)[0].items():
        is_in_force = found.parameters.model_dump(mode="json")[name] == value
        assert is_in_force or name in missed
    below = usable.values_in_force(strategy, environment, global_values)
    assert usable.resolve(strategy, global_values=below).refused == ()


@pytest.mark.parametrize(
    ("stored", "values", "errors"),
    [
        pytest.param({"top_levels": 25}, {"top_levels": 25, "buy_threshold": 1.4}, [], id="left as it is"),
        pytest.param({"gone": 1}, {"gone": 1, "buy_threshold": 1.4}, [], id="a parameter that is gone, left"),
        pytest.param({"top_levels": 25}, {"top_levels": 26}, ["top_levels"], id="changed to another that does not fit"),
        pytest.param({"top_levels": 25}, {"top_levels": 25.0}, ["top_levels"], id="of another type"),
        pytest.param({}, {"top_levels": 25}, ["top_levels"], id="new"),
        pytest.param(
            {"buy_threshold": 1.0, "sell_threshold": 1.0},
            {"buy_threshold": 1.0, "sell_threshold": 1.0, "top_levels": 7},
            [],
            id="a rule that was broken before",
        ),
        pytest.param(
            {"buy_threshold": 1.0, "sell_threshold": 1.0},
            {"buy_threshold": 0.99, "sell_threshold": 1.0},
            ["buy_threshold"],
            id="a rule that is broken anew",
        ),
    ],
)
def test_validate_layer__over_stored_values_that_do_not_fit__refuses_only_what_is_changed(
    stored: dict[str, Any], values: dict[str, Any], errors: list[str]
) -> None:
    if not errors:
        assert validate_layer(OrderbookSkew, values, stored=stored) == values
        return
    with pytest.raises(InvalidParametersError) as refusal:
        validate_layer(OrderbookSkew, values, stored=stored)
    assert {error.field for error in refusal.value.errors} & set(values)


def test_validate_layer__an_override_that_no_longer_fits__refuses_no_change_below() -> None:
    overrides = {"BTCUSDT": {"top_levels": 25, "sell_threshold": 1.0}}
    assert validate_layer(OrderbookSkew, {"buy_threshold": 1.4}, overrides=overrides)
    with pytest.raises(InvalidParametersError, match="With the override for BTCUSDT"):
        validate_layer(OrderbookSkew, {"buy_threshold": 1.0}, overrides=overrides)


def test_renamed_parameter__its_former_name__is_carried_over_everywhere() -> None:
    assert check_values(Renamed, {"depth": 7}) == ({"top_levels": 7}, [])
    assert check_values(Renamed, {"depth": 7, "top_levels": 8}) == ({"top_levels": 8}, [])
    found = usable.resolve(Renamed, global_values={"depth": 7})
    assert (found.parameters.top_levels, found.sources["top_levels"], found.refused) == (7, "global", ())
    assert validate_layer(Renamed, {"depth": 9}, stored={"depth": 7}) == {"top_levels": 9}
    assert read_environment(Renamed, {"ORDERBOOK_SKEW_DEPTH": "7"}).values == {"top_levels": 7}
    both = {"ORDERBOOK_SKEW_DEPTH": "7", "ORDERBOOK_SKEW_TOP_LEVELS": "8"}
    assert read_environment(Renamed, both).values == {"top_levels": 8}
    assert usable.values_in_force(Renamed, NOTHING, {"depth": 7}) == {"top_levels": 7}

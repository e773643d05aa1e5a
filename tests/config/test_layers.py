"""Resolution and the one validation: examples, and the laws that hold for every strategy and every input."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from strategy_core.configuration import parameter_values
from strategy_core.configuration.layers import resolve
from strategy_core.configuration.validation import InvalidParametersError, check_values, validate_layer
from strategy_core.strategies.base import ParameterSpec, Strategy
from strategy_core.strategies.orderbook_skew import OrderbookSkew
from strategy_core.strategies.registry import STRATEGIES
from strategy_core.strategies.ticker_velocity import TickerVelocity
from strategy_core.strategies.trade_momentum import TradeMomentum

EXCHANGES = ["binance", "coinbase", "kraken", "bybit", "okx", "bitstamp"]
SPREAD = STRATEGIES["cross_exchange_spread"]
AnyStrategy = type[Strategy[Any]]


def errors_of(
    strategy: AnyStrategy, values: Mapping[str, Any], **other_layers: Any
) -> list[tuple[str, str, str | None]]:
    """(field, code, symbol) of every reason for the refusal of a layer."""
    with pytest.raises(InvalidParametersError) as refusal:
        validate_layer(strategy, values, **other_layers)
    return [(error.field, error.code, error.symbol) for error in refusal.value.errors]


# --- values by themselves


@pytest.mark.parametrize(
    ("strategy", "field", "value", "code", "suggested"),
    [
        (OrderbookSkew, "top_levels", -5, "OUT_OF_RANGE", 1),
        (OrderbookSkew, "top_levels", 21, "OUT_OF_RANGE", 20),
        (OrderbookSkew, "top_levels", True, "INVALID_TYPE", 5),
        (OrderbookSkew, "top_levels", "7", "INVALID_TYPE", 7),
        (OrderbookSkew, "top_levels", "700", "INVALID_TYPE", 20),
        (OrderbookSkew, "top_levels", float(2**53 + 2), "INVALID_TYPE", 20),
        (OrderbookSkew, "top_levels", 7.5, "INVALID_TYPE", 5),
        (OrderbookSkew, "top_levels", None, "INVALID_TYPE", 5),
        (OrderbookSkew, "top_levels", [5], "INVALID_TYPE", 5),
        (OrderbookSkew, "top_levels", 10**400, "OUT_OF_RANGE", 20),
        (OrderbookSkew, "buy_threshold", 10**400, "OUT_OF_RANGE", 3.0),
        (OrderbookSkew, "buy_threshold", -(10**400), "OUT_OF_RANGE", 1.0),
        (OrderbookSkew, "buy_threshold", math.nan, "INVALID_TYPE", 1.2),
        (OrderbookSkew, "buy_threshold", -math.inf, "INVALID_TYPE", 1.2),
        (OrderbookSkew, "buy_threshold", False, "INVALID_TYPE", 1.2),
        (OrderbookSkew, "buy_threshold", "1.5", "INVALID_TYPE", 1.5),
        (OrderbookSkew, "buy_threshold", "nan", "INVALID_TYPE", 1.2),
        (OrderbookSkew, "buy_threshold", "x" * 10**6, "INVALID_TYPE", 1.2),
        (OrderbookSkew, "buy_threshold", {"gt": {"lt": 10**5000}}, "INVALID_TYPE", 1.2),
        (TickerVelocity, "volume_confirmation", 1, "INVALID_TYPE", True),
        (TickerVelocity, "volume_confirmation", "true", "INVALID_TYPE", True),
        (SPREAD, "exchanges", "binance,kraken", "INVALID_TYPE", ["binance", "coinbase"]),
        (SPREAD, "exchanges", ["binance"], "OUT_OF_RANGE", ["binance", "coinbase"]),
        (SPREAD, "exchanges", ["binance", "binance"], "NOT_ALLOWED", ["binance", "coinbase"]),
        (SPREAD, "exchanges", ["binance", "mtgox"], "NOT_ALLOWED", ["binance", "coinbase"]),
        (SPREAD, "exchanges", [None, [10**5000]], "NOT_ALLOWED", ["binance", "coinbase"]),
        (OrderbookSkew, "top_level", 5, "UNKNOWN_PARAMETER", None),
        (OrderbookSkew, "größe\ud800", 5, "UNKNOWN_PARAMETER", None),
        (OrderbookSkew, "model_config", {}, "UNKNOWN_PARAMETER", None),
    ],
)
def test_check_values__bad_value__is_refused_with_its_code_and_a_suggestion(
    strategy: AnyStrategy, field: str, value: Any, code: str, suggested: Any
) -> None:
    accepted, errors = check_values(strategy, {field: value})

    assert accepted == {}
    assert [(error.field, error.code, error.suggested_value) for error in errors] == [(field, code, suggested)]
    assert len(errors[0].message) < 400
    errors[0].message.encode()


@pytest.mark.parametrize(
    ("strategy", "field", "value", "expected"),
    [
        (OrderbookSkew, "buy_threshold", 2, 2.0),
        (OrderbookSkew, "imbalance_weight", -0.0, 0.0),
        (OrderbookSkew, "top_levels", 20, 20),
        (OrderbookSkew, "top_levels", 8.0, 8),
        (TickerVelocity, "volume_confirmation", False, False),
        (SPREAD, "exchanges", ("kraken", "okx"), ["kraken", "okx"]),
    ],
)
def test_check_values__good_value__comes_back_in_its_declared_type(
    strategy: AnyStrategy, field: str, value: Any, expected: Any
) -> None:
    accepted, errors = check_values(strategy, {field: value})

    assert (accepted, errors) == ({field: expected}, [])
    assert type(accepted[field]) is type(expected)
    assert json.dumps(accepted[field]) == json.dumps(expected)


def test_check_values__deeply_nested_value__is_refused_like_any_other() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]

    assert [error.code for error in check_values(OrderbookSkew, {"top_levels": value})[1]] == ["INVALID_TYPE"]


def test_check_values__several_bad_values__reports_all_in_the_order_given() -> None:
    values = {"nope": 1, "top_levels": -5, "buy_threshold": 1.3, "sell_threshold": "low", "min_total_volume": 11}

    accepted, errors = check_values(OrderbookSkew, values)

    assert accepted == {"buy_threshold": 1.3}
    assert [error.field for error in errors] == ["nope", "top_levels", "sell_threshold", "min_total_volume"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(EXCHANGES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ANY_STRATEGY = st.sampled_from(list(STRATEGIES.values()))


@given(data=st.data(), strategy=ANY_STRATEGY)
def test_check_values__any_json__accepts_or_explains_each_value(data: st.DataObject, strategy: AnyStrategy) -> None:
    names = st.sampled_from(list(strategy.parameters.model_fields)) | st.text(max_size=10)
    values = data.draw(st.dictionaries(names, JSON_VALUES, max_size=6))

    accepted, errors = check_values(strategy, values)

    assert {*accepted, *(error.field for error in errors)} == set(values)
    assert len(accepted) + len(errors) == len(values)
    assert check_values(strategy, accepted) == (accepted, [])
    assert all(error.code in {"INVALID_TYPE", "OUT_OF_RANGE", "NOT_ALLOWED", "UNKNOWN_PARAMETER"} for error in errors)
    suggested = {error.field: error.suggested_value for error in errors if error.code != "UNKNOWN_PARAMETER"}
    assert check_values(strategy, suggested)[1] == []


# --- resolution


def valid_value(spec: ParameterSpec) -> st.SearchStrategy[Any]:
    """Any value that the declaration allows."""
    if spec.type == "bool":
        return st.booleans()
    if spec.type == "list":
        return st.lists(st.sampled_from(EXCHANGES), min_size=2, unique=True)
    assert spec.minimum is not None
    assert spec.maximum is not None
    if spec.type == "int":
        return st.integers(int(spec.minimum), int(spec.maximum))
    return st.floats(spec.minimum, spec.maximum)


@st.composite
def strategy_and_layers(draw: st.DrawFn) -> tuple[AnyStrategy, list[dict[str, Any]]]:
    """A strategy with an environment, a global and a symbol layer of values that are valid by themselves."""
    strategy = draw(ANY_STRATEGY)
    optional = {spec.name: valid_value(spec) for spec in strategy.specs()}
    return strategy, [draw(st.fixed_dictionaries({}, optional=optional)) for _ in range(3)]


@given(strategy_and_layers())
def test_resolve__any_layers__the_highest_that_sets_a_parameter_wins(
    drawn: tuple[AnyStrategy, list[dict[str, Any]]],
) -> None:
    strategy, (environment, global_values, symbol_values) = drawn
    expected: dict[str, tuple[Any, str]] = {}
    for spec in strategy.specs():
        for source, layer in (("symbol", symbol_values), ("global", global_values), ("environment", environment)):
            if spec.name in layer:
                expected[spec.name] = layer[spec.name], source
                break
        else:
            expected[spec.name] = spec.default, "default"

    try:
        resolved = resolve(strategy, environment=environment, global_values=global_values, symbol_values=symbol_values)
    except InvalidParametersError:
        reject()  # the values are valid by themselves, a rule between them does not hold

    values = parameter_values.as_json(resolved.parameters)
    assert {name: (values[name], resolved.sources[name]) for name in values} == expected
    assert list(values) == [spec.name for spec in strategy.specs()]


@given(strategy_and_layers())
def test_validate_layer__any_layers__accepts_exactly_what_resolves(
    drawn: tuple[AnyStrategy, list[dict[str, Any]]],
) -> None:
    strategy, (environment, global_values, symbol_values) = drawn
    try:
        validate_layer(strategy, global_values, below=environment, overrides={"BTCUSDT": symbol_values})
        is_accepted = True
    except InvalidParametersError:
        is_accepted = False

    try:
        resolve(strategy, environment=environment, global_values=global_values)
        resolve(strategy, environment=environment, global_values=global_values, symbol_values=symbol_values)
        is_resolved = True
    except InvalidParametersError:
        is_resolved = False

    assert is_accepted == is_resolved


def test_resolve__broken_layers__names_every_error() -> None:
    with pytest.raises(InvalidParametersError, match="top_levels") as refusal:
        resolve(OrderbookSkew, global_values={"buy_threshold": 1.0, "nope": 1}, symbol_values={"top_levels": 0})

    assert [error.code for error in refusal.value.errors] == ["UNKNOWN_PARAMETER", "OUT_OF_RANGE"]


# --- a layer among the others


def test_validate_layer__several_errors__are_reported_at_once() -> None:
    values = {"top_levels": "many", "nope": 1, "sell_threshold": 1.0, "buy_threshold": 1.0}

    assert errors_of(OrderbookSkew, values) == [
        ("top_levels", "INVALID_TYPE", None),
        ("nope", "UNKNOWN_PARAMETER", None),
        ("sell_threshold", "CONFLICTING_VALUES", None),
    ]


@pytest.mark.parametrize(
    ("values", "below", "errors"),
    [
        pytest.param({"sell_threshold": 1.0}, {}, [], id="against the default"),
        pytest.param(
            {"sell_threshold": 1.0},
            {"buy_threshold": 1.0},
            [("sell_threshold", "CONFLICTING_VALUES", None)],
            id="against a lower layer",
        ),
        pytest.param(
            {"sell_threshold": 7, "buy_threshold": 1.0},
            {"sell_threshold": 1.0},
            [("sell_threshold", "OUT_OF_RANGE", None)],
            id="a rule on a refused value is not judged",
        ),
    ],
)
def test_validate_layer__rule_between_layers__is_judged_as_resolved(
    values: dict[str, Any], below: dict[str, Any], errors: list[tuple[str, str, str | None]]
) -> None:
    if errors:
        assert errors_of(OrderbookSkew, values, below=below) == errors
    else:
        assert validate_layer(OrderbookSkew, values, below=below) == values


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        pytest.param({"buy_threshold": 1.0}, [("sell_threshold", "CONFLICTING_VALUES", "ETHUSDT")], id="one override"),
        pytest.param(
            {"buy_threshold": 1.0, "top_levels": 0},
            [("top_levels", "OUT_OF_RANGE", None), ("sell_threshold", "CONFLICTING_VALUES", "ETHUSDT")],
            id="with an error of its own",
        ),
        pytest.param(
            {"buy_threshold": 1.0, "sell_threshold": 1.0},
            [("sell_threshold", "CONFLICTING_VALUES", None)],
            id="the same conflict is told once",
        ),
        pytest.param(
            {"buy_threshold": 9, "sell_threshold": 1.0},
            [("buy_threshold", "OUT_OF_RANGE", None), ("sell_threshold", "CONFLICTING_VALUES", "ADAUSDT")],
            id="a refused value that an override replaces",
        ),
        pytest.param({"buy_threshold": 1.05}, [], id="no conflict"),
    ],
)
def test_validate_layer__overrides_above__are_judged_too(
    values: dict[str, Any], errors: list[tuple[str, str, str | None]]
) -> None:
    overrides: dict[str, dict[str, Any]] = {
        "BTCUSDT": {"top_levels": 3},
        "ETHUSDT": {"sell_threshold": 1.0},
        "ADAUSDT": {"buy_threshold": 1.0},
    }

    if errors:
        assert errors_of(OrderbookSkew, values, overrides=overrides) == errors
    else:
        assert validate_layer(OrderbookSkew, values, overrides=overrides) == values


def test_validate_layer__all_weights_zero__is_a_conflict_with_a_way_out() -> None:
    zero = dict.fromkeys(["price_weight", "quantity_weight", "maker_weight"], 0.0)

    with pytest.raises(InvalidParametersError) as refusal:
        validate_layer(TradeMomentum, zero)

    error = refusal.value.errors[0]
    assert validate_layer(TradeMomentum, zero | {error.field: error.suggested_value})

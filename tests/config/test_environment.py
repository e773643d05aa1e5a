"""What the environment says of a strategy: names, switch, and what cannot be used."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.configuration.environment_layer import read_environment
from strategy_core.configuration.layers import resolve
from strategy_core.strategies.base import BrokenRule, Parameters, Strategy, parameter
from strategy_core.strategies.btc_dominance import BtcDominance
from strategy_core.strategies.orderbook_skew import OrderbookSkew
from strategy_core.strategies.registry import STRATEGIES
from strategy_core.strategies.ticker_velocity import TickerVelocity

EXCHANGES = ["binance", "coinbase", "kraken", "bybit", "okx", "bitstamp"]
SPREAD = STRATEGIES["cross_exchange_spread"]
ONCHAIN = STRATEGIES["onchain_metrics"]
ANY_STRATEGY = st.sampled_from(list(STRATEGIES.values()))
AnyStrategy = type[Strategy[Any]]


@pytest.mark.parametrize(
    ("strategy", "environ", "values"),
    [
        pytest.param(OrderbookSkew, {"ORDERBOOK_SKEW_TOP_LEVELS": " 7 "}, {"top_levels": 7}, id="int"),
        pytest.param(OrderbookSkew, {"ORDERBOOK_SKEW_BUY_THRESHOLD": "2"}, {"buy_threshold": 2.0}, id="float"),
        pytest.param(OrderbookSkew, {"ORDERBOOK_SKEW_TOP_LEVELS": "  "}, {}, id="blank is not set"),
        pytest.param(
            TickerVelocity, {"TICKER_VELOCITY_VOLUME_CONFIRMATION": "Off"}, {"volume_confirmation": False}, id="bool"
        ),
        pytest.param(SPREAD, {"SPREAD_EXCHANGES": "kraken, okx,"}, {"exchanges": ["kraken", "okx"]}, id="list, legacy"),
        pytest.param(ONCHAIN, {"ONCHAIN_VOLUME_THRESHOLD": "20"}, {"volume_threshold": 20.0}, id="legacy"),
        pytest.param(
            ONCHAIN,
            {"ONCHAIN_VOLUME_THRESHOLD": "20", "ONCHAIN_METRICS_VOLUME_THRESHOLD": "30"},
            {"volume_threshold": 30.0},
            id="the general name wins",
        ),
        pytest.param(
            ONCHAIN,
            {"ONCHAIN_VOLUME_THRESHOLD": "20", "ONCHAIN_METRICS_VOLUME_THRESHOLD": ""},
            {"volume_threshold": 20.0},
            id="a blank general name does not hide the legacy one",
        ),
    ],
)
def test_read_environment__usable_variables__become_the_layer(
    strategy: AnyStrategy, environ: dict[str, str], values: dict[str, Any]
) -> None:
    layer = read_environment(strategy, environ)

    assert (layer.values, layer.problems) == (values, ())
    assert set(layer.variables) == set(values)
    assert set(layer.variables.values()) <= set(environ)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ORDERBOOK_SKEW_TOP_LEVELS", "many"),
        ("ORDERBOOK_SKEW_TOP_LEVELS", "5.5"),
        ("ORDERBOOK_SKEW_TOP_LEVELS", "21"),
        ("ORDERBOOK_SKEW_TOP_LEVELS", "1_0"),
        ("ORDERBOOK_SKEW_TOP_LEVELS", "٥"),
        ("ORDERBOOK_SKEW_TOP_LEVELS", "9" * 5000),
        ("ORDERBOOK_SKEW_BUY_THRESHOLD", "nan"),
        ("ORDERBOOK_SKEW_BUY_THRESHOLD", "1e400"),
        ("ORDERBOOK_SKEW_BUY_THRESHOLD", "1,2"),
        ("ORDERBOOK_SKEW_BUY_THRESHOLD", "\udcff"),
    ],
)
def test_read_environment__unusable_variable__is_left_out_and_reported_by_name(variable: str, text: str) -> None:
    layer = read_environment(OrderbookSkew, {variable: text, "ORDERBOOK_SKEW_MIN_TOTAL_VOLUME": "0.5"})

    assert layer.values == {"min_total_volume": 0.5}
    assert [(problem.variable, problem.field) for problem in layer.problems] == [(variable, variable[15:].lower())]
    assert len(layer.problems[0].message) < 200
    layer.problems[0].message.encode()


def test_read_environment__unusable_general_name__is_not_replaced_by_the_legacy_one() -> None:
    layer = read_environment(ONCHAIN, {"ONCHAIN_METRICS_VOLUME_THRESHOLD": "x", "ONCHAIN_VOLUME_THRESHOLD": "20"})

    assert layer.values == {}
    assert [problem.variable for problem in layer.problems] == ["ONCHAIN_METRICS_VOLUME_THRESHOLD"]


@pytest.mark.parametrize(
    ("strategy", "text", "enabled", "is_set"),
    [
        (BtcDominance, None, True, False),
        (ONCHAIN, None, False, False),
        (ONCHAIN, "true", True, True),
        (BtcDominance, "0", False, True),
        (BtcDominance, " No ", False, True),
        (BtcDominance, " ", True, False),
        (BtcDominance, "maybe", True, False),
    ],
)
def test_read_environment__enabled_switch__is_the_lowest_layer_of_it(
    strategy: AnyStrategy, text: str | None, enabled: bool, is_set: bool
) -> None:
    variable = f"STRATEGY_ENABLED_{strategy.id.upper()}"
    layer = read_environment(strategy, {} if text is None else {variable: text})

    assert (layer.enabled, layer.is_enabled_set) == (enabled, is_set)
    assert [problem.variable for problem in layer.problems] == ([variable] if text == "maybe" else [])


class ChainParameters(Parameters):
    """Three values that must rise."""

    first: int = parameter(1, minimum=0, maximum=9, group="trigger", description="First.")
    second: int = parameter(2, minimum=0, maximum=9, group="trigger", description="Second.")
    third: int = parameter(3, minimum=0, maximum=9, group="trigger", description="Third.")

    def broken_rules(self) -> Iterator[BrokenRule]:
        for low, high in (("first", "second"), ("second", "third")):
            if getattr(self, low) >= getattr(self, high):
                yield BrokenRule(low, (low, high), f"{low} must stay below {high}.")


class Chain(Strategy[ChainParameters]):
    """Only its declaration matters."""

    __slots__ = ()
    id = "chain"
    parameters = ChainParameters


@pytest.mark.parametrize(
    ("environ", "values", "left_out"),
    [
        pytest.param({"CHAIN_FIRST": "5", "CHAIN_SECOND": "4"}, {}, ["first", "second"], id="both that conflict go"),
        pytest.param(
            {"CHAIN_FIRST": "5", "CHAIN_SECOND": "6"}, {}, ["second", "first"], id="what breaks without them goes too"
        ),
        pytest.param(
            {"CHAIN_FIRST": "0", "CHAIN_SECOND": "6"}, {"first": 0}, ["second"], id="what does not conflict stays"
        ),
    ],
)
def test_read_environment__variables_that_break_a_rule__are_left_out(
    environ: dict[str, str], values: dict[str, int], left_out: list[str]
) -> None:
    layer = read_environment(Chain, environ)

    assert layer.values == values
    assert [problem.field for problem in layer.problems] == left_out
    assert set(layer.variables) == set(values)


@given(data=st.data(), strategy=ANY_STRATEGY)
def test_read_environment__any_texts__gives_a_layer_that_resolves(data: st.DataObject, strategy: AnyStrategy) -> None:
    names = [name for spec in strategy.specs() for name in spec.environment] + [strategy.enabled_variable()]
    numbers = st.floats(-100, 100).map(str) | st.integers(-10, 1000).map(str)
    texts = numbers | st.text(max_size=8) | st.lists(st.sampled_from(EXCHANGES)).map(",".join)
    environ = data.draw(st.dictionaries(st.sampled_from(names), texts))

    layer = read_environment(strategy, environ)

    resolved = resolve(strategy, environment=layer.values)
    assert {name for name, source in resolved.sources.items() if source == "environment"} == set(layer.values)
    used = {*layer.variables.values(), *(problem.variable for problem in layer.problems)}
    assert used <= {name for name, text in environ.items() if text.strip()}

"""Every strategy and every parameter is there, is what the specification says, and has an effect.

The table below restates the specification's tables, on purpose apart from the declarations.
"""

import importlib
from pathlib import Path
from typing import Any

import pytest

from strategy_core import strategies
from strategy_core.configuration.validation import check_values
from strategy_core.strategies.base import ParameterSpec, Strategy
from strategy_core.strategies.registry import STRATEGIES
from tests.strategies.parameter_effects import EFFECTS

EXCHANGES = ("binance", "coinbase", "kraken", "bybit", "okx", "bitstamp")
INTERVAL = ("min_signal_interval_seconds", "float", 60, 0, 3600)

Row = tuple[str, str, Any, float | None, float | None]
TABLE: dict[str, list[Row]] = {
    "orderbook_skew": [
        ("top_levels", "int", 5, 1, 20),
        ("buy_threshold", "float", 1.2, 1.0, 3.0),
        ("sell_threshold", "float", 0.8, 0.3, 1.0),
        ("min_spread_percent", "float", 0.1, 0.01, 1.0),
        ("base_confidence", "float", 0.70, 0.5, 1.0),
        ("imbalance_weight", "float", 0.6, 0, 1),
        ("spread_weight", "float", 0.4, 0, 1),
        ("min_total_volume", "float", 0.001, 0.0001, 10),
        INTERVAL,
    ],
    "trade_momentum": [
        ("price_weight", "float", 0.4, 0, 1),
        ("quantity_weight", "float", 0.3, 0, 1),
        ("maker_weight", "float", 0.3, 0, 1),
        ("buy_threshold", "float", 0.7, 0.3, 1.0),
        ("sell_threshold", "float", -0.7, -1.0, -0.3),
        ("min_quantity", "float", 0.001, 0.0001, 1),
        ("base_confidence", "float", 0.68, 0.5, 1.0),
        ("time_decay_seconds", "int", 300, 60, 600),
        ("momentum_window", "int", 10, 5, 50),
        INTERVAL,
    ],
    "ticker_velocity": [
        ("time_window", "int", 60, 30, 300),
        ("buy_threshold", "float", 0.5, 0.1, 2.0),
        ("sell_threshold", "float", -0.5, -2.0, -0.1),
        ("min_price_change", "float", 0.1, 0.01, 1.0),
        ("base_confidence", "float", 0.65, 0.5, 1.0),
        ("acceleration_weight", "float", 0.5, 0, 1),
        ("volume_confirmation", "bool", True, None, None),
        ("min_volume_change", "float", 0.2, 0.1, 2.0),
        INTERVAL,
    ],
    "btc_dominance": [
        ("high_threshold", "float", 70.0, 60, 90),
        ("low_threshold", "float", 40.0, 30, 50),
        ("change_threshold", "float", 5.0, 1, 15),
        ("window_hours", "int", 24, 12, 72),
        ("min_signal_interval", "int", 14400, 3600, 86400),
        ("base_confidence_high", "float", 0.80, 0.5, 1.0),
        ("base_confidence_low", "float", 0.75, 0.5, 1.0),
        ("momentum_confidence", "float", 0.70, 0.5, 1.0),
    ],
    "cross_exchange_spread": [
        ("spread_threshold_percent", "float", 0.5, 0.1, 5.0),
        ("min_signal_interval", "int", 300, 60, 3600),
        ("max_position_size", "float", 500, 100, 10000),
        ("exchanges", "list", ["binance", "coinbase"], 2, None),
        ("persistent_spread_periods", "int", 3, 1, 60),
        ("base_confidence", "float", 0.75, 0.5, 1.0),
        ("high_spread_confidence", "float", 0.85, 0.5, 1.0),
        ("high_spread_threshold", "float", 1.0, 0.2, 10),
    ],
    "onchain_metrics": [
        ("whale_threshold_btc", "float", 100, 10, 1000),
        ("whale_threshold_eth", "float", 1000, 100, 10000),
        ("exchange_flow_threshold_percent", "float", 10.0, 5, 50),
        ("min_signal_interval", "int", 3600, 1800, 86400),
        ("accumulation_periods", "int", 24, 1, 168),
        ("distribution_periods", "int", 12, 1, 168),
        ("base_confidence", "float", 0.77, 0.5, 1.0),
        ("strong_signal_confidence", "float", 0.85, 0.5, 1.0),
        ("network_growth_threshold", "float", 10.0, 1, 100),
        ("volume_threshold", "float", 15.0, 1, 100),
    ],
    "spread_liquidity": [
        ("spread_threshold_bps", "float", 10.0, 1, 100),
        ("spread_ratio_threshold", "float", 2.5, 1.5, 10),
        ("velocity_threshold", "float", 0.5, 0.1, 2.0),
        ("persistence_threshold_seconds", "float", 30, 10, 300),
        ("min_depth_reduction_pct", "float", 0.5, 0.1, 0.9),
        ("base_confidence", "float", 0.70, 0.5, 1.0),
        ("lookback_ticks", "int", 20, 5, 100),
        ("min_signal_interval_seconds", "float", 60, 30, 600),
    ],
    "iceberg_detector": [
        ("min_refill_count", "int", 3, 2, 10),
        ("refill_speed_threshold_seconds", "float", 5.0, 1, 30),
        ("consistency_threshold", "float", 0.1, 0.05, 0.5),
        ("persistence_threshold_seconds", "float", 120, 60, 600),
        ("level_proximity_pct", "float", 1.0, 0.1, 5),
        ("base_confidence", "float", 0.70, 0.5, 1.0),
        ("history_window_seconds", "int", 300, 60, 900),
        ("max_symbols", "int", 100, 10, 200),
        ("min_signal_interval_seconds", "float", 120, 60, 600),
    ],
}
METADATA = {
    "orderbook_skew": ("Realtime Data", "microstructure", True),
    "trade_momentum": ("Realtime Data", "momentum", True),
    "ticker_velocity": ("Realtime Data", "velocity", True),
    "btc_dominance": ("Market Logic", "rotation", True),
    "cross_exchange_spread": ("Market Logic", "arbitrage", True),
    "onchain_metrics": ("Market Logic", "fundamental", False),
    "spread_liquidity": ("Microstructure", "liquidity", True),
    "iceberg_detector": ("Microstructure", "pattern_recognition", True),
}
LEGACY = {
    ("cross_exchange_spread", "spread_threshold_percent"): "SPREAD_THRESHOLD_PERCENT",
    ("cross_exchange_spread", "min_signal_interval"): "SPREAD_MIN_SIGNAL_INTERVAL",
    ("cross_exchange_spread", "max_position_size"): "SPREAD_MAX_POSITION_SIZE",
    ("cross_exchange_spread", "exchanges"): "SPREAD_EXCHANGES",
    ("onchain_metrics", "min_signal_interval"): "ONCHAIN_MIN_SIGNAL_INTERVAL",
    ("onchain_metrics", "network_growth_threshold"): "ONCHAIN_NETWORK_GROWTH_THRESHOLD",
    ("onchain_metrics", "volume_threshold"): "ONCHAIN_VOLUME_THRESHOLD",
}
DECLARED = [(strategy, spec) for strategy in STRATEGIES.values() for spec in strategy.specs()]
NUMBERS = [(strategy, spec) for strategy, spec in DECLARED if spec.type in {"int", "float"}]
EACH_STRATEGY = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=lambda strategy: strategy.id)
EACH_PARAMETER = pytest.mark.parametrize(("strategy", "spec"), DECLARED, ids=[f"{c.id}.{s.name}" for c, s in DECLARED])
NOT_STRATEGIES = {"__init__", "base", "registry"}


def test_registry__files_in_the_package__are_the_strategies_of_the_specification() -> None:
    files = {file.stem for file in Path(strategies.__path__[0]).glob("*.py")} - NOT_STRATEGIES

    assert files == set(STRATEGIES) == set(TABLE)


@EACH_STRATEGY
def test_strategy__its_class__is_declared_in_the_file_of_its_id(strategy: type[Strategy[Any]]) -> None:
    assert STRATEGIES[strategy.id] is strategy
    assert strategy.__module__ == f"{strategies.__name__}.{strategy.id}"
    assert strategy.parameters.__module__ == strategy.__module__


@EACH_STRATEGY
def test_strategy__its_metadata__is_what_the_specification_says(strategy: type[Strategy[Any]]) -> None:
    assert (strategy.category, strategy.type, strategy.enabled_by_default) == METADATA[strategy.id]
    assert strategy.enabled_variable() == f"STRATEGY_ENABLED_{strategy.id.upper()}"
    assert strategy.name
    assert strategy.description
    assert strategy.formula


@EACH_STRATEGY
def test_strategy__its_parameters__are_those_of_the_specification(strategy: type[Strategy[Any]]) -> None:
    declared = [(spec.name, spec.type, spec.default, spec.minimum, spec.maximum) for spec in strategy.specs()]

    assert declared == TABLE[strategy.id]


@EACH_PARAMETER
def test_parameter__its_declaration__is_complete_and_sound(strategy: type[Strategy[Any]], spec: ParameterSpec) -> None:
    legacy = LEGACY.get((strategy.id, spec.name))
    general = f"{strategy.id}_{spec.name}".upper()

    assert spec.environment == ((general,) if legacy in {None, general} else (general, legacy))
    assert spec.allowed_values == (EXCHANGES if spec.name == "exchanges" else None)
    assert spec.description
    assert getattr(strategy.parameters(**{spec.name: spec.default}), spec.name) == getattr(
        strategy.parameters(), spec.name
    )
    assert check_values(strategy, {spec.name: spec.example}) == ({spec.name: spec.example}, [])


@pytest.mark.parametrize(
    ("strategy", "spec"), NUMBERS, ids=[f"{strategy.id}.{spec.name}" for strategy, spec in NUMBERS]
)
def test_parameter__its_bounds__are_inclusive_and_enforced(strategy: type[Strategy[Any]], spec: ParameterSpec) -> None:
    assert spec.minimum is not None
    assert spec.maximum is not None
    step = 1 if spec.type == "int" else 1e-9
    low, high = (int(bound) if spec.type == "int" else bound for bound in (spec.minimum, spec.maximum))

    for inside in (low, high):
        assert check_values(strategy, {spec.name: inside}) == ({spec.name: inside}, [])
    for outside in (low - step, high + step):
        accepted, errors = check_values(strategy, {spec.name: outside})
        assert accepted == {}
        assert [(error.field, error.code) for error in errors] == [(spec.name, "OUT_OF_RANGE")]


@EACH_PARAMETER
def test_parameter__its_effect__is_shown_by_a_case(strategy: type[Strategy[Any]], spec: ParameterSpec) -> None:
    importlib.import_module(f"tests.strategies.test_{strategy.id}")

    assert (strategy.id, spec.name) in EFFECTS
    EFFECTS[strategy.id, spec.name].check()


@EACH_STRATEGY
def test_effects__of_a_strategy__name_only_declared_parameters(strategy: type[Strategy[Any]]) -> None:
    importlib.import_module(f"tests.strategies.test_{strategy.id}")

    shown = {name for strategy_id, name in EFFECTS if strategy_id == strategy.id}
    assert shown == {spec.name for spec in strategy.specs()}


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_renames__of_a_strategy__lead_to_what_there_is_and_from_what_is_gone(strategy: type[Strategy[Any]]) -> None:
    names = strategy.parameters.model_fields.keys()
    assert set(strategy.renamed.values()) <= names
    assert strategy.renamed.keys().isdisjoint(names)
    assert STRATEGIES.keys().isdisjoint(strategy.former_ids)

"""On-chain metrics: windows, missing fields, whales, and the effect of each parameter."""

from typing import Any

import pytest

from strategy_core.market.messages import OnchainObservation
from strategy_core.strategies.base import SymbolMarket
from strategy_core.strategies.onchain_metrics import OBSERVATIONS_KEPT, OnchainMetrics, OnchainMetricsParameters
from tests.strategies.parameter_effects import Case, Effect, declare_effects
from tests.strategies.playback import Event, play

HOUR_MS = 3_600_000
PRICE: Event = ("price", 60_000.0)
OUT = {"exchange_inflow": 40.0, "exchange_outflow": 60.0}
IN = {"exchange_inflow": 60.0, "exchange_outflow": 40.0}


def seen(count: int, fields: dict[str, Any], *, start: int = 0, asset: str = "BTC") -> list[Event]:
    """An observation an hour, the first at hour ``start``."""
    return [("onchain", OnchainObservation(asset=asset, time_ms=(start + i) * HOUR_MS, **fields)) for i in range(count)]


def growing(count: int, *, addresses: float = 0.5, volume: float = 0.8) -> list[Event]:
    """Addresses and volume grow by so many percent of the first value an hour."""
    return [
        event
        for i in range(count)
        for event in seen(
            1,
            {"active_addresses": 1e6 * (1 + i * addresses / 100), "transaction_volume": 1e5 * (1 + i * volume / 100)},
            start=i,
        )
    ]


def played(
    events: list[Event], values: dict[str, Any] | None = None, symbol: str = "BTCUSDT"
) -> list[tuple[int, str, str]]:
    """(index without the leading price, action, pattern) of each signal."""
    found = play(OnchainMetrics, [PRICE, *events], values, symbol=symbol)
    return [(index - 1, decision.action, decision.details["pattern"]) for index, decision in found]


HISTORY: dict[str, Any] = {**OUT, "is_history": True}


@pytest.mark.parametrize(
    ("events", "signals"),
    [
        pytest.param(seen(40, HISTORY), [], id="history decides nothing"),
        pytest.param(
            [*seen(30, HISTORY), *seen(1, OUT, start=30)], [(30, "buy", "accumulation")], id="but fills the windows"
        ),
        pytest.param(
            [*seen(20, HISTORY), *seen(20, HISTORY), *seen(3, OUT, start=20)], [], id="history comes again: known"
        ),
        pytest.param(
            [*seen(24, OUT), *seen(24, HISTORY), *seen(1, OUT, start=24)],
            [(23, "buy", "accumulation"), (48, "buy", "accumulation")],
            id="history of what was news is known",
        ),
        pytest.param(seen(23, OUT), [], id="not enough periods"),
        pytest.param(seen(24, OUT), [(23, "buy", "accumulation")], id="accumulation"),
        pytest.param(seen(26, OUT), [(23 + i, "buy", "accumulation") for i in range(3)], id="again after the interval"),
        pytest.param(seen(11, IN), [], id="not enough periods to sell"),
        pytest.param(seen(12, IN), [(11, "sell", "distribution")], id="distribution"),
        pytest.param(seen(30, {"exchange_outflow": 60.0}), [], id="no inflow known: absent, not zero"),
        pytest.param(seen(30, {"exchange_inflow": 0.0, "exchange_outflow": 0.0}), [], id="nothing flowed"),
        pytest.param(seen(30, {"exchange_inflow": 50.0, "exchange_outflow": 60.0}), [], id="below the threshold"),
        pytest.param(
            [*seen(23, OUT), *seen(5, {"active_addresses": 1.0}, start=23), *seen(1, OUT, start=28)],
            [(28, "buy", "accumulation")],
            id="observations without flows take no place",
        ),
        pytest.param(
            [*seen(23, OUT), *seen(3, OUT, start=22)],
            [(24, "buy", "accumulation"), (25, "buy", "accumulation")],
            id="a repeated one is left out",
        ),
        pytest.param(growing(24), [(23, "buy", "network_growth")], id="growth"),
        pytest.param(growing(23), [], id="growth over too few"),
        pytest.param(growing(24, volume=0.6), [], id="volume grew too little"),
        pytest.param(growing(24, addresses=0.4), [], id="addresses grew too little"),
        pytest.param(
            seen(1, {"active_addresses": 0.0, "transaction_volume": 0.0}) + growing(24)[1:], [], id="from zero"
        ),
    ],
)
def test_onchain_metrics__sequence_of_observations__signals(
    events: list[Event], signals: list[tuple[int, str, str]]
) -> None:
    assert played(events) == signals


def test_onchain_metrics__no_price_known__neither_signals_nor_consumes_the_interval() -> None:
    values = {"min_signal_interval": 86_400}

    found = play(OnchainMetrics, [*seen(24, OUT), PRICE, *seen(2, OUT, start=24)], values)

    assert [index for index, _ in found] == [25]
    assert found[0][1].price == 60_000.0


@pytest.mark.parametrize(
    ("symbol", "transfer", "confidence"),
    [
        ("BTCUSDT", {"largest_transfer_from_exchange": 100.0}, 0.85),
        ("BTCUSDT", {"largest_transfer_from_exchange": 99.0}, 0.77),
        ("BTCUSDT", {"largest_transfer_to_exchange": 500.0}, 0.77),
        ("BTCUSDT", {}, 0.77),
        ("ETHUSDT", {"largest_transfer_from_exchange": 500.0}, 0.77),
        ("ETHUSDT", {"largest_transfer_from_exchange": 1000.0}, 0.85),
    ],
)
@pytest.mark.parametrize("position", [0, 12, 23])
def test_onchain_metrics__whale_the_same_way__is_strong(
    symbol: str, transfer: dict[str, float], confidence: float, position: int
) -> None:
    events = [
        *seen(position, OUT),
        *seen(1, {**OUT, **transfer}, start=position),
        *seen(23 - position, OUT, start=position + 1),
    ]

    ((_, decision),) = play(OnchainMetrics, [PRICE, *events], symbol=symbol)

    assert decision.confidence == confidence


def test_onchain_metrics__whale_before_the_periods__is_not_strong() -> None:
    whale = seen(1, {**IN, "largest_transfer_to_exchange": 500.0})

    found = play(OnchainMetrics, [PRICE, *whale, *seen(12, IN, start=1)])

    assert [decision.confidence for _, decision in found] == [0.85, 0.77]


def test_onchain_metrics__asset_without_a_threshold__never_signals() -> None:
    assert played(seen(30, OUT, asset="SOL"), symbol="SOLUSDT") == []


def test_onchain_metrics__many_observations__state_is_bounded() -> None:
    strategy = OnchainMetrics(SymbolMarket("BTCUSDT"))

    for _, observation in seen(2 * OBSERVATIONS_KEPT, OUT):
        strategy.on_onchain(observation, OnchainMetricsParameters())

    assert len(strategy._observations) == OBSERVATIONS_KEPT


WHALE_OUT = {**OUT, "largest_transfer_from_exchange": 500.0}
WHALE_ETH = {**OUT, "largest_transfer_from_exchange": 5000.0}
CASES = declare_effects(
    OnchainMetrics,
    {
        "whale_threshold_btc": Effect([PRICE, *seen(24, WHALE_OUT)], changed={"whale_threshold_btc": 600.0}),
        "whale_threshold_eth": Effect(
            [PRICE, *seen(24, WHALE_ETH, asset="ETH")], changed={"whale_threshold_eth": 6000.0}, symbol="ETHUSDT"
        ),
        "exchange_flow_threshold_percent": Effect(
            [PRICE, *seen(24, OUT)], changed={"exchange_flow_threshold_percent": 30.0}
        ),
        "min_signal_interval": Effect([PRICE, *seen(26, OUT)], changed={"min_signal_interval": 7200}),
        "accumulation_periods": Effect([PRICE, *seen(24, OUT)], changed={"accumulation_periods": 12}),
        "distribution_periods": Effect([PRICE, *seen(12, IN)], changed={"distribution_periods": 6}),
        "base_confidence": Effect([PRICE, *seen(24, OUT)], changed={"base_confidence": 0.6}),
        "strong_signal_confidence": Effect([PRICE, *seen(24, WHALE_OUT)], changed={"strong_signal_confidence": 0.9}),
        "network_growth_threshold": Effect([PRICE, *growing(24)], changed={"network_growth_threshold": 20.0}),
        "volume_threshold": Effect([PRICE, *growing(24)], changed={"volume_threshold": 30.0}),
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_onchain_metrics__one_parameter_changed__changes_the_outcome(case: Case) -> None:
    case.check()

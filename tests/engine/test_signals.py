"""A decision as a signal, and the signal on the wire."""

import json
import math
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.engine import signals
from strategy_core.engine.active import ActiveConfig
from strategy_core.engine.signals import Signal, UnusableDecisionError, build_signal
from strategy_core.market.contracts import Contract
from strategy_core.strategies.base import Decision, Parameters

CONFIG = ActiveConfig(enabled=True, parameters=Parameters(), sequence=12, global_version=3, symbol_version=4)
EVENT_MS = 1_723_161_255_343


def build(decision: Decision, *, is_observation: bool = False, is_simulated: bool = False) -> Signal:
    return build_signal(
        decision,
        strategy_id="orderbook_skew",
        symbol="BTCUSDT",
        time_ms=EVENT_MS,
        decided_ms=EVENT_MS + 2_000,
        is_observation=is_observation,
        current_price=61_830.0,
        quantity=0.002,
        config=CONFIG,
        is_simulated=is_simulated,
    )


def decision(**changes: Any) -> Decision:
    return Decision("buy", 0.85, 50_000.0, "skew", {"ratio": 1.5})._replace(**changes)


def test_signal__on_the_wire__has_every_field_of_the_contract() -> None:
    wire = json.loads(signals.encode(build(decision())))
    identity = wire["id"]
    assert uuid.UUID(identity).version == 5
    assert wire == {
        "id": identity,
        "signal_id": identity,
        "intent_id": identity,
        "strategy_id": "orderbook_skew",
        "strategy_mode": "deterministic",
        "symbol": "BTCUSDT",
        "action": "buy",
        "confidence": 0.85,
        "strength": "strong",
        "price": 50_000.0,
        "quantity": 0.002,
        "current_price": 61_830.0,
        "target_price": 50_000.0,
        "source": "realtime_strategies",
        "strategy": "orderbook_skew",
        "timeframe": "tick",
        "order_type": "market",
        "time_in_force": "GTC",
        "signal_type": "buy",
        "confidence_score": 0.85,
        "stop_loss": 49_000.0,
        "stop_loss_pct": 0.02,
        "take_profit": 52_500.0,
        "take_profit_pct": 0.05,
        "timestamp": "2024-08-08T23:54:17.343+00:00",
        "metadata": {
            "ratio": 1.5,
            "decision": "skew",
            "signal_action": "OPEN_LONG",
            "config": {"sequence": 12, "global_version": 3, "symbol_version": 4},
        },
    }


def test_signal__simulated__says_so() -> None:
    signal = build(decision(action="sell"), is_simulated=True)
    assert signal.metadata["source"] == "simulated"
    assert signal.metadata["signal_action"] == "OPEN_SHORT"


def test_signal__on_an_observation__is_of_the_decisions_time_and_names_the_observations_own() -> None:
    signal = build(decision(), is_observation=True)
    assert signal.timestamp == "2024-08-08T23:54:17.343+00:00"
    assert signal.metadata["observed_at"] == "2024-08-08T23:54:15.343+00:00"
    assert signal.id == build(decision()).id == signals.signal_id("orderbook_skew", "BTCUSDT", EVENT_MS, "buy")


def test_signal__of_a_trace__has_it_in_the_members_that_readers_of_the_body_know() -> None:
    encoded = signals.encode(build(decision()))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    wire = json.loads(signals.with_trace(encoded, parent))
    assert wire.pop("_otel_trace_context") == wire.pop("_otel_trace_headers") == {"traceparent": parent}
    assert wire == json.loads(encoded)
    assert signals.with_trace(encoded, "") == encoded


@pytest.mark.parametrize(
    ("action", "confidence", "stop_loss", "take_profit"),
    [
        ("buy", 0.8, 98.0, 105.0),
        ("buy", 0.6, 97.0, 104.0),
        ("buy", 0.59, 95.0, 103.0),
        ("sell", 0.8, 102.0, 95.0),
        ("sell", 0.79, 103.0, 96.0),
        ("sell", 0.1, 105.0, 97.0),
    ],
)
def test_exits__set_by_no_strategy__follow_from_the_confidence(
    action: str, confidence: float, stop_loss: float, take_profit: float
) -> None:
    signal = build(decision(action=action, confidence=confidence, price=100.0))
    assert (signal.stop_loss, signal.take_profit) == pytest.approx((stop_loss, take_profit))
    assert abs(signal.stop_loss / 100.0 - 1.0) == pytest.approx(signal.stop_loss_pct)
    assert abs(signal.take_profit / 100.0 - 1.0) == pytest.approx(signal.take_profit_pct)


def test_exits__set_by_the_strategy__go_out_as_they_are_with_their_fractions() -> None:
    signal = build(decision(action="sell", price=200.0, stop_loss=210.0, take_profit=150.0))
    assert (signal.stop_loss, signal.take_profit) == (210.0, 150.0)
    assert (signal.stop_loss_pct, signal.take_profit_pct) == pytest.approx((0.05, 0.25))


@pytest.mark.parametrize(
    ("confidence", "sent", "word"),
    [
        (1.0, 0.95, "extreme"),
        (0.9, 0.9, "extreme"),
        (0.899, 0.899, "strong"),
        (0.7, 0.7, "strong"),
        (0.699, 0.699, "medium"),
        (0.5, 0.5, "medium"),
        (0.499, 0.499, "weak"),
        (-0.1, 0.0, "weak"),
        (0.8000000000001, 0.8000000000001, "strong"),
    ],
)
def test_confidence__of_a_decision__is_capped_unrounded_and_worded(confidence: float, sent: float, word: str) -> None:
    signal = build(decision(confidence=confidence))
    assert (signal.confidence, signal.confidence_score, signal.strength) == (sent, sent, word)


@pytest.mark.parametrize(
    ("price", "worth"), [(10_000.01, 100.0), (10_000.0, 50.0), (100.01, 50.0), (100.0, 20.0), (0.01, 20.0)]
)
def test_quantity__at_a_price__is_worth_so_many_dollars(price: float, worth: float) -> None:
    assert signals.default_quantity(Contract("BTC", "USDT"), price) * price == pytest.approx(worth)
    inverse = Contract("BTC", "USD", is_inverse=True, multiplier=100.0)
    assert signals.default_quantity(inverse, price) == worth / 100


@pytest.mark.parametrize(
    "changes",
    [
        {"price": 0.0},
        {"price": -1.0},
        {"price": math.nan},
        {"price": math.inf},
        {"confidence": math.nan},
        {"stop_loss": 50_001.0},
        {"stop_loss": 0.0},
        {"stop_loss": math.nan},
        {"take_profit": 49_999.0},
        {"take_profit": 100_001.0},
        {"action": "sell", "take_profit": -1.0},
        {"action": "sell", "stop_loss": math.inf},
    ],
)
def test_decision__that_cannot_be_traded__is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UnusableDecisionError):
        build(decision(**changes))


@given(
    st.sampled_from(["buy", "sell"]),
    st.floats(min_value=-1.0, max_value=2.0),
    st.floats(min_value=1e-8, max_value=1e9),
)
def test_signal__of_any_sane_decision__survives_the_wire_and_keeps_its_bounds(
    action: Any, confidence: float, price: float
) -> None:
    signal = build(decision(action=action, confidence=confidence, price=price))
    assert msgspec.json.decode(signals.encode(signal), type=Signal) == signal
    assert 0.0 <= signal.confidence <= 0.95
    below, above = sorted((signal.stop_loss, signal.take_profit))
    assert 0.0 < below < price < above
    assert signal.id == build(decision(action=action, confidence=0.5, price=1.0)).id


def test_identity__of_other_strategy_symbol_time_or_action__is_another() -> None:
    variants = [("a", "BTCUSDT", 1, "buy"), ("b", "BTCUSDT", 1, "buy"), ("a", "ETHUSDT", 1, "buy")]
    variants += [("a", "BTCUSDT", 2, "buy"), ("a", "BTCUSDT", 1, "sell")]
    assert len({signals.signal_id(*variant) for variant in variants}) == 5  # type: ignore[arg-type]  # literals

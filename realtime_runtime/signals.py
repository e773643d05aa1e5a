"""The signal as it goes out to order management, and how a decision becomes one. Pure."""

import math
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from realtime_runtime.config.active import ActiveConfig
from realtime_runtime.strategies.base import MAX_CONFIDENCE, Action, Decision

SIMULATED = "simulated"
Strength = Literal["weak", "medium", "strong", "extreme"]

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:realtime-strategies:signal")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGNAL_ACTIONS: dict[Action, str] = {"buy": "OPEN_LONG", "sell": "OPEN_SHORT"}


class UnusableDecisionError(ValueError):
    """A decision that cannot be traded: a price that is none, or a stop or target on the wrong side."""


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One signal. ``id`` follows from strategy, symbol, event time and action: the same decision, the same id.

    Prices are in quote units, ``quantity`` in base units, percentages are fractions (0.02 = 2 %).
    ``signal_type`` repeats ``action``, which is what readers of the older contract accept there; what kind
    of decision it was is ``metadata.decision``.
    """

    id: str
    signal_id: str
    strategy_id: str
    strategy_mode: Literal["deterministic"] = "deterministic"
    symbol: str
    action: Literal["buy", "sell", "hold", "close"]
    confidence: float
    strength: Strength
    price: float
    quantity: float
    current_price: float
    target_price: float
    source: Literal["realtime_strategies"] = "realtime_strategies"
    strategy: str
    timeframe: Literal["tick"] = "tick"
    order_type: Literal["market"] = "market"
    time_in_force: Literal["GTC"] = "GTC"
    signal_type: Literal["buy", "sell", "hold", "close"]
    confidence_score: float
    stop_loss: float
    stop_loss_pct: float
    take_profit: float
    take_profit_pct: float
    timestamp: str
    metadata: dict[str, Any]


encode = msgspec.json.Encoder().encode
"""A signal as JSON."""


def build_signal(
    decision: Decision,
    *,
    strategy_id: str,
    symbol: str,
    time_ms: int,
    current_price: float,
    config: ActiveConfig,
    is_simulated: bool,
) -> Signal:
    """The signal of one decision, made at event time ``time_ms`` under ``config``.

    ``current_price`` is the symbol's last known price, 0 where there is none (the decision's own stands
    in). Raises UnusableDecisionError.
    """
    price = decision.price
    if not (math.isfinite(price) and price > 0.0) or math.isnan(decision.confidence):
        raise UnusableDecisionError(f"price {price} with confidence {decision.confidence}")
    confidence = min(max(decision.confidence, 0.0), MAX_CONFIDENCE)
    sign = 1.0 if decision.action == "buy" else -1.0
    stop_loss, stop_fraction = _exit(decision.stop_loss, price, -sign, default_stop_fraction(confidence))
    take_profit, target_fraction = _exit(decision.take_profit, price, sign, default_target_fraction(confidence))
    identity = signal_id(strategy_id, symbol, time_ms, decision.action)
    return Signal(
        id=identity,
        signal_id=identity,
        strategy_id=strategy_id,
        symbol=symbol,
        action=decision.action,
        confidence=confidence,
        strength=strength(confidence),
        price=price,
        quantity=default_quantity(price),
        current_price=current_price or price,
        target_price=price,
        strategy=strategy_id,
        signal_type=decision.action,
        confidence_score=confidence,
        stop_loss=stop_loss,
        stop_loss_pct=stop_fraction,
        take_profit=take_profit,
        take_profit_pct=target_fraction,
        timestamp=(_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds"),
        metadata=_metadata(decision, config, is_simulated=is_simulated),
    )


def _metadata(decision: Decision, config: ActiveConfig, *, is_simulated: bool) -> dict[str, Any]:
    """The numbers that decided, and the configuration that they were held against."""
    metadata = {
        **decision.details,
        "decision": decision.signal_type,
        "signal_action": _SIGNAL_ACTIONS[decision.action],
        "config": {
            "sequence": config.sequence,
            "global_version": config.global_version,
            "symbol_version": config.symbol_version,
        },
    }
    if is_simulated:
        metadata["source"] = SIMULATED
    return metadata


def signal_id(strategy_id: str, symbol: str, time_ms: int, action: Action) -> str:
    """The UUIDv5 of a decision."""
    return str(uuid.uuid5(_NAMESPACE, f"{strategy_id}|{symbol}|{time_ms}|{action}"))


def strength(confidence: float) -> Strength:
    """Confidence in words; each bound belongs to the stronger word."""
    if confidence >= 0.9:
        return "extreme"
    if confidence >= 0.7:
        return "strong"
    return "medium" if confidence >= 0.5 else "weak"


def default_stop_fraction(confidence: float) -> float:
    """Distance of the stop from the price where the strategy sets none."""
    return 0.02 if confidence >= 0.8 else 0.03 if confidence >= 0.6 else 0.05


def default_target_fraction(confidence: float) -> float:
    """Distance of the target from the price where the strategy sets none."""
    return 0.05 if confidence >= 0.8 else 0.04 if confidence >= 0.6 else 0.03


def default_quantity(price: float) -> float:
    """Base units worth 100 USDT above a price of 10,000, 50 above 100, else 20."""
    return (100.0 if price > 10_000.0 else 50.0 if price > 100.0 else 20.0) / price


def _exit(wanted: float | None, price: float, sign: float, default: float) -> tuple[float, float]:
    """(price, fraction) of a stop or target that lies above the price (``sign`` 1) or below it (-1)."""
    if wanted is None:
        return price * (1.0 + sign * default), default
    fraction = (wanted - price) / price * sign
    if not (wanted > 0.0 and 0.0 < fraction <= 1.0):
        raise UnusableDecisionError(f"a stop or target of {wanted} at a price of {price}")
    return wanted, fraction

"""The signal as it goes out to order management, and how a decision becomes one. Pure."""

import math
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from strategy_core.engine.active import ActiveConfig
from strategy_core.market.contracts import Contract
from strategy_core.strategies.base import MAX_CONFIDENCE, Action, Decision

SIMULATED = "simulated"
Strength = Literal["weak", "medium", "strong", "extreme"]

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:realtime-strategies:signal")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGNAL_ACTIONS: dict[Action, str] = {"buy": "OPEN_LONG", "sell": "OPEN_SHORT"}


class UnusableDecisionError(ValueError):
    """A decision that cannot be traded: a price that is none, or a stop or target on the wrong side."""


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One signal. ``id`` follows from strategy, symbol, event time and action: the same decision, the same id.

    ``timestamp`` is the time of the decision: that of the symbol's latest market event. ``signal_id`` and ``intent_id``
    repeat ``id`` for their readers.

    Prices are in quote units, ``quantity`` in base units (COIN-M: contracts), percentages are fractions (0.02 = 2 %).
    ``signal_type`` repeats ``action``, which is what readers of the older contract accept there; what kind
    of decision it was is ``metadata.decision``.
    """

    id: str
    signal_id: str
    intent_id: str
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


def with_trace(payload: bytes, traceparent: str) -> bytes:
    """An encoded signal with its trace in the members that consumers of the body read; unchanged without a trace."""
    if not traceparent:
        return payload
    carrier = b'{"traceparent":"%b"}' % traceparent.encode()
    return b'%b,"_otel_trace_context":%b,"_otel_trace_headers":%b}' % (payload[:-1], carrier, carrier)


def build_signal(
    decision: Decision,
    *,
    strategy_id: str,
    symbol: str,
    time_ms: int,
    decided_ms: int,
    is_observation: bool,
    current_price: float,
    quantity: float,
    config: ActiveConfig,
    is_simulated: bool,
) -> Signal:
    """The signal of one decision under ``config`` on an event of ``time_ms``, at the market's time ``decided_ms``.

    ``is_observation``: the event is no market event, but a slower observation, whose time goes out as ``observed_at``.
    ``current_price`` is the symbol's last known price. Raises UnusableDecisionError.
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
        intent_id=identity,
        strategy_id=strategy_id,
        symbol=symbol,
        action=decision.action,
        confidence=confidence,
        strength=strength(confidence),
        price=price,
        quantity=quantity,
        current_price=current_price,
        target_price=price,
        strategy=strategy_id,
        signal_type=decision.action,
        confidence_score=confidence,
        stop_loss=stop_loss,
        stop_loss_pct=stop_fraction,
        take_profit=take_profit,
        take_profit_pct=target_fraction,
        timestamp=_iso(decided_ms),
        metadata=_metadata(decision, config, _iso(time_ms) if is_observation else "", is_simulated=is_simulated),
    )


def _iso(time_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds")


def _metadata(decision: Decision, config: ActiveConfig, observed_at: str, *, is_simulated: bool) -> dict[str, Any]:
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
    if observed_at:
        metadata["observed_at"] = observed_at
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
    if confidence >= 0.8:
        return 0.02
    return 0.03 if confidence >= 0.6 else 0.05


def default_target_fraction(confidence: float) -> float:
    """Distance of the target from the price where the strategy sets none."""
    if confidence >= 0.8:
        return 0.05
    return 0.04 if confidence >= 0.6 else 0.03


def default_quantity(contract: Contract, unit_dollars: float) -> float:
    """What is worth 100 dollars where a unit is worth more than 10,000 dollars, 50 above 100, else 20."""
    worth = 50.0 if unit_dollars > 100.0 else 20.0
    if unit_dollars > 10_000.0:
        worth = 100.0
    return contract.quantity(worth, unit_dollars)


def _exit(wanted: float | None, price: float, sign: float, default: float) -> tuple[float, float]:
    """(price, fraction) of a stop or target that lies above the price (``sign`` 1) or below it (-1)."""
    if wanted is None:
        return price * (1.0 + sign * default), default
    fraction = (wanted - price) / price * sign
    if not (wanted > 0.0 and 0.0 < fraction <= 1.0):
        raise UnusableDecisionError(f"a stop or target of {wanted} at a price of {price}")
    return wanted, fraction

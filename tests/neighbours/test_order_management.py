"""Readers of our signals: the tradeengine, the CIO, and the audit trail of intents."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.neighbours.conftest import INTENTS, Subscriber
from tests.neighbours.readers import TradeSignal


async def test_signal__of_a_strategy__is_what_order_management_reads(
    signals_of: Callable[[str], Any], symbol: str
) -> None:
    message = (await signals_of(symbol))[0]
    signal = TradeSignal.model_validate_json(message.data)
    assert message.subject == f"{INTENTS}.{signal.strategy_id}"
    assert (signal.symbol, signal.action, signal.source) == (symbol, "buy", "realtime_strategies")
    assert signal.id == signal.signal_id == (message.headers or {})["Nats-Msg-Id"]
    assert signal.strategy == signal.strategy_id == "orderbook_skew"
    assert signal.signal_type == signal.action
    assert signal.price > 0
    assert signal.quantity > 0
    assert signal.stop_loss is not None
    assert signal.take_profit is not None
    assert signal.stop_loss < signal.price < signal.take_profit
    assert abs(datetime.now(UTC) - signal.timestamp) < timedelta(minutes=1)


async def test_signal__for_the_cio__has_what_its_arbitration_asks_for(
    signals_of: Callable[[str], Any], subscriber: Subscriber, symbol: str
) -> None:
    payload = json.loads((await signals_of(symbol))[0].data)
    assert payload["symbol"] == symbol
    assert payload["action"] in {"buy", "sell"}
    assert float(payload["confidence"]) > 0
    assert payload["strategy_id"]
    # The original took a text with a space or a capital for no part of a subject.
    assert subscriber.messages[0].subject.count(".") == 3


async def test_signal__twice_for_one_decision__has_one_id(signals_of: Callable[[str], Any], symbol: str) -> None:
    found = await signals_of(symbol)
    ids = [json.loads(message.data)["id"] for message in found]
    assert len(ids) == len(set(ids))


async def test_signal__for_the_audit_trail_of_intents__has_the_three_members_that_it_needs(
    signals_of: Callable[[str], Any], symbol: str
) -> None:
    payload = json.loads((await signals_of(symbol))[0].data)
    assert payload["intent_id"] == payload["id"]
    assert payload["strategy_id"]
    assert datetime.fromisoformat(payload["timestamp"].replace("Z", "+00:00")).tzinfo is not None

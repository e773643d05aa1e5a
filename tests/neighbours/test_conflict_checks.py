"""Conflict checks of the neighbours, which ask ours: what makes a conflict there, and what does not."""

from typing import Any

import httpx
import pytest

from tests.neighbours.conftest import Neighbourhood

VALIDATE = "/api/v1/config/validate"


def is_conflict(response: httpx.Response) -> bool:
    """Whether a neighbour takes the answer for a conflict: all three read it alike."""
    if response.status_code != 200:
        return False
    answer = response.json()
    if not (answer.get("success") and answer.get("data")):
        return False
    found = answer["data"]
    return not found.get("validation_passed", True) and bool(found.get("errors"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"strategy_id": "orderbook_skew", "parameters": {"buy_threshold": 1.4}}, False),
        ({"strategy_id": "orderbook_skew", "parameters": {"buy_threshold": 0.1}}, True),
        ({"strategy_id": "orderbook_skew", "symbol": "BTCUSDT", "parameters": {"top_levels": 99}}, True),
        # The TA bot asks about its own strategies as well, of which nothing is known here.
        ({"strategy_id": "rsi_extreme_reversal", "parameters": {"rsi_period": 14}}, False),
        # The tradeengine names no strategy.
        ({"parameters": {"leverage": 3, "stop_loss_pct": 2.0}}, False),
        ({"symbol": "BTCUSDT", "parameters": {"take_profit_pct": 2.0}}, False),
    ],
)
def test_check__as_a_neighbour_asks__is_a_conflict_only_where_there_is_one(
    neighbourhood: Neighbourhood, body: dict[str, Any], expected: bool
) -> None:
    assert is_conflict(neighbourhood.ask("POST", VALIDATE, json=body)) is expected

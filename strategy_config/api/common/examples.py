"""Examples of the OpenAPI document: real requests, which work against ``make run`` as they stand."""

from typing import Any

STRATEGY_ID = "orderbook_skew"
SYMBOL = "BTCUSDT"

REPLACE: dict[str, Any] = {
    "Set two parameters": {
        "parameters": {"top_levels": 10, "buy_threshold": 1.35},
        "changed_by": "jane",
        "reason": "tighter in low volatility",
    },
    "Check only": {"parameters": {"top_levels": 10}, "changed_by": "jane", "validate_only": True},
}
MERGE: dict[str, Any] = {
    "Change one parameter": {"parameters": {"buy_threshold": 1.3}, "changed_by": "jane", "reason": "calm market"},
    "Take one out of the layer": {"parameters": {"buy_threshold": None}, "changed_by": "jane"},
    "Stop": {"parameters": {"enabled": False}, "changed_by": "jane", "reason": "feed looks wrong"},
}
ROLL_BACK: dict[str, Any] = {
    "Undo the last change": {"changed_by": "jane", "reason": "worse than before"},
    "Back to a version": {"changed_by": "jane", "target_version": 1},
}
ENABLE: dict[str, Any] = {"Back on": {"changed_by": "jane", "reason": "feed is healthy again"}}
DISABLE: dict[str, Any] = {"Off": {"changed_by": "jane", "reason": "feed looks wrong"}}
HALT: dict[str, Any] = {
    "Everything": {"reason": "exchange down"},
    "One symbol": {"scope": {"symbol": SYMBOL}, "reason": "odd books"},
}
RESUME: dict[str, Any] = {"Everything again": {"scope": {}, "reason": "exchange is back"}}
CHECK: dict[str, Any] = {
    "One symbol": {"strategy_id": STRATEGY_ID, "symbol": SYMBOL, "parameters": {"buy_threshold": 1.5}},
    "All symbols": {"strategy_id": STRATEGY_ID, "parameters": {"buy_threshold": 1.5, "sell_threshold": 0.7}},
}

"""The market metrics a second time: plainly, in decimal arithmetic, from the recorded text itself."""

import json
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

Side = list[tuple[Decimal, Decimal]]
SECONDS = {"1m": 60, "5m": 300, "15m": 900}


def depth_lines(lines: list[bytes]) -> Iterator[tuple[str, int, Side, Side, bytes]]:
    """(symbol, event time, bids, asks, the line) of the partial books among the lines."""
    for line in lines:
        message = json.loads(line)
        symbol, stream_type = message["stream"].split("@")[:2]
        if stream_type not in {"depth5", "depth20"}:
            continue
        data = message["data"]
        bids, asks = (data.get(long, data.get(short)) for long, short in (("bids", "b"), ("asks", "a")))
        time_ms = data.get("E", message["ts"])
        yield symbol.upper(), time_ms, _numbers(bids), _numbers(asks), line


def _numbers(levels: list[list[str]]) -> Side:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in levels]


def metrics(bids: Side, asks: Side) -> dict[str, Any]:
    """The field groups of one book."""
    with localcontext(prec=50):
        bid_volume, ask_volume = volume(bids), volume(asks)
        total = bid_volume + ask_volume
        best_bid, best_ask = bids[0][0], asks[0][0]
        mid = (best_bid + best_ask) / 2
        net = net_pressure(bids, asks)
        bid_vwap = sum(price * quantity for price, quantity in bids) / bid_volume
        ask_vwap = sum(price * quantity for price, quantity in asks) / ask_volume
        return {
            "imbalance": {"ratio": net / 100, "percent": net, "bid_volume": bid_volume, "ask_volume": ask_volume},
            "pressure": {
                "buy_pressure": 100 * bid_volume / total,
                "sell_pressure": 100 * ask_volume / total,
                "net_pressure": net,
                "interpretation": "bullish" if net > 20 else "bearish" if net < -20 else "neutral",
            },
            "liquidity": {
                "total": total,
                "bid_depth_5": volume(bids[:5]),
                "ask_depth_5": volume(asks[:5]),
                "bid_depth_10": volume(bids[:10]),
                "ask_depth_10": volume(asks[:10]),
            },
            "spread": {
                "best_bid": best_bid,
                "best_ask": best_ask,
                "spread_abs": best_ask - best_bid,
                "spread_bps": (best_ask - best_bid) / mid * 10_000,
                "mid_price": mid,
            },
            "vwap": {"bid": bid_vwap, "ask": ask_vwap, "spread": ask_vwap - bid_vwap},
            "order_book_quality": {
                "bid_levels": len(bids),
                "ask_levels": len(asks),
                "total_levels": len(bids) + len(asks),
            },
            "strongest_levels": {"bid": strongest(bids), "ask": strongest(asks)},
        }


def volume(levels: Side) -> Decimal:
    return sum((quantity for _, quantity in levels), Decimal(0))


def net_pressure(bids: Side, asks: Side) -> Decimal:
    """Percent."""
    return 100 * (volume(bids) - volume(asks)) / (volume(bids) + volume(asks))


def strongest(levels: Side) -> dict[str, Decimal]:
    most = max(quantity for _, quantity in levels)
    return next({"price": price, "volume": quantity} for price, quantity in levels if quantity == most)


def summary(pressures: dict[int, Decimal], timeframe: str) -> dict[str, Any]:
    """Of net pressure by second of event time."""
    newest, seconds = max(pressures), SECONDS[timeframe]
    window = [pressure for second, pressure in pressures.items() if second > newest - seconds]
    recent = [pressure for second, pressure in pressures.items() if second > newest - seconds // 6]
    level = sum(recent) / len(recent)
    trend = "neutral" if -20 <= level <= 20 or len(window) < 10 else "bullish" if level > 0 else "bearish"
    strength = 1 - abs(level) / 20 if trend == "neutral" else min(Decimal(1), abs(level) / 50)
    return {
        "avg_pressure": sum(window) / len(window),
        "max_pressure": max(window),
        "min_pressure": min(window),
        "trend": trend,
        "trend_strength": strength if len(window) >= 10 else Decimal(0),
    }

"""A symbol's price with the signals on it: what the page says of it in words, and what its script draws. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from strategy_config.admin import wording
from strategy_config.admin.script_shapes import PriceData
from strategy_config.observed.recent_signals import RecentSignal
from strategy_core.configuration.price_points import PricePoint

MARGIN = 0.15
"""Above and below the line, for the marks, as a part of its range."""
GAP_SECONDS = 15
"""Without an event of the symbol for so long, the line is broken."""
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Chart:
    """``is_measured``: the line is what the market did; else it joins the signals' own prices.

    ``left_out`` counts the signals that lie before the line begins, ``beyond`` those whose price is so far from it that
    their marks lie at the edge of the drawing.
    """

    symbol: str
    data: PriceData
    is_measured: bool
    is_simulated: bool
    left_out: int
    beyond: int
    words: str


def draw(
    symbol: str, points: Sequence[PricePoint], signals: Sequence[RecentSignal], *, is_simulated: bool
) -> Chart | None:
    """The chart of one symbol's signals, newest first, over its prices; None where there is too little for a line.

    Where none of them lies within the prices, or there are no prices, the signals' own prices make the line.
    """
    measured = _since_restart(points)
    shown = [signal for signal in signals if measured and _ms(signal) >= measured[0].time_ms]
    is_measured = len(measured) > 1 and (bool(shown) or len(signals) < 2)
    if not is_measured:
        measured, shown = [PricePoint(_ms(signal), signal.price) for signal in reversed(signals)], list(signals)
    if len(measured) < 2:
        return None
    prices = [point.price for point in measured]
    low, high = min(prices), max(prices)
    room = (high - low) * MARGIN or high * 1e-4
    return Chart(
        symbol=symbol,
        data={
            "points": [(point.time_ms, point.price) for point in measured],
            "marks": [
                {
                    "ms": _ms(signal),
                    "price": signal.price,
                    "action": signal.action,
                    "id": signal.id,
                    "words": _mark_words(signal),
                }
                for signal in reversed(shown)
            ],
            "is_measured": is_measured,
            "gap_ms": GAP_SECONDS * 1000,
            "margin": MARGIN,
        },
        is_measured=is_measured,
        is_simulated=is_simulated or any(signal.is_simulated for signal in shown),
        left_out=len(signals) - len(shown),
        beyond=sum(not low - room <= signal.price <= high + room for signal in shown),
        words=_words(symbol, measured, shown, low, high),
    )


def _words(symbol: str, points: Sequence[PricePoint], shown: Sequence[RecentSignal], low: float, high: float) -> str:
    buys = sum(signal.action == "buy" for signal in shown)
    has_days = points[-1].time_ms - points[0].time_ms > _DAY_MS
    first, last = (_clock(point.time_ms, has_days=has_days) for point in (points[0], points[-1]))
    signals = f"{wording.counted(buys, 'buy signal')} and {wording.counted(len(shown) - buys, 'sell signal')}"
    return f"Price of {symbol} from {first} to {last} UTC: between {low:,.8g} and {high:,.8g}, with {signals}."


def _mark_words(signal: RecentSignal) -> str:
    strategy = wording.layer_name(signal.strategy_id, None)
    return f"{signal.action} at {signal.price:,.8g}, {strategy}, {_clock(_ms(signal))} UTC"


def _since_restart(points: Sequence[PricePoint]) -> list[PricePoint]:
    """The points after the last time that event time went back: a replay that started again."""
    begin = 0
    for at in range(1, len(points)):
        if points[at].time_ms < points[at - 1].time_ms:
            begin = at
    return list(points[begin:])


def _ms(signal: RecentSignal) -> int:
    return int(signal.at.timestamp() * 1000)


def _clock(time_ms: float, *, has_days: bool = False) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%d %b %H:%M" if has_days else "%H:%M:%S")

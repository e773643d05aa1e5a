"""A symbol's price with the signals on it, as positions in percent of a drawing: the template makes SVG of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor, log10

from strategy_config.observed.recent_signals import RecentSignal
from strategy_core.configuration.price_points import PricePoint

MARGIN_PERCENT = 12.0
"""Above and below the line, for the marks."""
PRICE_TICKS = 5
TIME_TICKS = 5
LABEL_PERCENT = 9
"""Half a label's width on a phone: nearer to the edge it would be cut off."""
EDGE_PERCENT = 3.0
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid: ``at`` in percent from the left or from the top."""

    at: str
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A signal on the line, in percent from the left and from the top."""

    x: str
    y: str
    action: str
    signal_id: str
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """``is_measured``: the line is what the market did; else it joins the signals' own prices.

    ``left_out`` counts the signals that lie before the line begins, ``beyond`` those whose price is so far from it that
    their marks lie at the edge of the drawing.
    """

    symbol: str
    line: str
    marks: list[Mark]
    prices: list[Tick]
    times: list[Tick]
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
    frame = _Frame(measured, shown)
    buys = sum(signal.action == "buy" for signal in shown)
    first, last = (_clock(point.time_ms, 1) for point in (measured[0], measured[-1]))
    return Chart(
        symbol=symbol,
        line=" ".join(f"{frame.x(time_ms) * 10:.1f},{frame.y(price) * 10:.1f}" for time_ms, price in measured),
        marks=[_mark(frame, signal) for signal in reversed(shown)],
        prices=frame.price_ticks(),
        times=frame.time_ticks(),
        is_measured=is_measured,
        is_simulated=is_simulated or any(signal.is_simulated for signal in shown),
        left_out=len(signals) - len(shown),
        beyond=sum(not frame.has_room_for(signal.price) for signal in shown),
        words=f"Price of {symbol} from {first} to {last} UTC, between {frame.low:,.8g} and {frame.high:,.8g}, "
        f"with {buys} buy and {len(shown) - buys} sell signals.",
    )


class _Frame:
    """From time and price to percent."""

    def __init__(self, points: Sequence[PricePoint], signals: Sequence[RecentSignal]) -> None:
        prices = [point.price for point in points]
        self.low, self.high = min(prices), max(prices)
        self._start = min(points[0].time_ms, *(_ms(signal) for signal in signals), points[-1].time_ms)
        self._end = max(points[-1].time_ms, *(_ms(signal) for signal in signals), self._start + 1)
        # A price that has not moved lies in the middle.
        self._range = self.high - self.low or self.high * 1e-4
        self._bottom = self.low if self.high > self.low else self.low - self._range / 2

    def x(self, time_ms: float) -> float:
        return (time_ms - self._start) / (self._end - self._start) * 100

    def y(self, price: float) -> float:
        return 100 - MARGIN_PERCENT - (price - self._bottom) / self._range * (100 - 2 * MARGIN_PERCENT)

    def has_room_for(self, price: float) -> bool:
        return EDGE_PERCENT <= self.y(price) <= 100 - EDGE_PERCENT

    def mark_y(self, price: float) -> float:
        return min(max(self.y(price), EDGE_PERCENT), 100 - EDGE_PERCENT)

    def price_ticks(self) -> list[Tick]:
        step = _round_step(self._range / PRICE_TICKS)
        decimals = max(0, -floor(log10(step)))
        first = ceil(self._bottom / step)
        values = [number * step for number in range(first, first + PRICE_TICKS + 2)]
        return [
            Tick(f"{self.y(value):.2f}", f"{value:,.{decimals}f}")
            for value in values
            if value <= self._bottom + self._range * 1.0001
        ]

    def time_ticks(self) -> list[Tick]:
        wanted = (self._end - self._start) / 1000 / TIME_TICKS
        step = next((seconds for seconds in _SECONDS if seconds >= wanted), ceil(wanted / 86_400) * 86_400)
        first = ceil(self._start / 1000 / step) * step
        ticks = range(first, floor(self._end / 1000) + 1, step)
        return [
            Tick(f"{at:.2f}", _clock(second * 1000, step))
            for second in ticks
            if LABEL_PERCENT < (at := self.x(second * 1000)) < 100 - LABEL_PERCENT
        ]


def _mark(frame: _Frame, signal: RecentSignal) -> Mark:
    words = f"{signal.action} at {signal.price:,.8g}, {signal.strategy_id}, {_clock(_ms(signal), 1)} UTC"
    return Mark(f"{frame.x(_ms(signal)):.2f}", f"{frame.mark_y(signal.price):.2f}", signal.action, signal.id, words)


def _since_restart(points: Sequence[PricePoint]) -> list[PricePoint]:
    """The points after the last time that event time went back: a replay that began anew."""
    begin = 0
    for at in range(1, len(points)):
        if points[at].time_ms < points[at - 1].time_ms:
            begin = at
    return list(points[begin:])


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, 50 … (and their fractions) that is at least that."""
    power: float = 10.0 ** floor(log10(least))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= least), 10 * power)


def _ms(signal: RecentSignal) -> int:
    return int(signal.at.timestamp() * 1000)


def _clock(time_ms: float, step_seconds: int) -> str:
    at = datetime.fromtimestamp(time_ms / 1000, UTC)
    return at.strftime("%d %b %H:%M" if step_seconds >= 43_200 else "%H:%M" if step_seconds >= 60 else "%H:%M:%S")

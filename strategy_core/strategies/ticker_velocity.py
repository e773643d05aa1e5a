"""Ticker velocity: goes with a price that moves fast, and faster than before, on rising volume."""

from strategy_core.market.messages import Ticker
from strategy_core.market.windows import TimeWindow
from strategy_core.strategies.base import (
    NO_DECISION,
    Decision,
    Decisions,
    EdgeTrigger,
    Parameters,
    Strategy,
    SymbolMarket,
    lift,
    parameter,
)

_SLOT_MS = 250
_MAX_TOTAL = 1e9
_PERCENT_PER_MINUTE = 6_000_000


class TickerVelocityParameters(Parameters):
    """Parameters of ``ticker_velocity``."""

    time_window: int = parameter(
        60,
        group="timing",
        minimum=30,
        maximum=300,
        unit="s",
        description="Length of the window; no signal before half of it is covered.",
        example=120,
    )
    buy_threshold: float = parameter(
        0.5,
        group="trigger",
        minimum=0.1,
        maximum=2.0,
        unit="% per minute",
        description="Score above which it buys.",
        example=0.8,
    )
    sell_threshold: float = parameter(
        -0.5,
        group="trigger",
        minimum=-2.0,
        maximum=-0.1,
        unit="% per minute",
        description="Score below which it sells.",
        example=-0.8,
    )
    min_price_change: float = parameter(
        0.1,
        group="filter",
        minimum=0.01,
        maximum=1.0,
        unit="%",
        description="Least absolute price change over the window.",
    )
    base_confidence: float = parameter(
        0.65,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence of a signal right at the threshold.",
    )
    acceleration_weight: float = parameter(
        0.5,
        group="confidence",
        minimum=0.0,
        maximum=1.0,
        unit="weight",
        description="How much acceleration adds to velocity.",
    )
    volume_confirmation: bool = parameter(True, group="filter", description="Ask for rising volume.", example=False)
    min_volume_change: float = parameter(
        0.2,
        group="filter",
        minimum=0.1,
        maximum=2.0,
        unit="fraction",
        description="With volume_confirmation: by how much the later half's volume must exceed the earlier half's.",
    )
    min_signal_interval_seconds: float = parameter(
        60.0,
        group="timing",
        minimum=0.0,
        maximum=3600.0,
        unit="s",
        description="Least event time between two signals of this strategy on one symbol.",
        is_addition=True,
    )


_Sample = tuple[int, float, float]
"""A ticker: time in ms, price, running total of the volume traded."""
_Motion = tuple[float, float, float, float, float, float]
"""Score, velocity, acceleration (percent per minute), change (percent), volume of the earlier and the later half."""


class TickerVelocity(Strategy[TickerVelocityParameters]):
    """Speed of the last price over a time window, with its acceleration, edge-triggered.

    A ticker carries the volume of 24 hours. Its rises, added up, are the volume traded; a fall is volume that leaves
    the 24 hours and is not trade. A ticker older than the one before it is left out.
    """

    __slots__ = ("_edge", "_last_volume", "_traded", "_window")

    id = "ticker_velocity"
    name = "Ticker Velocity"
    description = "Follows fast price moves, the more so where they accelerate, on rising volume."
    category = "Realtime Data"
    type = "velocity"
    formula = (
        "velocity = percent per minute from the oldest to the newest price in time_window, once half of it is covered. "
        "acceleration = velocity of the later half - velocity of the earlier half. score = velocity + "
        "acceleration_weight * acceleration / 2. BUY above buy_threshold, SELL below sell_threshold, once when the "
        "score gets there, where the price has changed by min_price_change and, with volume_confirmation, the later "
        "half's volume exceeds the earlier half's by min_volume_change. Confidence rises from base_confidence to 0.95 "
        "at twice the threshold."
    )
    parameters = TickerVelocityParameters

    def __init__(self, market: SymbolMarket) -> None:
        super().__init__(market)
        self._edge = EdgeTrigger(self.last_signals)
        self._window: TimeWindow[_Sample] = TimeWindow(_SLOT_MS)
        self._last_volume = 0.0
        self._traded = 0.0

    def on_ticker(self, ticker: Ticker, parameters: TickerVelocityParameters) -> Decisions:
        """Take the ticker in and decide; see ``formula``."""
        now_ms = ticker.time_ms
        length_ms = parameters.time_window * 1000
        window = self._window
        if not window.move_to(now_ms, length_ms):
            return NO_DECISION
        volume = ticker.volume
        traded = self._traded
        if volume > self._last_volume:
            traded += volume - self._last_volume
        elif traded > _MAX_TOTAL * max(1.0, volume):
            # One absurd volume would drown every rise after it in rounding.
            window.clear()
            traded = 0.0
        self._traded = traded
        self._last_volume = volume
        price = ticker.price
        window.append(now_ms, (now_ms, price, traded))
        oldest = window.oldest()
        oldest_ms, oldest_price, _ = oldest
        is_covered = (now_ms - oldest_ms) * 2 >= length_ms
        has_moved = abs(price / oldest_price - 1.0) * 100 >= parameters.min_price_change
        motion = None
        # Else the rest of the motion decides nothing.
        if is_covered and has_moved:
            motion = _motion(oldest, window.middle(), window.newest(), parameters.acceleration_weight)
        state = 0 if motion is None else _state(motion, parameters)
        if not self._edge.turns(state, now_ms, parameters.min_signal_interval_seconds) or motion is None:
            return NO_DECISION
        score, velocity, acceleration, change, earlier_volume, later_volume = motion
        threshold = parameters.buy_threshold if state == 1 else -parameters.sell_threshold
        return (
            Decision(
                action="buy" if state == 1 else "sell",
                confidence=lift(parameters.base_confidence, min(1.0, (abs(score) - threshold) / threshold)),
                price=price,
                signal_type="ticker_velocity",
                details={
                    "score": score,
                    "velocity_percent_per_minute": velocity,
                    "acceleration_percent_per_minute": acceleration,
                    "price_change_percent": change,
                    "earlier_volume": earlier_volume,
                    "later_volume": later_volume,
                },
            ),
        )


def _motion(oldest: _Sample, middle: _Sample, newest: _Sample, weight: float) -> _Motion:
    """How the price moved over a window of more than one instant."""
    oldest_ms, oldest_price, traded_before = oldest
    now_ms, price, traded = newest
    span_ms = now_ms - oldest_ms
    middle_ms, middle_price, traded_by_middle = middle
    growth = price / oldest_price - 1.0
    velocity = growth * _PERCENT_PER_MINUTE / span_ms
    acceleration = 0.0
    if middle_ms < now_ms:
        later = (price / middle_price - 1.0) * _PERCENT_PER_MINUTE / (now_ms - middle_ms)
        earlier = (middle_price / oldest_price - 1.0) * _PERCENT_PER_MINUTE / (middle_ms - oldest_ms)
        acceleration = later - earlier
    score = velocity + weight * acceleration / 2
    return score, velocity, acceleration, growth * 100, traded_by_middle - traded_before, traded - traded_by_middle


def _state(motion: _Motion, parameters: TickerVelocityParameters) -> int:
    score, _, _, _, earlier_volume, later_volume = motion
    if parameters.volume_confirmation and not later_volume > earlier_volume * (1.0 + parameters.min_volume_change):
        return 0
    if score > parameters.buy_threshold:
        return 1
    return -1 if score < parameters.sell_threshold else 0

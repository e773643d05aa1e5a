"""Bitcoin dominance: trades the rotation between bitcoin and the rest of the market."""

from strategy_core.market.messages import Dominance
from strategy_core.market.windows import TimeWindow
from strategy_core.strategies.base import (
    NO_DECISION,
    ONE_INTERVAL,
    Action,
    Decision,
    Decisions,
    Parameters,
    Strategy,
    SymbolMarket,
    parameter,
)

_SLOT_MS = 60_000
_HOUR_MS = 3_600_000
_TREND_POINTS = 1.0
_MAX_WINDOWS_FROM_ORIGIN = 4


class BtcDominanceParameters(Parameters):
    """Parameters of ``btc_dominance``."""

    high_threshold: float = parameter(
        70.0,
        group="trigger",
        minimum=60.0,
        maximum=90.0,
        unit="%",
        description="Dominance above which a rise is bought.",
        example=65.0,
    )
    low_threshold: float = parameter(
        40.0,
        group="trigger",
        minimum=30.0,
        maximum=50.0,
        unit="%",
        description="Dominance below which a fall is sold.",
        example=45.0,
    )
    change_threshold: float = parameter(
        5.0,
        group="trigger",
        minimum=1.0,
        maximum=15.0,
        unit="points",
        description="Change over the window that is enough on its own.",
        example=3.0,
    )
    window_hours: int = parameter(
        24, group="timing", minimum=12, maximum=72, unit="h", description="Hours looked at.", example=48
    )
    min_signal_interval: int = parameter(
        14_400,
        group="timing",
        minimum=3_600,
        maximum=86_400,
        unit="s",
        description="Least event time between two signals.",
    )
    base_confidence_high: float = parameter(
        0.80,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence of a purchase at high dominance.",
    )
    base_confidence_low: float = parameter(
        0.75,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence of a sale at low dominance.",
    )
    momentum_confidence: float = parameter(
        0.70,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence if only the change over the window decides.",
    )


_Sums = tuple[float, float, float, float, float]
"""Running count, sum of x, of y, of x * x and of x * y; x in hours since the origin, y in percent."""
_Sample = tuple[int, float, _Sums]
"""An observation: time in ms, percent, the running sums with it."""
_NO_SUMS: _Sums = (0.0, 0.0, 0.0, 0.0, 0.0)


class BtcDominance(Strategy[BtcDominanceParameters]):
    """Level, trend and change of bitcoin's share in the market capitalisation.

    The trend is the rise of the least-squares line from the oldest to the newest observation in the window. An
    observation older than the one before it is left out.
    """

    __slots__ = ("_origin_ms", "_window")

    id = "btc_dominance"
    name = "Bitcoin Dominance"
    description = "Trades BTCUSDT on the share of bitcoin in the total market capitalisation."
    category = "Market Logic"
    type = "rotation"
    formula = (
        "change = newest - oldest dominance in the last window_hours; rising or falling: the least-squares line over "
        "them rises or falls by more than 1 point. Above high_threshold and (rising or change > change_threshold): "
        "BUY. Below low_threshold and (falling or change < -change_threshold): SELL. Otherwise, where the change is "
        "more than change_threshold either way: BUY or SELL by its sign. On BTCUSDT at its last known price, at most "
        "once in min_signal_interval."
    )
    parameters = BtcDominanceParameters

    def __init__(self, market: SymbolMarket) -> None:
        super().__init__(market)
        self._window: TimeWindow[_Sample] = TimeWindow(_SLOT_MS)
        self._origin_ms = 0

    def on_dominance(self, observation: Dominance, parameters: BtcDominanceParameters) -> Decisions:
        """Take the observation in and decide; see ``formula``. Without a price the interval is not used up."""
        now_ms = observation.time_ms
        if not self._take_in(now_ms, observation.btc, parameters.window_hours * _HOUR_MS):
            return NO_DECISION
        last_ms = self.last_signals.get(ONE_INTERVAL)
        price = self.market.last_price
        # The distance, not the difference: a replay that starts over must not wait for the end of the one before.
        if price <= 0.0 or (last_ms is not None and abs(now_ms - last_ms) < parameters.min_signal_interval * 1000):
            return NO_DECISION
        dominance = observation.btc
        change = dominance - self._window.oldest()[1]
        trend = self._trend()
        chosen = _choose(dominance, change, trend, parameters)
        if chosen is None:
            return NO_DECISION
        self.last_signals[ONE_INTERVAL] = now_ms
        action, confidence, signal_type = chosen
        details = {
            "dominance_percent": dominance,
            "change_points": change,
            "trend_points": trend,
            "window_hours": parameters.window_hours,
        }
        return (Decision(action, confidence, price, signal_type, details),)

    def _take_in(self, time_ms: int, dominance: float, length_ms: int) -> bool:
        """Add an observation to the window; false where it is late."""
        window = self._window
        if not window.move_to(time_ms, length_ms):
            return False
        if not len(window):
            self._origin_ms = time_ms
            sums = _NO_SUMS
        elif time_ms - self._origin_ms > _MAX_WINDOWS_FROM_ORIGIN * length_ms:
            sums = self._move_origin()
        else:
            sums = window.newest()[2]
        sums = _plus(sums, (time_ms - self._origin_ms) / _HOUR_MS, dominance)
        window.append(time_ms, (time_ms, dominance, sums))
        return True

    def _move_origin(self) -> _Sums:
        """Take the running sums from the oldest observation on, so that they keep their precision."""
        window = self._window
        samples = window.samples()
        self._origin_ms = samples[0][0]
        window.clear()
        sums = _NO_SUMS
        for time_ms, dominance, _ in samples:
            sums = _plus(sums, (time_ms - self._origin_ms) / _HOUR_MS, dominance)
            window.append(time_ms, (time_ms, dominance, sums))
        return sums

    def _trend(self) -> float:
        """Rise of the least-squares line from the oldest to the newest observation, in points; 0 for fewer than two."""
        oldest_ms, oldest_dominance, before = self._window.oldest()
        newest_ms, _, until = self._window.newest()
        first = _plus(_NO_SUMS, (oldest_ms - self._origin_ms) / _HOUR_MS, oldest_dominance)
        n, x, y, xx, xy = (u - b + f for u, b, f in zip(until, before, first, strict=True))
        spread = n * xx - x * x
        if newest_ms == oldest_ms or spread <= 0.0:
            return 0.0
        return (n * xy - x * y) / spread * (newest_ms - oldest_ms) / _HOUR_MS


def _choose(
    dominance: float, change: float, trend: float, parameters: BtcDominanceParameters
) -> tuple[Action, float, str] | None:
    threshold = parameters.change_threshold
    if dominance > parameters.high_threshold and (trend > _TREND_POINTS or change > threshold):
        return "buy", parameters.base_confidence_high, "dominance_high"
    if dominance < parameters.low_threshold and (trend < -_TREND_POINTS or change < -threshold):
        return "sell", parameters.base_confidence_low, "dominance_low"
    if abs(change) > threshold:
        return "buy" if change > 0 else "sell", parameters.momentum_confidence, "dominance_momentum"
    return None


def _plus(sums: _Sums, x: float, y: float) -> _Sums:
    n, sum_x, sum_y, sum_xx, sum_xy = sums
    return n + 1.0, sum_x + x, sum_y + y, sum_xx + x * x, sum_xy + x * y

"""Spread and liquidity: sells when liquidity is withdrawn, buys when it returns after a lasting wide spread.

Microstructure basis: Kyle 1985, "Continuous Auctions and Insider Trading"; Glosten and Milgrom 1985, "Bid, Ask and
Transaction Prices in a Specialist Market with Heterogeneously Informed Traders".
"""

from collections import deque
from dataclasses import dataclass
from operator import itemgetter

from strategy_core.market.book import Book
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

DEPTH_LEVELS = 5
STOP_SPREADS = 2.0
TARGET_SPREADS = 4.0
WITHDRAWAL_RATIO_FACTOR = 1.2
EVENT_LIMIT_MS = 3_600_000
"""A spread that has stayed wide for an hour is the market's normal one: the event ends without a signal."""


class SpreadLiquidityParameters(Parameters):
    """Parameters of ``spread_liquidity``."""

    spread_threshold_bps: float = parameter(
        10.0,
        group="trigger",
        minimum=1.0,
        maximum=100.0,
        unit="bps of mid",
        description="Spread beyond which a wide event can begin.",
    )
    spread_ratio_threshold: float = parameter(
        2.5,
        group="trigger",
        minimum=1.5,
        maximum=10.0,
        unit="ratio",
        description="Ratio of spread to mean spread above which the spread is wide; a withdrawal needs 1.2 times this.",
    )
    velocity_threshold: float = parameter(
        0.5,
        group="trigger",
        minimum=0.1,
        maximum=2.0,
        unit="1/s",
        description="Relative widening a second beyond which it is a withdrawal.",
    )
    persistence_threshold_seconds: float = parameter(
        30.0,
        group="timing",
        minimum=10.0,
        maximum=300.0,
        unit="s",
        description="A wide event must last longer than this to buy at its end.",
    )
    min_depth_reduction_pct: float = parameter(
        0.5,
        group="trigger",
        minimum=0.1,
        maximum=0.9,
        unit="fraction",
        description="Share of the mean depth that a withdrawal removes.",
    )
    base_confidence: float = parameter(
        0.70, group="confidence", minimum=0.5, maximum=1.0, unit="confidence", description="Confidence of a signal."
    )
    lookback_ticks: int = parameter(
        20,
        group="timing",
        minimum=5,
        maximum=100,
        unit="snapshots",
        description="Previous snapshots that make up the means.",
    )
    min_signal_interval_seconds: float = parameter(
        60.0,
        group="timing",
        minimum=30.0,
        maximum=600.0,
        unit="s",
        description="Least event time between two signals on one symbol.",
    )


_Tick = tuple[int, float, float]
"""A snapshot: time in ms, spread in bps, quantity over the top levels of both sides."""
_spread_bps = itemgetter(1)
_depth = itemgetter(2)


@dataclass(slots=True)
class _WideEvent:
    """A spread that stands far above ``normal_bps``, its mean before the event."""

    start_ms: int
    normal_bps: float
    widest_bps: float


class SpreadLiquidity(Strategy[SpreadLiquidityParameters]):
    """Spread, its velocity and the depth near the top against their means over the previous snapshots."""

    __slots__ = ("_depth_sum", "_event", "_spread_sum", "_ticks", "_until_exact")

    id = "spread_liquidity"
    name = "Spread Liquidity"
    description = "Watches the spread and the depth near the top for liquidity that is withdrawn or comes back."
    category = "Microstructure"
    type = "liquidity"
    formula = (
        "ratio = spread / mean spread of the previous lookback_ticks (during a wide event: of those before it). "
        "SELL on a withdrawal: relative widening a second > velocity_threshold, ratio > 1.2 * "
        "spread_ratio_threshold, depth of the top 5 levels down by more than min_depth_reduction_pct. BUY on a "
        "return: a wide event (ratio > spread_ratio_threshold, spread > spread_threshold_bps) that lasted longer than "
        "persistence_threshold_seconds ends with the spread narrower than its widest. Stop 2 spreads from mid, "
        "target 4."
    )
    parameters = SpreadLiquidityParameters

    def __init__(self, market: SymbolMarket) -> None:
        super().__init__(market)
        self._ticks: deque[_Tick] = deque()
        self._spread_sum = 0.0
        self._depth_sum = 0.0
        self._until_exact = 0
        self._event: _WideEvent | None = None

    def on_depth(self, book: Book, parameters: SpreadLiquidityParameters) -> Decisions:
        """Decide on one snapshot; see ``formula``. Nothing before ``lookback_ticks`` snapshots."""
        spread_bps = book.relative_spread * 10_000
        if spread_bps <= 0.0:
            return NO_DECISION  # Below what a float can hold: no spread to compare with.
        _, bid_volume, ask_volume = book.volumes(DEPTH_LEVELS)
        depth = bid_volume + ask_volume
        tick = (book.time_ms, spread_bps, depth)
        ticks = self._ticks
        lookback = parameters.lookback_ticks
        decisions = NO_DECISION
        if len(ticks) >= lookback:
            if len(ticks) > lookback:
                self._keep(lookback)
            event = self._event
            normal_bps = self._spread_sum / lookback if event is None else event.normal_bps
            # Only rounding can bring a sum of spreads to 0; it is exact again within a window.
            if normal_bps > 0.0:
                ratio = spread_bps / normal_bps
                if event is not None or ratio > parameters.spread_ratio_threshold:
                    decisions = self._decide(book, tick, normal_bps, ratio, parameters)
            _, oldest_bps, oldest_depth = ticks.popleft()
            self._spread_sum += spread_bps - oldest_bps
            self._depth_sum += depth - oldest_depth
        else:
            self._spread_sum += spread_bps
            self._depth_sum += depth
        ticks.append(tick)
        self._until_exact -= 1
        if self._until_exact < 0:
            self._sum_anew()
        return decisions

    def _keep(self, count: int) -> None:
        """Keep the last ``count`` ticks."""
        while len(self._ticks) > count:
            self._ticks.popleft()
        self._sum_anew()

    def _sum_anew(self) -> None:
        """Once a window, so that no rounding error outlives the tick it came from: O(1) a tick."""
        self._spread_sum = sum(map(_spread_bps, self._ticks), 0.0)
        self._depth_sum = sum(map(_depth, self._ticks), 0.0)
        self._until_exact = len(self._ticks)

    def _decide(
        self, book: Book, tick: _Tick, normal_bps: float, ratio: float, parameters: SpreadLiquidityParameters
    ) -> Decisions:
        """Decide on a wide spread, or on the end of a wide event."""
        time_ms, spread_bps, _ = tick
        event = self._event
        decisions = NO_DECISION
        if ratio > WITHDRAWAL_RATIO_FACTOR * parameters.spread_ratio_threshold:
            decisions = self._withdrawal(book, tick, ratio, parameters)
        if event is None:
            if spread_bps > parameters.spread_threshold_bps:
                self._event = _WideEvent(time_ms, normal_bps, spread_bps)
        elif abs(time_ms - event.start_ms) > EVENT_LIMIT_MS:
            self._event = None
        elif ratio < parameters.spread_ratio_threshold:
            self._event = None
            decisions = self._return(book, tick, ratio, event, parameters)
        elif spread_bps > event.widest_bps:
            event.widest_bps = spread_bps
        return decisions

    def _withdrawal(self, book: Book, tick: _Tick, ratio: float, parameters: SpreadLiquidityParameters) -> Decisions:
        time_ms, spread_bps, depth = tick
        oldest_ms, oldest_bps, _ = self._ticks[0]
        seconds = (time_ms - oldest_ms) / 1000
        mean_depth = self._depth_sum / len(self._ticks)
        if seconds <= 0.0 or mean_depth <= 0.0:
            return NO_DECISION
        velocity = (spread_bps - oldest_bps) / oldest_bps / seconds
        reduction = 1.0 - depth / mean_depth
        if velocity <= parameters.velocity_threshold or reduction <= parameters.min_depth_reduction_pct:
            return NO_DECISION
        details = {"spread_bps": spread_bps, "ratio": ratio, "velocity": velocity, "depth_reduction": reduction}
        return self._signal("sell", "liquidity_withdrawal", book, details, parameters)

    def _return(
        self, book: Book, tick: _Tick, ratio: float, event: _WideEvent, parameters: SpreadLiquidityParameters
    ) -> Decisions:
        time_ms, spread_bps, _ = tick
        seconds = (time_ms - event.start_ms) / 1000
        if seconds <= parameters.persistence_threshold_seconds or spread_bps >= event.widest_bps:
            return NO_DECISION
        details = {
            "spread_bps": spread_bps,
            "ratio": ratio,
            "normal_spread_bps": event.normal_bps,
            "widest_spread_bps": event.widest_bps,
            "event_seconds": seconds,
        }
        return self._signal("buy", "liquidity_return", book, details, parameters)

    def _signal(
        self, action: Action, pattern: str, book: Book, details: dict[str, float], parameters: SpreadLiquidityParameters
    ) -> Decisions:
        last_ms = self.last_signals.get(ONE_INTERVAL)
        if last_ms is not None and abs(book.time_ms - last_ms) < parameters.min_signal_interval_seconds * 1000:
            return NO_DECISION
        self.last_signals[ONE_INTERVAL] = book.time_ms
        sign = 1.0 if action == "buy" else -1.0
        stop = book.mid - sign * STOP_SPREADS * book.spread
        target = book.mid + sign * TARGET_SPREADS * book.spread
        return (
            Decision(
                action=action,
                confidence=parameters.base_confidence,
                price=book.mid,
                signal_type=pattern,
                details=details,
                stop_loss=stop if stop > 0.0 else None,
                take_profit=target if target > 0.0 else None,
            ),
        )

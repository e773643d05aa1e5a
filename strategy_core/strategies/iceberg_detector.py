"""Iceberg detector: finds price levels that trades deplete and that come back at the same size again and again."""

from typing import Literal, NamedTuple

from strategy_core.market.book import Book
from strategy_core.market.levels import BookSide, LevelRules, WatchedLevel
from strategy_core.market.messages import Trade
from strategy_core.strategies.base import (
    NO_DECISION,
    ONE_INTERVAL,
    Decision,
    Decisions,
    Parameters,
    Strategy,
    SymbolMarket,
    parameter,
)

SWEEP_INTERVAL_MS = 30_000
REFILL_CONFIDENCE_STEP = 0.05
REFILL_CONFIDENCE_LIMIT = 0.85
MIN_STOP_FRACTION = 0.005
TARGET_FACTOR = 2.5

Pattern = Literal["refill", "consistent_size", "anchor"]
_STRENGTH: dict[Pattern, int] = {"refill": 3, "consistent_size": 2, "anchor": 1}


class IcebergDetectorParameters(Parameters):
    """Parameters of ``iceberg_detector``."""

    min_refill_count: int = parameter(
        3,
        group="trigger",
        minimum=2,
        maximum=10,
        unit="refills",
        description="Refills within the history window that make the refill pattern.",
    )
    refill_speed_threshold_seconds: float = parameter(
        5.0,
        group="trigger",
        minimum=1.0,
        maximum=30.0,
        unit="s",
        description="A refill comes within this time of its depletion.",
    )
    consistency_threshold: float = parameter(
        0.1,
        group="trigger",
        minimum=0.05,
        maximum=0.5,
        unit="fraction",
        description="Relative difference of a refill from the displayed size, and variation of the displayed sizes.",
    )
    persistence_threshold_seconds: float = parameter(
        120.0,
        group="timing",
        minimum=60.0,
        maximum=600.0,
        unit="s",
        description="Time over which sizes are compared, and time at the top.",
    )
    level_proximity_pct: float = parameter(
        1.0,
        group="filter",
        minimum=0.1,
        maximum=5.0,
        unit="% of mid",
        description="Levels further than this from mid give no signal.",
    )
    base_confidence: float = parameter(
        0.70,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence without refills beyond the minimum.",
    )
    history_window_seconds: int = parameter(
        300,
        group="timing",
        minimum=60,
        maximum=900,
        unit="s",
        description="How long refills, trades and untouched levels are remembered.",
    )
    max_symbols: int = parameter(
        100,
        group="limit",
        minimum=10,
        maximum=200,
        unit="symbols",
        description="Largest number of symbols; the least recently seen is dropped first.",
    )
    min_signal_interval_seconds: float = parameter(
        120.0,
        group="timing",
        minimum=60.0,
        maximum=600.0,
        unit="s",
        description="Least event time between two signals on one symbol.",
    )


class _Finding(NamedTuple):
    """A pattern at a level. Compares by strength: pattern, refills, nearness to mid."""

    strength: int
    refills: int
    nearness: float
    pattern: Pattern
    price: float
    is_bid: bool
    level: WatchedLevel


class IcebergDetector(Strategy[IcebergDetectorParameters]):
    """Displayed quantity per price level, depletions explained by trades, refills and what they add up to."""

    __slots__ = (
        "_asks",
        "_bids",
        "_due_ms",
        "_last_trade_ms",
        "_now_ms",
        "_parameters",
        "_rules",
        "_sweep_ms",
    )

    id = "iceberg_detector"
    name = "Iceberg Detector"
    description = "Finds large hidden orders: levels that are consumed and come back at the same size."
    category = "Microstructure"
    type = "pattern_recognition"
    formula = (
        "depletion: a level falls under half of its displayed size, at least half of the fall explained by trades "
        "there. refill: within refill_speed_threshold_seconds it is back within consistency_threshold of that size. "
        "Patterns, strongest first: min_refill_count refills within history_window_seconds; one refill and a "
        "variation of the displayed sizes below consistency_threshold over persistence_threshold_seconds; one refill "
        "and the best price for persistence_threshold_seconds in all, left and come back. Bid side within "
        "level_proximity_pct of mid: BUY, ask side: SELL. Stop beyond the level by max(distance to mid, 0.5 % of mid), "
        "target 2.5 times that."
    )
    parameters = IcebergDetectorParameters

    def __init__(self, market: SymbolMarket) -> None:
        super().__init__(market)
        self._forget_levels()
        self._now_ms = self._sweep_ms = self._due_ms = 0
        self._parameters: IcebergDetectorParameters | None = None
        self._rules = LevelRules(refill_ms=0.0, consistency=0.0, history_ms=0, trades_known=False)
        self._last_trade_ms: int | None = None

    @classmethod
    def symbol_limit(cls, parameters: IcebergDetectorParameters) -> int:
        """``max_symbols``."""
        return parameters.max_symbols

    def on_trade(self, trade: Trade, parameters: IcebergDetectorParameters) -> Decisions:
        """Count the trade as consumption of the level that it hit."""
        self._last_trade_ms = trade.time_ms
        side = self._bids if trade.is_buyer_maker else self._asks
        side.trade(trade.price, trade.quantity, trade.time_ms)
        if side.is_crowded:
            self._due_ms = 0
        return NO_DECISION

    def on_depth(self, book: Book, parameters: IcebergDetectorParameters) -> Decisions:
        """Take in one snapshot, then decide; see ``formula``."""
        now_ms = book.time_ms
        if parameters is self._parameters and self._now_ms <= now_ms <= self._due_ms:
            self._now_ms = now_ms
        else:
            self._keep_house(now_ms, parameters)
            now_ms = self._now_ms
        bids, asks, rules = self._bids, self._asks, self._rules
        bids.update(book.bids, now_ms, rules)
        asks.update(book.asks, now_ms, rules)
        if not bids.refilled and not asks.refilled:
            return NO_DECISION
        last_ms = self.last_signals.get(ONE_INTERVAL)
        if last_ms is not None and abs(now_ms - last_ms) < parameters.min_signal_interval_seconds * 1000:
            return NO_DECISION
        findings = [*self._findings(bids, book, parameters), *self._findings(asks, book, parameters)]
        if not findings:
            return NO_DECISION
        self.last_signals[ONE_INTERVAL] = now_ms
        return (_decision(max(findings, key=lambda finding: finding[:3]), book, parameters),)

    def _keep_house(self, time_ms: int, parameters: IcebergDetectorParameters) -> None:
        """Move the clock to ``time_ms``, forget what is too old, and settle which rules hold until when."""
        history_ms = parameters.history_window_seconds * 1000
        if abs(time_ms - self._now_ms) > history_ms:
            self._forget_levels()  # A gap, or a clock set back: nothing known is within the window.
            self._now_ms = time_ms
            self._sweep_ms = time_ms + SWEEP_INTERVAL_MS
        now_ms = self._now_ms = max(self._now_ms, time_ms)
        bids, asks = self._bids, self._asks
        if now_ms >= self._sweep_ms or bids.is_crowded or asks.is_crowded:
            sizes_ms = now_ms - round(parameters.persistence_threshold_seconds * 1000)
            bids.sweep(now_ms - history_ms, sizes_ms)
            asks.sweep(now_ms - history_ms, sizes_ms)
            self._sweep_ms = now_ms + SWEEP_INTERVAL_MS
        last_ms = self._last_trade_ms
        trades_known = last_ms is not None and abs(now_ms - last_ms) <= history_ms
        if parameters is not self._parameters or trades_known != self._rules.trades_known:
            self._parameters = parameters
            self._rules = LevelRules(
                refill_ms=parameters.refill_speed_threshold_seconds * 1000,
                consistency=parameters.consistency_threshold,
                history_ms=history_ms,
                trades_known=trades_known,
            )
        self._due_ms = min(self._sweep_ms - 1, now_ms + history_ms, (last_ms or 0) + history_ms) if trades_known else 0

    def _forget_levels(self) -> None:
        self._bids = BookSide(1)
        self._asks = BookSide(-1)

    def _findings(self, side: BookSide, book: Book, parameters: IcebergDetectorParameters) -> list[_Finding]:
        findings = []
        for price, level in side.refilled:
            if level.depleted_ms is not None:
                continue
            distance = abs(book.mid - price)
            pattern = self._pattern(side, price, level, parameters)
            if pattern is None or distance > book.mid * parameters.level_proximity_pct / 100:
                continue
            refills = len(level.refills or ())
            findings.append(_Finding(_STRENGTH[pattern], refills, -distance, pattern, price, side is self._bids, level))
        return findings

    def _pattern(
        self, side: BookSide, price: float, level: WatchedLevel, parameters: IcebergDetectorParameters
    ) -> Pattern | None:
        refills = level.prune_refills(self._now_ms - parameters.history_window_seconds * 1000)
        if refills == 0:
            return None
        if refills >= parameters.min_refill_count:
            return "refill"
        persistence_ms = round(parameters.persistence_threshold_seconds * 1000)
        variation = level.sizes.variation_since(self._now_ms - persistence_ms) if level.sizes else None
        if variation is not None and variation < parameters.consistency_threshold:
            return "consistent_size"
        top = side.time_at_top(price, self._now_ms)
        return "anchor" if top.visits > 1 and top.total_ms >= persistence_ms else None


def _decision(finding: _Finding, book: Book, parameters: IcebergDetectorParameters) -> Decision:
    confidence = parameters.base_confidence
    if finding.pattern == "refill" and confidence < REFILL_CONFIDENCE_LIMIT:
        beyond = finding.refills - parameters.min_refill_count
        confidence = min(REFILL_CONFIDENCE_LIMIT, confidence + REFILL_CONFIDENCE_STEP * beyond)
    sign = 1.0 if finding.is_bid else -1.0
    distance = max(abs(book.mid - finding.price), MIN_STOP_FRACTION * book.mid)
    return Decision(
        action="buy" if finding.is_bid else "sell",
        confidence=confidence,
        price=book.mid,
        signal_type=f"iceberg_{finding.pattern}",
        details={
            "pattern": finding.pattern,
            "level_price": finding.price,
            "displayed_quantity": finding.level.shown,
            "refill_count": finding.refills,
            "trade_confirmed": all(confirmed for _, confirmed in finding.level.refills or ()),
        },
        stop_loss=finding.price - sign * distance,
        take_profit=book.mid + sign * TARGET_FACTOR * distance,
    )

"""Order-book skew: buys where bids outweigh asks near the top of the book, sells where asks do."""

from collections.abc import Iterator

from strategy_core.market.book import Book
from strategy_core.strategies.base import (
    NO_DECISION,
    BrokenRule,
    Decision,
    Decisions,
    EdgeTrigger,
    Parameters,
    Strategy,
    SymbolMarket,
    lift,
    parameter,
)


class OrderbookSkewParameters(Parameters):
    """Parameters of ``orderbook_skew``."""

    top_levels: int = parameter(
        5,
        group="trigger",
        minimum=1,
        maximum=20,
        unit="levels",
        description="Levels summed on each side of the book.",
        example=10,
    )
    buy_threshold: float = parameter(
        1.2,
        group="trigger",
        minimum=1.0,
        maximum=3.0,
        unit="ratio",
        description="Bid/ask volume ratio above which it buys.",
        example=1.35,
    )
    sell_threshold: float = parameter(
        0.8,
        group="trigger",
        minimum=0.3,
        maximum=1.0,
        unit="ratio",
        description="Bid/ask volume ratio below which it sells.",
        example=0.75,
    )
    min_spread_percent: float = parameter(
        0.1,
        group="filter",
        minimum=0.01,
        maximum=1.0,
        unit="% of mid",
        description="Liquidity gate: no signal when the spread is wider than this (the historic name is kept).",
    )
    base_confidence: float = parameter(
        0.70,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence of a signal right at the threshold.",
    )
    imbalance_weight: float = parameter(
        0.6,
        group="confidence",
        minimum=0.0,
        maximum=1.0,
        unit="weight",
        description="How much a stronger imbalance raises the confidence.",
    )
    spread_weight: float = parameter(
        0.4,
        group="confidence",
        minimum=0.0,
        maximum=1.0,
        unit="weight",
        description="How much a tighter spread raises the confidence.",
    )
    min_total_volume: float = parameter(
        0.001,
        group="filter",
        minimum=0.0001,
        maximum=10.0,
        unit="base units",
        description="No signal if both sides together hold less than this.",
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

    def broken_rules(self) -> Iterator[BrokenRule]:
        """The two thresholds must not meet."""
        if self.sell_threshold >= self.buy_threshold:
            yield BrokenRule(
                field="sell_threshold",
                fields=("sell_threshold", "buy_threshold"),
                message=(
                    f"sell_threshold {self.sell_threshold:g} must stay below buy_threshold {self.buy_threshold:g}. "
                    "Lower it, or raise buy_threshold first."
                ),
            )


class OrderbookSkew(Strategy[OrderbookSkewParameters]):
    """Ratio of summed bid to summed ask quantity over the top levels, edge-triggered."""

    __slots__ = ("_edge",)

    id = "orderbook_skew"
    name = "Order Book Skew"
    description = "Compares the volume resting on both sides of the book near the top."
    category = "Realtime Data"
    type = "microstructure"
    formula = (
        "ratio = sum(bid quantity) / sum(ask quantity) over top_levels. BUY above buy_threshold, SELL below "
        "sell_threshold, once when the ratio gets there. Confidence rises from base_confidence with the imbalance "
        "beyond the threshold and with the tightness of the spread, by their weights."
    )
    parameters = OrderbookSkewParameters

    def __init__(self, market: SymbolMarket) -> None:
        super().__init__(market)
        self._edge = EdgeTrigger(self.last_signals)

    def on_depth(self, book: Book, parameters: OrderbookSkewParameters) -> Decisions:
        """Decide on one snapshot; see ``formula``."""
        _, bid_volume, ask_volume = book.volumes(parameters.top_levels)
        state = 0
        ratio = spread_percent = 0.0
        if ask_volume > 0.0 and bid_volume + ask_volume >= parameters.min_total_volume:
            ratio = bid_volume / ask_volume
            spread_percent = book.relative_spread * 100
            if spread_percent <= parameters.min_spread_percent:
                if ratio > parameters.buy_threshold:
                    state = 1
                elif ratio < parameters.sell_threshold:
                    state = -1
        if not self._edge.turns(state, book.time_ms, parameters.min_signal_interval_seconds):
            return NO_DECISION
        threshold = parameters.buy_threshold if state == 1 else parameters.sell_threshold
        imbalance = min(1.0, abs(ratio - threshold) / threshold)
        tightness = 1.0 - spread_percent / parameters.min_spread_percent
        weights = parameters.imbalance_weight + parameters.spread_weight
        strength = 0.0
        if weights > 0.0:
            strength = (parameters.imbalance_weight * imbalance + parameters.spread_weight * tightness) / weights
        return (
            Decision(
                action="buy" if state == 1 else "sell",
                confidence=lift(parameters.base_confidence, strength),
                price=book.mid,
                signal_type="orderbook_skew",
                details={
                    "ratio": ratio,
                    "bid_volume": bid_volume,
                    "ask_volume": ask_volume,
                    "spread_percent": spread_percent,
                    "imbalance_strength": imbalance,
                    "spread_tightness": tightness,
                },
            ),
        )

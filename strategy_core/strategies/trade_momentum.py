"""Trade momentum: goes with the takers when price, volume and count of the latest trades agree."""

from collections.abc import Iterator
from math import exp

from strategy_core.market.messages import Trade
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


class TradeMomentumParameters(Parameters):
    """Parameters of ``trade_momentum``."""

    price_weight: float = parameter(
        0.4,
        group="trigger",
        minimum=0.0,
        maximum=1.0,
        unit="weight",
        description="Weight of the price component (efficiency ratio).",
    )
    quantity_weight: float = parameter(
        0.3,
        group="trigger",
        minimum=0.0,
        maximum=1.0,
        unit="weight",
        description="Weight of the signed volume of the takers.",
    )
    maker_weight: float = parameter(
        0.3,
        group="trigger",
        minimum=0.0,
        maximum=1.0,
        unit="weight",
        description="Weight of the signed count of the takers' trades.",
    )
    buy_threshold: float = parameter(
        0.7,
        group="trigger",
        minimum=0.3,
        maximum=1.0,
        unit="momentum",
        description="Momentum above which it buys.",
        example=0.8,
    )
    sell_threshold: float = parameter(
        -0.7,
        group="trigger",
        minimum=-1.0,
        maximum=-0.3,
        unit="momentum",
        description="Momentum below which it sells.",
        example=-0.8,
    )
    min_quantity: float = parameter(
        0.001,
        group="filter",
        minimum=0.0001,
        maximum=1.0,
        unit="base units",
        description="Smaller trades are not counted.",
    )
    base_confidence: float = parameter(
        0.68,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence of a signal right at the threshold.",
    )
    time_decay_seconds: int = parameter(
        300, group="timing", minimum=60, maximum=600, unit="s", description="A trade of age a weighs exp(-a / this)."
    )
    momentum_window: int = parameter(
        10,
        group="timing",
        minimum=5,
        maximum=50,
        unit="trades",
        description="Number of trades in the window; no signal before it is full.",
        example=20,
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
        """At least one component must count."""
        if self.price_weight + self.quantity_weight + self.maker_weight <= 0.0:
            yield BrokenRule(
                field="price_weight",
                fields=("price_weight", "quantity_weight", "maker_weight"),
                message="One of price_weight, quantity_weight and maker_weight must be above 0.",
                suggested_value=0.4,
            )


_Counted = tuple[int, float, float, bool]
"""A counted trade: time in ms, price, quantity, whether the taker sold."""
_Suffix = tuple[_Counted, float, float, float, float, float]
"""A counted trade and the sums from it to the last trade of the tail: absolute price moves after it, decayed volume
and count bought, decayed volume and count sold."""
_Components = tuple[float, float, float]
"""The price, quantity and maker components of the momentum, each in [-1, 1]."""

_MAX_EXPONENT = 10.0
_MIN_COUNT = 0.5


class DecayedTrades:
    """The last ``length`` trades, with their absolute price moves and their decayed volumes and counts.

    The window is the tail of a finished block of trades, for each of which the sums from it to the end of the block
    are kept, and the head of the growing block, whose sums only grow. So no sum is ever subtracted from and none
    drifts, and each trade is summed twice in all, however long the window.

    Weights are relative to a reference instant. It cancels out: the components are quotients of sums with the same
    reference, which moves along before a weight could overflow or all of them vanish.
    """

    __slots__ = (
        "_bought_count",
        "_bought_volume",
        "_head",
        "_last_price",
        "_missing",
        "_moved",
        "_rate",
        "_reference_ms",
        "_sold_count",
        "_sold_volume",
        "_tail",
    )

    def __init__(self, length: int, decay_seconds: int, trades: list[_Counted]) -> None:
        """Starts with the latest of ``trades`` that fit."""
        self._rate = 0.001 / decay_seconds
        kept = trades[-length:]
        self._missing = length - len(kept)
        self._sum_up(kept)

    def _sum_up(self, trades: list[_Counted], reference_ms: int = 0) -> None:
        """Make ``trades`` the tail, relative to the latest instant among them and ``reference_ms``; no head."""
        reference_ms = max([reference_ms, *(trade[0] for trade in trades)])
        rate = self._rate
        moved = bought_volume = bought_count = sold_volume = sold_count = 0.0
        self._last_price = later_price = trades[-1][1] if trades else 0.0
        tail: list[_Suffix] = []
        for trade in reversed(trades):
            time_ms, price, quantity, is_sold = trade
            weight = exp((time_ms - reference_ms) * rate)
            moved += abs(later_price - price)
            later_price = price
            if is_sold:
                sold_count += weight
                sold_volume += weight * quantity
            else:
                bought_count += weight
                bought_volume += weight * quantity
            tail.append((trade, moved, bought_volume, bought_count, sold_volume, sold_count))
        self._tail = tail
        self._head: list[_Counted] = []
        self._reference_ms = reference_ms
        self._moved = self._bought_volume = self._bought_count = self._sold_volume = self._sold_count = 0.0

    def add(self, time_ms: int, price: float, quantity: float, is_sold: bool) -> _Components | None:
        """Count a trade; None until the window is full. A late trade weighs by its own time."""
        exponent = (time_ms - self._reference_ms) * self._rate
        if exponent > _MAX_EXPONENT:
            self._sum_up(self.trades(), time_ms)
            exponent = 0.0
        weight = exp(exponent)
        self._moved += abs(price - self._last_price)
        self._last_price = price
        if is_sold:
            self._sold_count += weight
            self._sold_volume += weight * quantity
        else:
            self._bought_count += weight
            self._bought_volume += weight * quantity
        self._head.append((time_ms, price, quantity, is_sold))
        if self._missing:
            self._missing -= 1
            if self._missing:
                return None
        else:
            self._tail.pop()
        if not self._tail:
            self._sum_up(self._head)
        oldest, moved, bought_volume, bought_count, sold_volume, sold_count = self._tail[-1]
        bought_count += self._bought_count
        sold_count += self._sold_count
        if bought_count + sold_count < _MIN_COUNT:
            self._sum_up(self.trades())
            oldest, moved, bought_volume, bought_count, sold_volume, sold_count = self._tail[-1]
        moved += self._moved
        bought_volume += self._bought_volume
        sold_volume += self._sold_volume
        return (
            (price - oldest[1]) / moved if moved > 0.0 else 0.0,
            (bought_volume - sold_volume) / (bought_volume + sold_volume),
            (bought_count - sold_count) / (bought_count + sold_count),
        )

    def trades(self) -> list[_Counted]:
        """The trades in the window, oldest first."""
        return [suffix[0] for suffix in reversed(self._tail)] + self._head


class TradeMomentum(Strategy[TradeMomentumParameters]):
    """Signed price, volume and count of the last ``momentum_window`` trades, edge-triggered."""

    __slots__ = ("_edge", "_parameters", "_trades")

    id = "trade_momentum"
    name = "Trade Momentum"
    description = "Follows the takers of the latest trades where price, volume and count agree."
    category = "Realtime Data"
    type = "momentum"
    formula = (
        "momentum = mean, by the three weights, of price (net move / sum of absolute moves), quantity (decayed signed "
        "volume / decayed volume) and maker (the same by count) over the last momentum_window trades of at least "
        "min_quantity; a trade of age a weighs exp(-a / time_decay_seconds) and is positive where the taker bought. "
        "BUY above buy_threshold, SELL below sell_threshold, once when the momentum gets there. Confidence rises from "
        "base_confidence at the threshold to 0.95 at full momentum."
    )
    parameters = TradeMomentumParameters

    def __init__(self, market: SymbolMarket) -> None:
        super().__init__(market)
        self._edge = EdgeTrigger(self.last_signals)
        self._parameters: TradeMomentumParameters | None = None
        self._trades = DecayedTrades(1, 1, [])

    def on_trade(self, trade: Trade, parameters: TradeMomentumParameters) -> Decisions:
        """Count the trade and decide; see ``formula``. A trade that is too small is a failed gate."""
        time_ms = trade.time_ms
        quantity = trade.quantity
        if quantity < parameters.min_quantity:
            self._edge.turns(0, time_ms, 0.0)
            return NO_DECISION
        if parameters is not self._parameters:
            self._adopt(parameters)
        components = self._trades.add(time_ms, trade.price, quantity, trade.is_buyer_maker)
        if components is None:
            return NO_DECISION
        price, volume, maker = components
        price_weight = parameters.price_weight
        quantity_weight = parameters.quantity_weight
        maker_weight = parameters.maker_weight
        momentum = (price_weight * price + quantity_weight * volume + maker_weight * maker) / (
            price_weight + quantity_weight + maker_weight
        )
        # Rounding may carry the momentum a hair past 1, where a threshold of 1 must still hold it.
        if momentum > parameters.buy_threshold and parameters.buy_threshold < 1.0:
            state = 1
        elif momentum < parameters.sell_threshold and parameters.sell_threshold > -1.0:
            state = -1
        else:
            state = 0
        if not self._edge.turns(state, time_ms, parameters.min_signal_interval_seconds):
            return NO_DECISION
        threshold = parameters.buy_threshold if state == 1 else -parameters.sell_threshold
        return (
            Decision(
                action="buy" if state == 1 else "sell",
                confidence=lift(parameters.base_confidence, min(1.0, (abs(momentum) - threshold) / (1.0 - threshold))),
                price=trade.price,
                signal_type="trade_momentum",
                details={
                    "momentum": momentum,
                    "price_component": price,
                    "quantity_component": volume,
                    "maker_component": maker,
                    "trades": parameters.momentum_window,
                },
            ),
        )

    def _adopt(self, parameters: TradeMomentumParameters) -> None:
        """Take on other parameters; the trades that still fit stay."""
        before = self._parameters
        self._parameters = parameters
        if before is None or (before.momentum_window, before.time_decay_seconds) != (
            parameters.momentum_window,
            parameters.time_decay_seconds,
        ):
            kept = self._trades.trades() if before is not None else []
            self._trades = DecayedTrades(parameters.momentum_window, parameters.time_decay_seconds, kept)

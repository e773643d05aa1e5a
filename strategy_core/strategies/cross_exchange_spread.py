"""Cross-exchange spread: buys on the cheapest and sells on the most expensive exchange while their prices stay
apart."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, field_validator
from pydantic_core import PydanticCustomError

from strategy_core.market.messages import ExchangePrice, Ticker, Trade
from strategy_core.strategies.base import (
    MAX_CONFIDENCE,
    NO_DECISION,
    Decision,
    Decisions,
    Parameters,
    Strategy,
    SymbolMarket,
    parameter,
)

Exchange = Literal["binance", "coinbase", "kraken", "bybit", "okx", "bitstamp"]
EXCHANGES: tuple[Exchange, ...] = ("binance", "coinbase", "kraken", "bybit", "okx", "bitstamp")
MAX_AGE_MS = 60_000
"""A price further than this from the latest one of the symbol does not count: a late one is no news of the others."""


def _list_to_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class CrossExchangeSpreadParameters(Parameters):
    """Parameters of ``cross_exchange_spread``."""

    spread_threshold_percent: float = parameter(
        0.5,
        group="trigger",
        minimum=0.1,
        maximum=5.0,
        unit="%",
        description="Least spread between the most expensive and the cheapest exchange that counts.",
        legacy_environment=("SPREAD_THRESHOLD_PERCENT",),
    )
    min_signal_interval: int = parameter(
        300,
        group="timing",
        minimum=60,
        maximum=3600,
        unit="s",
        description="Least event time between two signals on the same symbol and pair of exchanges.",
        legacy_environment=("SPREAD_MIN_SIGNAL_INTERVAL",),
    )
    max_position_size: float = parameter(
        500.0,
        group="limit",
        minimum=100.0,
        maximum=10_000.0,
        unit="USDT",
        description="Size of a position at full confidence; a signal suggests this times its confidence.",
        legacy_environment=("SPREAD_MAX_POSITION_SIZE",),
    )
    exchanges: Annotated[tuple[Exchange, ...], BeforeValidator(_list_to_tuple)] = parameter(
        ("binance", "coinbase"),
        group="trigger",
        choices=EXCHANGES,
        minimum_items=2,
        description="Exchanges that are compared, each named once.",
        example=("binance", "coinbase", "kraken"),
        legacy_environment=("SPREAD_EXCHANGES",),
    )
    persistent_spread_periods: int = parameter(
        3,
        group="timing",
        minimum=1,
        maximum=60,
        unit="updates",
        description="Consecutive updates of either price over which the spread must last.",
    )
    base_confidence: float = parameter(
        0.75,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence below high_spread_threshold.",
    )
    high_spread_confidence: float = parameter(
        0.85,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence at or above high_spread_threshold.",
    )
    high_spread_threshold: float = parameter(
        1.0,
        group="trigger",
        minimum=0.2,
        maximum=10.0,
        unit="%",
        description="Least spread for the high confidence.",
    )

    @field_validator("exchanges")
    @classmethod
    def _refuse_duplicates(cls, exchanges: tuple[Exchange, ...]) -> tuple[Exchange, ...]:
        if len(set(exchanges)) < len(exchanges):
            raise PydanticCustomError("duplicate_items", "each exchange at most once")
        return exchanges


class CrossExchangeSpread(Strategy[CrossExchangeSpreadParameters]):
    """Keeps the last price of the symbol on each exchange and watches the widest gap between them."""

    __slots__ = ("_latest_ms", "_periods", "_prices", "_sides")

    id = "cross_exchange_spread"
    name = "Cross-Exchange Spread"
    description = "Compares the price of one symbol on several exchanges and trades a gap that lasts."
    category = "Market Logic"
    type = "arbitrage"
    formula = (
        "spread = (highest - lowest) / lowest in percent among exchanges, prices older than 60 s left out. At or above "
        "spread_threshold_percent for persistent_spread_periods consecutive updates that moved either side: BUY on the "
        "cheapest and SELL on the most expensive, once per pair of exchanges in min_signal_interval. "
        "position_size_usdt = max_position_size * confidence."
    )
    parameters = CrossExchangeSpreadParameters

    def __init__(self, market: SymbolMarket) -> None:
        super().__init__(market)
        self._prices: dict[str, tuple[float, int]] = {}
        self._latest_ms = 0
        self._sides: tuple[str, float, str, float] | None = None
        self._periods = 0

    @staticmethod
    def interval_of(details: Mapping[str, Any]) -> str:
        """One interval a pair of exchanges."""
        return _pair(str(details.get("buy_exchange")), str(details.get("sell_exchange")))

    def on_trade(self, trade: Trade, parameters: CrossExchangeSpreadParameters) -> Decisions:
        """A trade on Binance sets its price there."""
        return self._update("binance", trade.price, trade.time_ms, parameters)

    def on_ticker(self, ticker: Ticker, parameters: CrossExchangeSpreadParameters) -> Decisions:
        """A ticker of Binance sets its price there."""
        return self._update("binance", ticker.price, ticker.time_ms, parameters)

    def on_exchange_price(self, price: ExchangePrice, parameters: CrossExchangeSpreadParameters) -> Decisions:
        """A price of the exchange feed; exchanges that cannot be chosen are not kept."""
        if price.exchange not in EXCHANGES:
            return NO_DECISION
        return self._update(price.exchange, price.price, price.time_ms, parameters)

    def _update(self, exchange: str, price: float, now_ms: int, parameters: CrossExchangeSpreadParameters) -> Decisions:
        prices = self._prices
        known = prices.get(exchange)
        if known is not None and 0 < known[1] - now_ms <= MAX_AGE_MS:
            return NO_DECISION  # Late: a newer price of this exchange is already in.
        prices[exchange] = (price, now_ms)
        if now_ms > self._latest_ms or self._latest_ms - now_ms > MAX_AGE_MS:
            self._latest_ms = now_ms
        if len(prices) < 2:
            return NO_DECISION
        sides = self._cheapest_and_dearest(parameters)
        if sides is None:
            self._sides = None
            self._periods = 0
            return NO_DECISION
        moved = sides != self._sides
        self._sides = sides
        buy_exchange, low, sell_exchange, high = sides
        spread_percent = (high - low) / low * 100
        if spread_percent < parameters.spread_threshold_percent:
            self._periods = 0
            return NO_DECISION
        if not moved:
            return NO_DECISION
        self._periods += 1
        if self._periods < parameters.persistent_spread_periods:
            return NO_DECISION
        pair = _pair(buy_exchange, sell_exchange)
        last_ms = self.last_signals.get(pair)
        if last_ms is not None and abs(now_ms - last_ms) < parameters.min_signal_interval * 1000:
            return NO_DECISION
        self.last_signals[pair] = now_ms
        return self._decisions(sides, spread_percent, parameters)

    def _cheapest_and_dearest(self, parameters: CrossExchangeSpreadParameters) -> tuple[str, float, str, float] | None:
        """(cheapest exchange, its price, most expensive exchange, its price); None if no two prices differ."""
        buy_exchange = sell_exchange = ""
        low = high = 0.0
        for exchange in parameters.exchanges:
            known = self._prices.get(exchange)
            if known is None or not -MAX_AGE_MS <= self._latest_ms - known[1] <= MAX_AGE_MS:
                continue
            price = known[0]
            if not buy_exchange or price < low:
                buy_exchange, low = exchange, price
            if price > high:
                sell_exchange, high = exchange, price
        return None if buy_exchange == sell_exchange else (buy_exchange, low, sell_exchange, high)

    def _decisions(
        self, sides: tuple[str, float, str, float], spread_percent: float, parameters: CrossExchangeSpreadParameters
    ) -> Decisions:
        buy_exchange, low, sell_exchange, high = sides
        is_high = spread_percent >= parameters.high_spread_threshold
        confidence = min(MAX_CONFIDENCE, parameters.high_spread_confidence if is_high else parameters.base_confidence)
        details = {
            "spread_percent": spread_percent,
            "buy_exchange": buy_exchange,
            "sell_exchange": sell_exchange,
            "buy_price": low,
            "sell_price": high,
            "persistent_periods": self._periods,
            "position_size_usdt": parameters.max_position_size * confidence,
        }
        return (
            Decision("buy", confidence, low, "cross_exchange_spread", {**details, "exchange": buy_exchange}),
            Decision("sell", confidence, high, "cross_exchange_spread", {**details, "exchange": sell_exchange}),
        )


def _pair(one: str, other: str) -> str:
    """The pair of exchanges, whichever is the cheaper one."""
    return "/".join(sorted((one, other)))

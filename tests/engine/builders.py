"""Engines, strategies and market messages for the engine's tests."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from strategy_core.engine.active import ActiveConfig, ActiveConfigs
from strategy_core.engine.engine import Engine
from strategy_core.market.book import Book
from strategy_core.market.messages import Dominance, ExchangePrice, OnchainObservation, Ticker, Trade
from strategy_core.strategies.base import Decision, Decisions, Parameters, Strategy, SymbolMarket, parameter

NOW_MS = 1_723_161_255_000


class EchoParameters(Parameters):
    """Parameters of the test strategies."""

    symbols: int = parameter(100, minimum=1, maximum=1_000, group="limit", description="Symbols to keep.")


class Echo(Strategy[EchoParameters]):
    """Buys on every event, and says how many events this instance has seen, at which price and time."""

    __slots__ = ("_events",)

    id = "echo"
    name = "Echo"
    parameters = EchoParameters

    def __init__(self, market: SymbolMarket) -> None:
        super().__init__(market)
        self._events = 0

    def _decide(self, kind: str, time_ms: int, price: float) -> Decisions:
        self._events += 1
        details = {"events": self._events, "time_ms": time_ms, "last_price": self.market.last_price}
        return (Decision("buy", 0.7, price, kind, details),)

    def on_depth(self, book: Book, parameters: EchoParameters) -> Decisions:
        return self._decide("depth", book.time_ms, book.mid)

    def on_trade(self, trade: Trade, parameters: EchoParameters) -> Decisions:
        return self._decide("trade", trade.time_ms, trade.price)

    def on_ticker(self, ticker: Ticker, parameters: EchoParameters) -> Decisions:
        return self._decide("ticker", ticker.time_ms, ticker.price)

    def on_exchange_price(self, price: ExchangePrice, parameters: EchoParameters) -> Decisions:
        return self._decide("exchange_price", price.time_ms, price.price)

    def on_dominance(self, observation: Dominance, parameters: EchoParameters) -> Decisions:
        return self._decide("dominance", observation.time_ms, 1.0)

    def on_onchain(self, observation: OnchainObservation, parameters: EchoParameters) -> Decisions:
        return self._decide("onchain", observation.time_ms, 1.0)

    @classmethod
    def symbol_limit(cls, parameters: EchoParameters) -> int:
        return parameters.symbols


class Broken(Strategy[EchoParameters]):
    """Raises on every trade."""

    __slots__ = ()

    id = "broken"
    name = "Broken"
    parameters = EchoParameters

    def on_trade(self, trade: Trade, parameters: EchoParameters) -> Decisions:
        raise ZeroDivisionError(trade.time_ms)


class Unusable(Strategy[EchoParameters]):
    """Wants to buy with a target below the price."""

    __slots__ = ()

    id = "unusable"
    name = "Unusable"
    parameters = EchoParameters

    def on_trade(self, trade: Trade, parameters: EchoParameters) -> Decisions:
        return (Decision("buy", 0.7, trade.price, "trade", {}, take_profit=trade.price / 2),)


def global_layers(*strategies: type[Strategy[Any]]) -> dict[tuple[str, str | None], ActiveConfig]:
    """Every strategy enabled on its defaults."""
    return {(strategy.id, None): ActiveConfig(True, strategy.parameters(), 0, 0, 0) for strategy in strategies}


def make_engine(
    *strategies: type[Strategy[Any]],
    layers: Mapping[tuple[str, str | None], ActiveConfig] | None = None,
    owns_symbol: Callable[[str], bool] = lambda _: True,
    message_ttl_ms: int = 0,
    max_symbols: int = 2_000,
) -> tuple[Engine, ActiveConfigs]:
    """An engine over the strategies, and the configuration that it trades on."""
    config = ActiveConfigs(global_layers(*strategies) if layers is None else layers)
    engine = Engine(
        {strategy.id: strategy for strategy in strategies},
        config,
        owns_symbol=owns_symbol,
        message_ttl_ms=message_ttl_ms,
        max_symbols=max_symbols,
    )
    return engine, config


def envelope(stream: str, data: Any, **others: Any) -> bytes:
    """A payload in the usual spelling."""
    return json.dumps({"stream": stream, "data": data, **others}, separators=(",", ":")).encode()


def trade(symbol: str = "BTCUSDT", *, price: str = "100.0", time_ms: int = NOW_MS, **others: Any) -> bytes:
    """A trade's payload."""
    data = {"e": "trade", "E": time_ms, "s": symbol, "p": price, "q": "1.0", "T": time_ms, "m": False}
    return envelope(f"{symbol.lower()}@trade", data, **others)


def ticker(symbol: str = "BTCUSDT", *, price: str = "100.0", time_ms: int = NOW_MS) -> bytes:
    """A 24-hour ticker's payload."""
    return envelope(f"{symbol.lower()}@ticker", {"e": "24hrTicker", "E": time_ms, "s": symbol, "c": price, "v": "5.0"})


def spot_depth(symbol: str = "BTCUSDT", *, bid: str = "99.0", ask: str = "101.0", **others: Any) -> bytes:
    """A spot partial book of one level a side: it carries neither symbol nor time."""
    data = {"lastUpdateId": 1, "bids": [[bid, "1.0"]], "asks": [[ask, "2.0"]]}
    return envelope(f"{symbol.lower()}@depth20@100ms", data, **others)


def futures_depth(symbol: str = "BTCUSDT", *, time_ms: int = NOW_MS) -> bytes:
    """A futures partial book of one level a side."""
    data = {"e": "depthUpdate", "E": time_ms, "s": symbol, "b": [["99.0", "1.0"]], "a": [["101.0", "2.0"]]}
    return envelope(f"{symbol.lower()}@depth20@100ms", data)

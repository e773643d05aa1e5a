"""Plays events through one strategy instance, and reads the recorded ones.

An event is ``(kind, payload)``: a strategy's ``on_<kind>`` gets the payload. Kind ``price`` sets the symbol's
last known price (a float) without calling the strategy. Trades and tickers set it too, as the engine does.
"""

import gzip
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from strategy_core.market.book import Book
from strategy_core.market.messages import DepthMessage, Trade
from strategy_core.strategies.base import Decision, Strategy, SymbolMarket

Event = tuple[str, Any]
Indexed = tuple[int, Decision]


def play(
    strategy: type[Strategy[Any]],
    events: Iterable[Event],
    values: Mapping[str, Any] | None = None,
    *,
    symbol: str = "BTCUSDT",
    changes: Mapping[int, Mapping[str, Any]] | None = None,
) -> list[Indexed]:
    """The decisions of a fresh instance, each with the index of the event that it was taken on.

    ``values`` are the parameters that differ from their default; ``changes`` puts others in force from the
    event of that index on.
    """
    market = SymbolMarket(symbol)
    instance = strategy(market)
    parameters = strategy.parameters.model_validate(dict(values or {}))
    decisions: list[Indexed] = []
    for index, (kind, payload) in enumerate(events):
        if changes and index in changes:
            parameters = strategy.parameters.model_validate(dict(changes[index]))
        if kind == "price":
            market.last_price = payload
            continue
        if kind in {"trade", "ticker"}:
            market.last_price = payload.price
        decisions.extend((index, decision) for decision in getattr(instance, f"on_{kind}")(payload, parameters))
    return decisions


def depth(bids: list[tuple[float, float]], asks: list[tuple[float, float]], time_ms: int) -> Event:
    """A snapshot event; levels are (price, quantity), best first."""
    return "depth", Book(bids, asks, time_ms)


def trade(time_ms: int, price: float, quantity: float = 1.0, *, bought: bool = True) -> Event:
    """A trade event; ``bought``: the taker bought."""
    return "trade", Trade(
        price=price, quantity=quantity, is_buyer_maker=not bought, time_ms=time_ms, trade_time_ms=time_ms
    )


class _Line(msgspec.Struct):
    stream: str
    data: msgspec.Raw
    ts: int


_line = msgspec.json.Decoder(_Line)
_depth = msgspec.json.Decoder(DepthMessage, strict=False)
_trade = msgspec.json.Decoder(Trade, strict=False)


@cache
def recorded(path: Path, symbol: str) -> tuple[Event, ...]:
    """The depth20 and trade events of one symbol in a recorded file, in its order, on the file's ``ts``."""
    return tuple(_recorded(path, symbol.lower()))


def _recorded(path: Path, symbol: str) -> Iterator[Event]:
    with gzip.open(path, "rb") as lines:
        for raw in lines:
            line = _line.decode(raw)
            name, _, kind = line.stream.partition("@")
            if name != symbol:
                continue
            if kind.startswith("depth20"):
                message = _depth.decode(line.data)
                bids, asks = message.bids or message.futures_bids, message.asks or message.futures_asks
                yield "depth", Book(bids or [], asks or [], line.ts)
            elif kind in {"trade", "aggTrade"} and b'"X":"INSURANCE_FUND"' not in raw:
                yield "trade", _trade.decode(line.data)

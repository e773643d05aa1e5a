"""One symbol of the simulated market: its price, its book and its trades, as the exchange would send them. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from realtime_runtime.feeds.simulated.regimes import ActiveEpisode, Regime

LEVELS = 20
SPREAD_SHARE = 0.0002
WIDE_FACTOR = 7
THIN_FACTOR = 0.2
IMBALANCE_FACTOR = 2.0
LEVEL_VALUE_USDT = 60_000.0
LEVEL_NOISE = 0.15
LEVELS_REDRAWN = 4
DAY_VALUE_USDT = 900_000_000.0
VOLATILITY_SHARE = 0.0001  # in a second
REVERSION_SECONDS = 300.0
TRADES_PER_SNAPSHOT = 0.5
# Small against a level, so that only the iceberg's trades explain that a level empties.
TRADE_SHARE_OF_LEVEL = (0.002, 0.01)
BURST_MOVE_SHARE = 0.015
BURST_NOISE = 0.1
BURST_TRADES = 4
ICEBERG_PERIOD_SECONDS = 2.0
ICEBERG_EMPTY_SECONDS = 0.5
ICEBERG_EATEN = 0.8
KEPT_LEVELS = 1_000


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol, its price at the start and the step of its price grid in USDT."""

    symbol: str
    price: float
    step: float
    decimals: int


class SimulatedSymbol:
    """Prices are whole steps of a grid, so that a level keeps its price and quantity from snapshot to snapshot."""

    def __init__(self, listing: Listing, random: Random) -> None:
        self._listing = listing
        self._random = random
        self._anchor = self._mid = listing.price / listing.step
        self._level_quantity = LEVEL_VALUE_USDT / listing.price
        self._quantities: dict[tuple[int, int], float] = {}
        self._ids = random.randrange(10**9, 2 * 10**9)
        self._trades = 0
        self._volume = DAY_VALUE_USDT / listing.price
        self._high = self._low = self._last = listing.price
        self._iceberg_price: int | None = None

    @property
    def mid(self) -> float:
        """The middle of the book, in USDT."""
        return self._mid * self._listing.step

    def snapshot(self, episode: ActiveEpisode | None, seconds: float, time_ms: int) -> Iterator[tuple[str, Any]]:
        """Let ``seconds`` pass; yield (stream, data) of the trades in them and of the book after them."""
        regime = episode.regime if episode else None
        self._move(episode, seconds)
        bid, ask = self._best(WIDE_FACTOR if regime is Regime.WITHDRAWAL else 1)
        self._redraw(bid, ask)
        eaten = None
        if episode and regime is Regime.ICEBERG:
            phase = episode.elapsed % ICEBERG_PERIOD_SECONDS
            side = episode.direction
            price = bid if side > 0 else ask
            if phase < ICEBERG_EMPTY_SECONDS:
                eaten = (side, price)
            if phase < seconds:
                yield self._trade(price, self._quantity(side, price) * ICEBERG_EATEN, side < 0, time_ms)
        elif episode and regime is Regime.BURST:
            for _ in range(1 + int(BURST_TRADES * episode.elapsed / episode.seconds)):
                is_buy = episode.direction > 0
                yield self._trade(ask if is_buy else bid, self._trade_quantity(), is_buy, time_ms)
        elif self._random.random() < TRADES_PER_SNAPSHOT:
            is_buy = self._random.random() < 0.5
            yield self._trade(ask if is_buy else bid, self._trade_quantity(), is_buy, time_ms)
        yield self._depth(bid, ask, episode, eaten)

    def ticker(self, time_ms: int) -> tuple[str, Any]:
        """(stream, data) of the rolling 24-hour statistics."""
        listing = self._listing
        bid, ask = self._best(1)
        change = self._last - listing.price
        price = self._format_price
        data = {
            "e": "24hrTicker",
            "E": time_ms,
            "s": listing.symbol,
            "p": price(change),
            "P": f"{change / listing.price * 100:.3f}",
            "w": price((self._high + self._low) / 2),
            "x": price(listing.price),
            "c": price(self._last),
            "Q": f"{self._level_quantity / 100:.5f}",
            "b": price(bid * listing.step),
            "B": f"{self._quantity(1, bid):.5f}",
            "a": price(ask * listing.step),
            "A": f"{self._quantity(-1, ask):.5f}",
            "o": price(listing.price),
            "h": price(self._high),
            "l": price(self._low),
            "v": f"{self._volume:.5f}",
            "q": f"{self._volume * self.mid:.5f}",
            "O": time_ms - 86_400_000,
            "C": time_ms,
            "F": self._ids,
            "L": self._ids + self._trades,
            "n": self._trades,
        }
        return f"{listing.symbol.lower()}@ticker", data

    def _move(self, episode: ActiveEpisode | None, seconds: float) -> None:
        noise = 1.0
        if episode and episode.regime is Regime.ICEBERG:
            # The level must stay the best one for as long as it hides its size.
            return
        if episode and episode.regime is Regime.BURST:
            noise = BURST_NOISE
            # The speed rises linearly; over the whole episode the move is BURST_MOVE_SHARE.
            speed = BURST_MOVE_SHARE * 2 * episode.elapsed / episode.seconds**2
            self._mid *= 1.0 + episode.direction * speed * seconds
        else:
            self._mid += (self._anchor - self._mid) * seconds / REVERSION_SECONDS
        self._mid *= 1.0 + self._random.gauss(0.0, VOLATILITY_SHARE * noise * math.sqrt(seconds))

    def _best(self, factor: int) -> tuple[int, int]:
        spread = max(1, round(self._anchor * SPREAD_SHARE)) * factor
        bid = math.floor(self._mid - spread / 2)
        return bid, bid + spread

    def _redraw(self, bid: int, ask: int) -> None:
        for _ in range(LEVELS_REDRAWN):
            offset = self._random.randrange(LEVELS)
            for level in ((1, bid - offset), (-1, ask + offset)):
                self._quantities.pop(level, None)
        if len(self._quantities) > KEPT_LEVELS:
            self._quantities = {
                (side, price): quantity
                for (side, price), quantity in self._quantities.items()
                if bid - LEVELS <= price <= ask + LEVELS
            }

    def _quantity(self, side: int, price: int) -> float:
        """The quantity at a level, drawn when it is first seen."""
        quantity = self._quantities.get((side, price))
        if quantity is None:
            quantity = self._level_quantity * self._random.uniform(1.0 - LEVEL_NOISE, 1.0 + LEVEL_NOISE)
            self._quantities[side, price] = quantity
        return quantity

    def _trade_quantity(self) -> float:
        return self._level_quantity * self._random.uniform(*TRADE_SHARE_OF_LEVEL)

    def _trade(self, price: int, quantity: float, is_buy: bool, time_ms: int) -> tuple[str, Any]:
        self._trades += 1
        self._volume += quantity
        self._last = price * self._listing.step
        self._high = max(self._high, self._last)
        self._low = min(self._low, self._last)
        symbol = self._listing.symbol
        data = {
            "e": "trade",
            "E": time_ms,
            "s": symbol,
            "t": self._ids + self._trades,
            "p": self._format_price(self._last),
            "q": f"{quantity:.5f}",
            "T": time_ms,
            "m": not is_buy,
            "M": True,
        }
        return f"{symbol.lower()}@trade", data

    def _depth(
        self, bid: int, ask: int, episode: ActiveEpisode | None, eaten: tuple[int, int] | None
    ) -> tuple[str, Any]:
        self._ids += 1
        data = {
            "lastUpdateId": self._ids,
            "bids": self._side(1, bid, episode, eaten),
            "asks": self._side(-1, ask, episode, eaten),
        }
        return f"{self._listing.symbol.lower()}@depth20@100ms", data

    def _side(
        self, side: int, best: int, episode: ActiveEpisode | None, eaten: tuple[int, int] | None
    ) -> list[list[str]]:
        factor = 1.0
        if episode and episode.regime is Regime.WITHDRAWAL:
            factor = THIN_FACTOR
        elif episode and episode.regime is Regime.IMBALANCE and episode.direction == side:
            factor = IMBALANCE_FACTOR
        levels = []
        for price in range(best, best - side * LEVELS, -side):
            quantity = self._quantity(side, price) * factor
            if eaten == (side, price):
                quantity *= 1.0 - ICEBERG_EATEN
            levels.append([self._format_price(price * self._listing.step), f"{quantity:.5f}"])
        return levels

    def _format_price(self, price: float) -> str:
        return f"{price:.{self._listing.decimals}f}"

"""The view of an order book that strategies see: two sorted sides and what follows from their tops."""

from operator import itemgetter

from strategy_core.market.messages import Level

_quantity = itemgetter(1)
_NOT_SUMMED = (0, 0.0, 0.0)


class Book:
    """One snapshot of an order book.

    ``bids`` and ``asks`` are lists of (price, quantity), best first, never empty, never crossed; no quantity is 0.
    ``time_ms`` is event time. Prices in quote units, quantities in base units (COIN-M: contracts).
    """

    __slots__ = ("_volumes", "asks", "best_ask", "best_bid", "bids", "mid", "relative_spread", "spread", "time_ms")

    def __init__(self, bids: list[Level] | None, asks: list[Level] | None, time_ms: int) -> None:
        """Takes the sides as they are; raises ValueError where one is empty or missing or the book is crossed."""
        if not bids or not asks:
            raise ValueError("one side of the book is empty")
        self.best_bid = best_bid = bids[0][0]
        self.best_ask = best_ask = asks[0][0]
        if best_bid >= best_ask:
            raise ValueError("the book is crossed")
        self.bids = bids
        self.asks = asks
        self.time_ms = time_ms
        self.spread = spread = best_ask - best_bid
        self.mid = mid = (best_bid + best_ask) / 2
        self.relative_spread = spread / mid
        self._volumes = _NOT_SUMMED

    def volumes(self, levels: int) -> tuple[int, float, float]:
        """(``levels``, bid, ask): the quantity over so many of the best levels of each side, summed once for all."""
        volumes = self._volumes
        if volumes[0] != levels:
            self._volumes = volumes = (
                levels,
                sum(map(_quantity, self.bids[:levels]), 0.0),
                sum(map(_quantity, self.asks[:levels]), 0.0),
            )
        return volumes

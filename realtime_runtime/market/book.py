"""The view of an order book that strategies see: two sorted sides and what follows from their tops."""

from realtime_runtime.market.messages import Level


class Book:
    """One snapshot of an order book.

    ``bids`` and ``asks`` are lists of (price, quantity), best first, never empty, never crossed.
    ``time_ms`` is event time. Prices in quote units, quantities in base units (COIN-M: contracts).
    """

    __slots__ = ("asks", "best_ask", "best_bid", "bids", "mid", "spread", "time_ms")

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
        self.spread = best_ask - best_bid
        self.mid = (best_bid + best_ask) / 2

"""Which market messages reach the strategies: of now, in order, and plausible for their symbol. Pure.

Each kind of rejection is counted under its own name.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from strategy_core.engine.counters import EngineCounters, count
from strategy_core.engine.symbol_table import SymbolState
from strategy_core.market.book import Book
from strategy_core.market.decoding import UNREADABLE
from strategy_core.market.event_kinds import TRADE
from strategy_core.market.messages import DepthMessage, Envelope, Ticker, Trade
from strategy_core.market.plausibility import NEVER
from strategy_core.market.rereading import NotMarketTradeError, is_difference, reread
from strategy_core.market.routing import Route, StreamUse
from strategy_core.market.symbols import is_symbol
from strategy_core.market.timeliness import Timeliness

ORDER_TOLERANCE_MS = 1_000
"""Trades of two streams may come so much out of order; a book never may, for it replaces the one before."""


class Admission:
    """Judges each message, and takes it into its symbol's state where it is admitted. ``ttl_ms``: the time to live."""

    __slots__ = ("_counters", "_owns_symbol", "_ttl_ms", "timeliness")

    def __init__(self, counters: EngineCounters, owns_symbol: Callable[[str], bool], ttl_ms: int) -> None:
        self._counters = counters
        self._owns_symbol = owns_symbol
        self.timeliness = Timeliness(ttl_ms)
        self._ttl_ms = ttl_ms

    def accepts(self, symbol: str) -> bool:
        """Whether a symbol that no stream name has vouched for is a symbol and ours; counts it where it is not."""
        if not is_symbol(symbol):
            self._counters.bad_input += 1
            return False
        if not self._owns_symbol(symbol):
            self._counters.foreign += 1
            return False
        return True

    def reread(self, route: Route, payload: bytes, exception: Exception) -> Envelope[Any] | None:
        """A message that the strict decoder has refused, read again; None, counted, where it was right to."""
        try:
            if not isinstance(exception, msgspec.ValidationError):
                raise exception
            return reread(route, payload, exception)
        except NotMarketTradeError:
            self._counters.no_market_trade += 1
        except UNREADABLE as refusal:
            self.refuse(refusal)
        return None

    def refuse(self, exception: Exception) -> None:
        """Count what cannot be decoded."""
        if isinstance(exception, msgspec.ValidationError):
            self._counters.bad_input += 1
        else:
            self._counters.malformed += 1

    def set_aside(self, route: Route) -> None:
        """Count a message that is not decoded."""
        counters = self._counters
        if route.use is StreamUse.UNUSED:
            count(counters.unused, route.stream_type)
        elif route.use is StreamUse.FOREIGN:
            counters.foreign += 1
        elif route.use is StreamUse.INVALID:
            counters.bad_input += 1
        else:
            counters.count_unknown(route.stream_type)

    def is_timely(self, route: Route, time_ms: int, received_ms: int, is_dated: bool) -> bool:
        """Whether a live message is of now, as far as the host's clock can be trusted; counts it where it is not."""
        timeliness = self.timeliness
        if -self._ttl_ms <= received_ms - time_ms <= self._ttl_ms:
            if timeliness.is_timely(received_ms, is_dated=is_dated):
                return True
        elif not timeliness.is_clock_wrong(time_ms, received_ms):
            self._counters.stale += 1
            return False
        self._counters.untimely[route.name] += 1
        return False

    def is_difference(self, route: Route, message: DepthMessage) -> bool:
        """Whether a message labelled as a futures book is the difference of one; counts it where it is."""
        if not is_difference(message, route.levels):
            return False
        self._counters.depth_diff += 1
        return True

    def takes_book(self, book: Book, state: SymbolState, received_ms: int, is_replay: bool, is_dated: bool) -> bool:
        """Whether to take a book; false, counted, where it is late or cannot be the symbol's own.

        One that is not dated has the time of its receipt, and is never late.
        """
        prices, last = state.prices, state.analytics.book
        if (
            book.time_ms < prices.book_ms
            and is_dated
            and (is_replay or not prices.takes_late(received_ms, is_book=True))
        ):
            self._counters.out_of_order["depth"] += 1
            return False
        if prices.takes_book(book, last):
            return True
        self._counters.implausible["depth"] += 1
        return False

    def takes_price(
        self, route: Route, event: Trade | Ticker, state: SymbolState, received_ms: int, is_replay: bool
    ) -> bool:
        """Whether to take a trade or ticker; false, counted, where it is late or cannot be the symbol's own.

        A ticker's strategy leaves out late ones itself.
        """
        prices = state.prices
        if event.time_ms < prices.traded_ms - ORDER_TOLERANCE_MS and route.kind is TRADE:
            if is_replay or not prices.takes_late(received_ms, is_book=False):
                self._counters.out_of_order["trade"] += 1
                return False
            prices.traded_ms = NEVER
        if prices.takes_trade(event.price, event.time_ms, state.analytics.book):
            return True
        self._counters.implausible[route.name] += 1
        return False


def stand_in_time(envelope: Envelope[Any], state: SymbolState | None, received_ms: int, is_replay: bool) -> int:
    """The event time of a message that carries none (spot partial depth; a trade's own time comes first).

    In a replay the clock of the host says nothing: without a recorded time the symbol's last one is used.
    """
    event = envelope.data
    if isinstance(event, Trade) and event.trade_time_ms:
        return event.trade_time_ms
    if not is_replay:
        return received_ms
    return envelope.ts or (0 if state is None else state.last_ms) or received_ms

"""Whether a price can be the symbol's own, judged by the symbol's recent trades and book. Pure.

Feeds mislabel: an ETH book under the name of BTCUSDT is well-formed and 95 % off. A book or trade further than
``TOLERANCE`` from the last trade and from the last book is refused. It is not refused forever, because prices do jump:

* a price of the other kind at the same place confirms it (a trade confirms a book, a book confirms trades);
* a run of ``TRADES_TO_CONFIRM`` trades, or of books over ``BOOKS_PERSIST_MS``, does so too, provided that nothing
  at the old price came between;
* what is older than ``MAX_REFERENCE_AGE_MS`` is compared with nothing.

Where no trade is known, books alone cannot say which of two prices is true: then both are refused until a trade
comes or one of them has persisted. Trades and tickers carry their symbol themselves, so the first one is taken.
"""

from dataclasses import dataclass

from strategy_core.market.book import Book

TOLERANCE = 0.1
LOW = 1.0 - TOLERANCE
HIGH = 1.0 / LOW
MAX_REFERENCE_AGE_MS = 60_000
TRADES_TO_CONFIRM = 5
BOOKS_TO_CONFIRM = 10
BOOKS_PERSIST_MS = 10_000
LATE_RUN_MS = 5_000
NEVER = -(1 << 62)


@dataclass(slots=True)
class Run:
    """Refused prices in a row, near one another. ``low`` and ``high``: the latest one (of a book: bid and ask)."""

    is_book: bool
    low: float
    high: float
    since_ms: int
    latest_ms: int
    count: int = 1


class PriceRecord:
    """What is known of one symbol's price, and what was refused against it.

    ``traded_ms`` is the event time of the last trade or ticker taken, at ``traded``; until ``reference_until_ms`` books
    are compared with it. ``book_ms`` is the time of the last book taken. While ``is_disturbed``, refused or
    late messages are under way, and every message has to be judged.
    """

    __slots__ = (
        "_contradicted",
        "_late_books_ms",
        "_late_trades_ms",
        "_run",
        "book_ms",
        "is_disturbed",
        "reference_until_ms",
        "traded",
        "traded_ms",
    )

    def __init__(self) -> None:
        self.traded = 0.0
        self.traded_ms = self.reference_until_ms = self.book_ms = NEVER
        self.is_disturbed = False
        self._run: Run | None = None
        self._contradicted: Book | None = None
        self._late_books_ms = self._late_trades_ms = NEVER

    def takes_book(self, book: Book, last: Book | None) -> bool:
        """Whether to take a book in order of time; ``last`` is the one taken before it."""
        time_ms, low, high = book.time_ms, book.best_bid, book.best_ask
        is_borne_out = last is not self._contradicted and _is_near_book(low, high, time_ms, last)
        if abs(time_ms - self.traded_ms) <= MAX_REFERENCE_AGE_MS:
            # Quotes may leave the last trade step by step, on a symbol that hardly trades.
            is_taken = is_borne_out or _is_near(low, high, self.traded, self.traded)
        elif self._is_disputed(time_ms):
            is_taken = False
        else:
            is_taken = is_borne_out or not _is_recent(last, time_ms)
        if not is_taken and not self._confirms(True, low, high, time_ms):
            return False
        self._run = None
        self._late_books_ms = NEVER
        self._settle()
        return True

    def takes_trade(self, price: float, time_ms: int, last: Book | None) -> bool:
        """Whether to take a trade or ticker in order of time; ``last`` is the last book taken."""
        is_near_book = _is_near_book(price, price, time_ms, last)
        is_taken = (
            abs(time_ms - self.traded_ms) > MAX_REFERENCE_AGE_MS
            or _is_near(price, price, self.traded, self.traded)
            or (is_near_book and last is not self._contradicted)
        )
        if not is_taken and not self._confirms(False, price, price, time_ms):
            return False
        self._contradicted = None if is_near_book else last
        self._run = None
        self._late_trades_ms = NEVER
        self._settle()
        return True

    def takes_late(self, received_ms: int, *, is_book: bool) -> bool:
        """Whether to take a message older than the last one: where for LATE_RUN_MS none but older ones have come.

        Then the time of the last one was wrong. ``received_ms`` is the host's clock.
        """
        since_ms = self._late_books_ms if is_book else self._late_trades_ms
        if not 0 <= received_ms - since_ms <= MAX_REFERENCE_AGE_MS:
            since_ms = received_ms
        if is_book:
            self._late_books_ms = since_ms
        else:
            self._late_trades_ms = since_ms
        self.is_disturbed = True
        return received_ms - since_ms >= LATE_RUN_MS

    def _is_disputed(self, time_ms: int) -> bool:
        """Whether books have lately contradicted each other, and no trade has decided between them."""
        run = self._run
        return run is not None and run.is_book and abs(time_ms - run.latest_ms) <= MAX_REFERENCE_AGE_MS

    def _settle(self) -> None:
        self.is_disturbed = max(self._late_books_ms, self._late_trades_ms) > NEVER

    def _confirms(self, is_book: bool, low: float, high: float, time_ms: int) -> bool:
        """Whether a price against all that is known makes what was refused before it credible; else it is refused."""
        run = self._run
        if (
            run is None
            or not 0 <= time_ms - run.latest_ms <= MAX_REFERENCE_AGE_MS
            or not _is_near(low, high, run.low, run.high)
        ):
            self._run = Run(is_book, low, high, time_ms, time_ms)
            self.is_disturbed = True
            return False
        if run.is_book != is_book:
            return True
        run.low, run.high, run.latest_ms = low, high, time_ms
        run.count += 1
        if is_book:
            return run.count >= BOOKS_TO_CONFIRM and time_ms - run.since_ms >= BOOKS_PERSIST_MS
        return run.count >= TRADES_TO_CONFIRM


def _is_near(low: float, high: float, other_low: float, other_high: float) -> bool:
    """Whether two ranges of prices are within the tolerance of each other."""
    return low <= other_high * HIGH and high >= other_low * LOW


def _is_recent(book: Book | None, time_ms: int) -> bool:
    return book is not None and abs(time_ms - book.time_ms) <= MAX_REFERENCE_AGE_MS


def _is_near_book(low: float, high: float, time_ms: int, book: Book | None) -> bool:
    return book is not None and _is_recent(book, time_ms) and _is_near(low, high, book.best_bid, book.best_ask)

"""Plausibility by itself: an honest market is never refused, a mislabelled one never taken, nothing is for ever."""

from hypothesis import given
from hypothesis import strategies as st

from strategy_core.market.book import Book
from strategy_core.market.plausibility import BOOKS_PERSIST_MS, PriceRecord

STEPS = st.lists(
    st.tuples(st.sampled_from(["book", "trade"]), st.floats(-0.04, 0.04), st.integers(0, 20_000)), max_size=80
)


class Walk:
    """A record with the last book taken, as the engine keeps them."""

    def __init__(self) -> None:
        self.record = PriceRecord()
        self.last: Book | None = None

    def book(self, price: float, time_ms: int) -> bool:
        book = Book([(price * 0.999, 1.0)], [(price * 1.001, 1.0)], time_ms)
        is_taken = self.record.takes_book(book, self.last)
        if is_taken:
            self.last = book
        return is_taken

    def trade(self, price: float, time_ms: int) -> bool:
        is_taken = self.record.takes_trade(price, time_ms, self.last)
        if is_taken:
            self.record.traded, self.record.traded_ms = price, time_ms
        return is_taken


@given(STEPS)
def test_prices__that_move_step_by_step__are_all_taken(steps: list[tuple[str, float, int]]) -> None:
    walk, price, time_ms = Walk(), 100.0, 1_000_000
    for kind, change, pause_ms in steps:
        price *= 1.0 + change
        time_ms += pause_ms
        assert walk.book(price, time_ms) if kind == "book" else walk.trade(price, time_ms)
        # Both kinds see every price: a market in which trades stay away while books go on is another test.
        assert walk.trade(price, time_ms)
        assert walk.book(price, time_ms)
        assert not walk.record.is_disturbed


@given(st.floats(0.02, 0.8) | st.floats(1.3, 50.0), st.lists(st.sampled_from(["own", "other", "trade"]), max_size=300))
def test_books__of_two_symbols_in_any_order__never_take_the_others_price_beside_trades(
    factor: float, turns: list[str]
) -> None:
    walk, time_ms = Walk(), 1_000_000
    assert walk.trade(100.0, time_ms)
    traded_ms = time_ms
    for turn in turns:
        time_ms += 100
        if turn == "trade" or time_ms - traded_ms >= BOOKS_PERSIST_MS / 2:
            traded_ms = time_ms
            assert walk.trade(100.1, time_ms)
        if turn == "other":
            assert not walk.book(100.0 * factor, time_ms)
        else:
            assert walk.book(100.0, time_ms)


@given(st.floats(0.01, 0.8) | st.floats(1.3, 100.0), st.booleans())
def test_price__that_has_moved_for_good__is_taken_in_the_end(factor: float, has_trades: bool) -> None:
    walk, time_ms = Walk(), 1_000_000
    assert walk.trade(100.0, time_ms)
    assert walk.book(100.0, time_ms)
    taken_ms = None
    for after_ms in range(100, 2 * BOOKS_PERSIST_MS, 100):
        is_taken = walk.book(100.0 * factor, time_ms + after_ms)
        if has_trades:
            walk.trade(100.0 * factor, time_ms + after_ms)
        if is_taken and taken_ms is None:
            taken_ms = after_ms
        assert taken_ms is None or is_taken
    assert taken_ms is not None
    assert taken_ms <= (200 if has_trades else 100 + BOOKS_PERSIST_MS)

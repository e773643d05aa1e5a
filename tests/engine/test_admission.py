"""What market messages are set aside before any strategy sees them, each under its own name."""

from typing import Any

import pytest

from strategy_core.engine.engine import Engine
from strategy_core.market.plausibility import BOOKS_PERSIST_MS, TRADES_TO_CONFIRM
from tests.engine.builders import NOW_MS, Echo, envelope, make_engine, spot_depth, ticker, trade

BTC = {"bid": "59999.0", "ask": "60001.0"}
ETH = {"bid": "2999.9", "ask": "3000.1"}
TTL_MS = 60_000


def send(engine: Engine, payload: bytes, at_ms: int = 0, *, late_ms: int = 0, is_replay: bool = False) -> int:
    """How many signals a message gives that is received ``at_ms`` after the start, by a clock ``late_ms`` behind."""
    return len(engine.market(payload, received_ms=NOW_MS + at_ms - late_ms, is_replay=is_replay))


def book(bids: list[list[str]], asks: list[list[str]], at_ms: int = 0, **others: Any) -> bytes:
    """A futures book."""
    data = {"e": "depthUpdate", "E": NOW_MS + at_ms, "s": "BTCUSDT", "U": 10, "u": 12, "pu": 9, "b": bids, "a": asks}
    return envelope("btcusdt@depth20@100ms", {**data, **others})


def btc_trade(price: str = "60000", at_ms: int = 0, **others: Any) -> bytes:
    data = {"e": "trade", "E": NOW_MS + at_ms, "s": "BTCUSDT", "p": price, "q": "1", "m": False}
    return envelope("btcusdt@trade", {**data, **others})


def test_book__of_another_symbol_under_this_ones_name__is_refused_for_as_long_as_trades_contradict_it() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    for at_ms in range(0, 120_000, 500):
        assert send(engine, btc_trade(at_ms=at_ms), at_ms) == 1
        assert send(engine, spot_depth(**ETH), at_ms + 100) == 0
        assert send(engine, spot_depth(**ETH), at_ms + 200) == 0
        assert send(engine, spot_depth(**BTC), at_ms + 300) == 1
    assert engine.counters.implausible["depth"] == 480
    assert engine.analytics()["BTCUSDT"].book.best_bid == 59_999.0  # type: ignore[union-attr]  # a book was taken


def test_book__of_another_symbol_first__is_given_up_with_the_first_trade() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    assert send(engine, spot_depth(**ETH)) == 1
    assert send(engine, btc_trade(at_ms=1), 1) == 1
    assert [send(engine, spot_depth(**ETH), at_ms) for at_ms in range(2, 9_000, 100)] == [0] * 90
    assert send(engine, spot_depth(**BTC), 9_100) == 1


def test_books__of_two_symbols_by_turns_without_a_trade__are_both_refused_until_one_decides() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    assert send(engine, spot_depth(**BTC)) == 1
    turns = [send(engine, spot_depth(**(ETH if number % 2 else BTC)), number * 100) for number in range(1, 2_000)]
    assert sum(turns) == 0
    assert send(engine, btc_trade(at_ms=200_000), 200_000) == 1
    assert send(engine, spot_depth(**ETH), 200_001) == 0
    assert send(engine, spot_depth(**BTC), 200_002) == 1


def test_book__after_a_true_jump__is_taken_when_a_trade_confirms_it() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    send(engine, btc_trade("60000"))
    send(engine, spot_depth(**BTC), 1)
    low = {"bid": "49999", "ask": "50001"}
    assert send(engine, spot_depth(**low), 2) == 0
    assert send(engine, btc_trade("50000", 3), 3) == 1
    assert send(engine, spot_depth(**low), 4) == 1
    assert engine.last_prices()["BTCUSDT"].price == 50_000.0


def test_book__after_a_jump_without_trades__is_taken_when_it_has_persisted() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    send(engine, btc_trade("60000"))
    send(engine, spot_depth(**BTC), 1)
    low = {"bid": "49999", "ask": "50001"}
    taken = [at_ms for at_ms in range(1_000, 20_000, 500) if send(engine, spot_depth(**low), at_ms)]
    assert taken[0] == 1_000 + BOOKS_PERSIST_MS
    assert len(taken) == 18


def test_trade__far_off_trades_and_book__is_refused_unless_others_follow() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    send(engine, btc_trade("60000"))
    send(engine, spot_depth(**BTC), 1)
    assert send(engine, btc_trade("50000", 2), 2) == 0
    assert send(engine, btc_trade("60001", 3), 3) == 1
    assert engine.counters.implausible["trade"] == 1
    sent = [send(engine, btc_trade("50000", at_ms), at_ms) for at_ms in range(4, 4 + TRADES_TO_CONFIRM)]
    assert sent == [0] * (TRADES_TO_CONFIRM - 1) + [1]


def test_prices__of_a_symbol_that_hardly_trades__are_compared_with_nothing_old() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=0)
    assert send(engine, trade(price="1.0"), is_replay=True) == 1
    assert send(engine, spot_depth(bid="2.0", ask="2.1", ts=NOW_MS + 60_001), is_replay=True) == 1
    assert send(engine, trade(price="4.0", time_ms=NOW_MS + 60_002), is_replay=True) == 1
    # A wide spread: mid is far off the trades at both of its ends, and the trades off each other.
    for at_ms, price in ((130_000, "80"), (130_001, "120"), (130_002, "80")):
        assert send(engine, spot_depth(bid="80", ask="120", ts=NOW_MS + at_ms), is_replay=True) == 1
        assert send(engine, trade(price=price, time_ms=NOW_MS + at_ms), is_replay=True) == 1


@pytest.mark.parametrize("execution", ["INSURANCE_FUND", "ADL", "NA"])
def test_trade__that_is_not_the_markets__is_counted_and_moves_nothing(execution: str) -> None:
    engine, _ = make_engine(Echo)
    send(engine, btc_trade(X="MARKET"))
    assert send(engine, btc_trade("54000", 1, X=execution)) == 0
    assert send(engine, btc_trade("0", 2, q="0", X=execution)) == 0
    counters = engine.counters
    assert (counters.no_market_trade, counters.errors) == (2, 0)
    assert engine.last_prices()["BTCUSDT"].price == 60_000.0


@pytest.mark.parametrize("is_replay", [False, True])
def test_book__older_than_the_last_one__is_counted_and_replaces_nothing(is_replay: bool) -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    new, old = book([["100", "1"]], [["101", "1"]], 4_000), book([["98", "1"]], [["99", "1"]], 3_999)
    assert send(engine, new, 4_000, is_replay=is_replay) == 1
    assert send(engine, old, 4_000, is_replay=is_replay) == 0
    assert send(engine, new, 4_000, is_replay=is_replay) == 1
    assert engine.counters.out_of_order["depth"] == 1
    assert engine.analytics()["BTCUSDT"].book.best_bid == 100.0  # type: ignore[union-attr]  # a book was taken


def test_books__behind_one_from_the_future__are_taken_again_after_a_while() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    level = ([["100", "1"]], [["101", "1"]])
    assert send(engine, book(*level, at_ms=50_000)) == 1
    taken = [at_ms for at_ms in range(100, 10_000, 100) if send(engine, book(*level, at_ms=at_ms), at_ms)]
    assert taken == list(range(5_100, 10_000, 100))


def test_books__of_a_second_connection_that_is_behind__are_never_taken() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    level = ([["100", "1"]], [["101", "1"]])
    for at_ms in range(0, 60_000, 100):
        assert send(engine, book(*level, at_ms=at_ms), at_ms) == 1
        assert send(engine, book(*level, at_ms=at_ms - 30_000), at_ms) == 0
    assert engine.counters.out_of_order["depth"] == 600


def test_trade__much_older_than_the_last_one__is_counted_and_gives_no_signal() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    send(engine, btc_trade(at_ms=0))
    assert send(engine, btc_trade("60001", -1_001), 1) == 0
    assert engine.counters.out_of_order["trade"] == 1


def test_undated_books__while_the_hosts_clock_steps_back__are_not_out_of_order() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    assert [send(engine, spot_depth(), at_ms) for at_ms in (0, 100, -900, -800)] == [1] * 4


@pytest.mark.parametrize(
    ("bids", "asks", "best"),
    [
        ([["100.05", "0"], ["100", "3"]], [["100.06", "1"]], (100.0, 100.06)),
        ([["102", "0.000"], ["100", "3"]], [["100.06", "1"]], (100.0, 100.06)),
        ([["100", "3"], ["99", "0"]], [["100.01", 0], ["100.06", "1"]], (100.0, 100.06)),
    ],
)
def test_levels__of_no_quantity__are_left_out(
    bids: list[list[str]], asks: list[list[str]], best: tuple[float, float]
) -> None:
    engine, _ = make_engine(Echo)
    assert send(engine, envelope("btcusdt@depth20", {"bids": bids, "asks": asks})) == 1
    assert send(engine, book(bids, asks)) == 1
    shown = engine.analytics()["BTCUSDT"].book
    assert shown is not None
    assert (shown.best_bid, shown.best_ask) == best
    assert all(quantity > 0 for _, quantity in shown.bids + shown.asks)


def test_book__of_empty_levels_alone__is_bad_input() -> None:
    engine, _ = make_engine(Echo)
    assert send(engine, book([["100", "0"]], [["101", "1"]])) == 0
    assert engine.counters.bad_input == 1


LEVELS = [[str(100 - number), "1"] for number in range(21)]
ASKS = [["101", "1"], ["102", "1"]]
DIFFERENCES = {
    "spot, by its ids": {"bids": [["100", "0"], ["98", "1"]], "asks": ASKS, "pu": None},
    "more levels than a book has": {"bids": LEVELS, "asks": ASKS},
    "bids from the lowest on, as futures send them": {"bids": LEVELS[2::-1], "asks": ASKS},
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_difference__labelled_as_a_book__is_counted_as_what_it_is(name: str) -> None:
    case: dict[str, Any] = dict(DIFFERENCES[name])
    data = {"e": "depthUpdate", "E": NOW_MS, "s": "BTCUSDT", "U": 10, "u": 12, "b": case["bids"], "a": case["asks"]}
    if "pu" not in case:
        data["pu"] = 9
    engine, _ = make_engine(Echo)
    assert send(engine, envelope("btcusdt@depth20@100ms", data)) == 0
    assert (engine.counters.depth_diff, engine.counters.errors, engine.symbols_seen()) == (1, 0, [])


def test_differences__on_their_own_streams__are_counted_by_name() -> None:
    engine, _ = make_engine(Echo)
    for stream in ("btcusdt@depth", "btcusdt@depth@100ms"):
        send(engine, envelope(stream, {"e": "depthUpdate", "U": 1, "u": 2, "b": [], "a": []}))
    assert engine.counters.unused == {"depth": 2}


def test_hosts_clock__behind__is_untimely_and_undated_books_are_not_traded_on() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    for at_ms in range(0, 5_000, 100):
        assert send(engine, trade(time_ms=NOW_MS + at_ms), at_ms, late_ms=120_000) == 0
        assert send(engine, spot_depth(), at_ms, late_ms=120_000) == 0
    counters = engine.counters
    assert (counters.untimely["trade"], counters.untimely["depth"], counters.stale, counters.errors) == (50, 50, 0, 0)
    # The clock is put right.
    assert send(engine, trade(time_ms=NOW_MS + 6_000), 6_000) == 1
    assert send(engine, spot_depth(), 6_001) == 1


def test_hosts_clock__ahead__is_told_from_a_late_feed_by_an_age_that_stays_the_same() -> None:
    clock, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    backlog, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    for number in range(200):
        symbol = ("BTCUSDT", "ETHUSDT")[number % 2]
        at_ms = number * 100
        payload = trade(symbol, time_ms=NOW_MS + at_ms)
        assert send(clock, payload, at_ms, late_ms=-90_000) == 0
        assert send(backlog, payload, at_ms * 2, late_ms=-90_000) == 0
        assert send(clock, spot_depth(), at_ms, late_ms=-90_000) == 0
        assert send(backlog, spot_depth(), at_ms * 2, late_ms=-90_000) == 0
    assert (clock.counters.untimely["trade"], clock.counters.stale) == (100, 100)
    assert (backlog.counters.untimely["trade"], backlog.counters.stale) == (0, 200)
    assert clock.counters.untimely["depth"] == backlog.counters.untimely["depth"] == 200


def test_one_late_stream__among_timely_ones__costs_the_undated_books_nothing() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    for at_ms in range(0, 30_000, 500):
        assert send(engine, trade(time_ms=NOW_MS + at_ms), at_ms) == 1
        assert send(engine, trade("ETHUSDT", time_ms=NOW_MS + at_ms - 90_000), at_ms) == 0
        assert send(engine, spot_depth(), at_ms) == 1
    assert (engine.counters.stale, engine.counters.untimely["trade"]) == (60, 0)


def test_undated_books__long_after_the_last_untimely_message__are_traded_on() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=TTL_MS)
    send(engine, trade(), late_ms=120_000)
    assert send(engine, spot_depth(), TTL_MS, late_ms=120_000) == 0
    assert send(engine, spot_depth(), TTL_MS + 1, late_ms=120_000) == 1


def test_ticker__far_off__is_refused_under_its_own_name() -> None:
    engine, _ = make_engine(Echo)
    send(engine, ticker(price="100.0"))
    assert send(engine, ticker(price="5.0")) == 0
    assert engine.counters.implausible["ticker"] == 1

"""What the engine guarantees of messages, time, configuration, state and failing strategies."""

from dataclasses import replace
from typing import Any

import pytest

from strategy_core.engine.counters import MAX_UNKNOWN_TYPES, OTHER_TYPES
from strategy_core.engine.engine import Engine
from strategy_core.engine.signals import Signal
from strategy_core.market.event_kinds import DOMINANCE, EXCHANGE_PRICE, ONCHAIN
from tests.engine.builders import (
    NOW_MS,
    Broken,
    Echo,
    EchoParameters,
    Unusable,
    envelope,
    futures_depth,
    global_layers,
    make_engine,
    spot_depth,
    ticker,
    trade,
)


def one(engine: Engine, payload: bytes, *, received_ms: int = NOW_MS, is_replay: bool = True) -> Signal:
    """The one signal of a message."""
    (signal,) = engine.market(payload, received_ms=received_ms, is_replay=is_replay)
    return signal


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (trade(), "trade"),
        (trade().replace(b"@trade", b"@aggTrade"), "trade"),
        (ticker(), "ticker"),
        (spot_depth(), "depth"),
        (futures_depth(), "depth"),
        (trade().replace(b'{"stream":"', b'{"stream": "'), "trade"),
    ],
)
def test_engine__each_kind_of_message__reaches_the_strategy(payload: bytes, kind: str) -> None:
    engine, _ = make_engine(Echo)
    assert one(engine, payload).metadata["decision"] == kind
    assert (engine.counters.received, engine.counters.decoded[kind]) == (1, 1)
    assert engine.symbols_seen() == ["BTCUSDT"]


def test_engine__observations__reach_the_strategies_of_their_symbol() -> None:
    engine, _ = make_engine(Echo)
    times: dict[str, Any] = {"received_ms": NOW_MS, "is_replay": False}
    for symbol, last in (("BTCUSDT", "61000"), ("ETHUSDT", "2600")):
        engine.market(trade(symbol, price=last), **times)
    price = b'{"exchange":"coinbase","symbol":"ETHUSDT","price":2600.5,"ts":%d}' % NOW_MS
    seen = [
        *engine.observation(EXCHANGE_PRICE, price, **times),
        *engine.observation(DOMINANCE, b'{"btc":55.5,"ts":1723000000000,"source":"simulated"}', **times),
        *engine.observation(ONCHAIN, b'{"asset":"ETH","ts":1723000000000,"exchange_inflow":12}', **times),
    ]
    assert [(s.symbol, s.metadata["decision"]) for s in seen] == [
        ("ETHUSDT", "exchange_price"),
        ("BTCUSDT", "dominance"),
        ("ETHUSDT", "onchain"),
    ]
    assert [s.metadata.get("source") for s in seen] == [None, "simulated", None]
    assert {s.timestamp for s in seen} == {"2024-08-08T23:54:15.000+00:00"}
    assert [s.metadata["observed_at"] for s in seen[1:]] == ["2024-08-07T03:06:40.000+00:00"] * 2
    assert engine.market_source == "live"


@pytest.mark.parametrize(
    ("payload", "is_replay", "expected_ms"),
    [
        (futures_depth(time_ms=NOW_MS + 1), True, NOW_MS + 1),
        (spot_depth(ts=NOW_MS - 7), True, NOW_MS - 7),
        (spot_depth(ts=NOW_MS - 7), False, NOW_MS + 500),
        (spot_depth(), False, NOW_MS + 500),
        (spot_depth(), True, NOW_MS + 500),
        (trade().replace(b'"E":%d,' % NOW_MS, b""), False, NOW_MS),
    ],
)
def test_event_time__of_a_message__is_its_own_else_the_recorded_else_of_receipt(
    payload: bytes, is_replay: bool, expected_ms: int
) -> None:
    engine, _ = make_engine(Echo)
    signal = one(engine, payload, received_ms=NOW_MS + 500, is_replay=is_replay)
    assert signal.metadata["time_ms"] == engine.last_event_ms == expected_ms


def test_event_time__replayed_depth_without_any__is_the_symbols_last_one() -> None:
    engine, _ = make_engine(Echo)
    one(engine, trade(time_ms=NOW_MS))
    assert one(engine, spot_depth(), received_ms=NOW_MS * 2).metadata["time_ms"] == NOW_MS


def test_last_price__of_depth__only_until_the_first_trade_or_ticker() -> None:
    engine, _ = make_engine(Echo)
    payloads = [
        spot_depth(),
        spot_depth(bid="100.0", ask="104.0"),
        ticker(price="97.0"),
        spot_depth(),
        trade(price="98.0", time_ms=NOW_MS + 1),
        ticker(price="97.0"),
        spot_depth(ts=NOW_MS + 60_001),
        spot_depth(ts=NOW_MS + 60_002),
    ]
    prices = [one(engine, p).metadata["last_price"] for p in payloads]
    assert prices == [100.0, 102.0, 97.0, 97.0, 98.0, 98.0, 98.0, 100.0]


@pytest.mark.parametrize(
    ("age_ms", "ttl_ms", "is_replay", "counted"),
    [
        (60_000, 60_000, False, "decoded"),
        (60_001, 60_000, False, "stale"),
        (60_001, 60_000, True, "decoded"),
        (10**12, 0, False, "decoded"),
        (-60_000, 60_000, False, "decoded"),
        (-60_001, 60_000, False, "untimely"),
    ],
)
def test_time_to_live__message_of_an_age__is_traded_on_or_counted(
    age_ms: int, ttl_ms: int, is_replay: bool, counted: str
) -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=ttl_ms)
    signals = engine.market(trade(), received_ms=NOW_MS + age_ms, is_replay=is_replay)
    counters = engine.counters
    assert len(signals) == (counted == "decoded")
    assert (counters.stale, counters.untimely["trade"]) == (counted == "stale", counted == "untimely")
    assert counters.errors == 0
    assert engine.symbols_seen() == (["BTCUSDT"] if counted == "decoded" else [])


def test_time_to_live__other_exchanges_price__is_held_to_it_and_slow_observations_are_not() -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=60_000)
    late: dict[str, Any] = {"received_ms": NOW_MS + 3_600_000, "is_replay": False}
    for symbol, last in (("BTCUSDT", "61000"), ("ETHUSDT", "2600")):
        engine.market(trade(symbol, price=last, time_ms=late["received_ms"]), **late)
    price = b'{"exchange":"coinbase","symbol":"ETHUSDT","price":2600.5,"ts":%d}' % NOW_MS
    assert not engine.observation(EXCHANGE_PRICE, price, **late)
    assert engine.observation(EXCHANGE_PRICE, price, received_ms=late["received_ms"], is_replay=True)
    assert engine.observation(DOMINANCE, b'{"btc":55.5,"ts":%d}' % NOW_MS, **late)
    assert engine.observation(ONCHAIN, b'{"asset":"BTC","ts":%d}' % NOW_MS, **late)
    assert engine.counters.stale == 1


def test_foreign_symbol__by_name_subject_or_payload__is_counted_and_not_decoded() -> None:
    engine, _ = make_engine(Echo, owns_symbol=lambda symbol: symbol == "ETHUSDT")
    engine.market(envelope("btcusdt@trade", "not even a trade"), received_ms=NOW_MS, is_replay=True)
    engine.market(trade("ETHUSDT"), received_ms=NOW_MS, is_replay=True, subject_symbol="BTCUSDT")
    engine.market(trade("ETHUSDT").replace(b'"ETHUSDT"', b'"BTCUSDT"'), received_ms=NOW_MS, is_replay=True)
    engine.observation(DOMINANCE, b'{"btc":55.5,"ts":1}', received_ms=NOW_MS, is_replay=True)
    assert engine.counters.foreign == 4
    assert engine.symbols_seen() == []
    assert len(engine.market(trade("ETHUSDT"), received_ms=NOW_MS, is_replay=True, subject_symbol="ETHUSDT")) == 1


def test_symbol__payload_and_stream_differ__is_the_payloads() -> None:
    engine, _ = make_engine(Echo)
    assert one(engine, trade("ETHUSDT").replace(b'"ETHUSDT"', b'"BTCUSDT"')).symbol == "BTCUSDT"


@pytest.mark.parametrize(
    ("payload", "is_replay", "expected"),
    [(trade(), False, "live"), (trade(), True, "replay"), (trade(source="simulated"), True, "simulated")],
)
def test_market_source__after_a_message__says_where_it_came_from(
    payload: bytes, is_replay: bool, expected: str
) -> None:
    engine, _ = make_engine(Echo)
    assert engine.market_source == ""
    assert one(engine, payload, is_replay=is_replay).metadata.get("source") == (
        "simulated" if expected == "simulated" else None
    )
    assert engine.market_source == expected


def test_config_swap__between_two_messages__shows_from_the_next_message_on_and_keeps_state() -> None:
    engine, config = make_engine(Echo)
    first = one(engine, trade())
    layers = global_layers(Echo)
    own = replace(layers["echo", None], sequence=9, global_version=3, symbol_version=2)
    config.swap({**layers, ("echo", "BTCUSDT"): own})
    second, other = one(engine, trade()), one(engine, trade("ETHUSDT"))
    assert first.metadata["config"] == {"sequence": 0, "global_version": 0, "symbol_version": 0}
    assert second.metadata["config"] == {"sequence": 9, "global_version": 3, "symbol_version": 2}
    assert other.metadata["config"] == first.metadata["config"]
    assert second.metadata["events"] == 2


def test_config_swap__strategy_off_and_on_again__keeps_its_warm_state() -> None:
    engine, config = make_engine(Echo)
    one(engine, trade())
    config.swap({("echo", None): replace(global_layers(Echo)["echo", None], enabled=False)})
    assert not engine.market(trade(), received_ms=NOW_MS, is_replay=True)
    config.swap(global_layers(Echo))
    assert one(engine, trade()).metadata["events"] == 2


def test_replay__begun_anew__decides_as_the_first_time_while_a_late_message_keeps_state() -> None:
    engine, _ = make_engine(Echo)
    times = [NOW_MS, NOW_MS + 10_000, NOW_MS + 9_000]
    first = [one(engine, trade(time_ms=t)) for t in times]
    assert [s.metadata["events"] for s in first] == [1, 2, 3]
    assert [one(engine, trade(time_ms=t)) for t in times] == first


def test_live__event_time_falls_back_a_little__keeps_state_and_the_later_price() -> None:
    engine, _ = make_engine(Echo)
    one(engine, trade(price="101.0", time_ms=NOW_MS), is_replay=False)
    late = one(engine, trade(time_ms=NOW_MS - 1_000), is_replay=False)
    assert (late.metadata["events"], late.current_price, late.timestamp) == (2, 101.0, "2024-08-08T23:54:15.000+00:00")


def test_state__more_symbols_than_the_strategy_keeps__drops_the_least_recently_seen() -> None:
    layers = {("echo", None): replace(global_layers(Echo)["echo", None], parameters=EchoParameters(symbols=3))}
    engine, _ = make_engine(Echo, layers=layers)
    events = [one(engine, trade(f"{letter}USDT")).metadata["events"] for letter in "ABCADACBDA"]
    # B goes when D comes, D when B returns, A when D returns.
    assert events == [1, 1, 1, 2, 1, 3, 2, 1, 1, 1]


def test_state__limit_lowered__is_trimmed_as_messages_come() -> None:
    engine, config = make_engine(Echo)
    for number in range(50):
        one(engine, trade(f"COIN{number}USDT"))
    config.swap({("echo", None): replace(global_layers(Echo)["echo", None], parameters=EchoParameters(symbols=2))})
    assert [one(engine, trade(f"COIN{n}USDT")).metadata["events"] for n in (49, 48, 47, 49)] == [2, 2, 1, 1]


def test_state__more_symbols_than_the_engine_keeps__stays_bounded() -> None:
    engine, _ = make_engine(Echo, max_symbols=10)
    for number in range(1_000):
        one(engine, trade(f"COIN{number % 37}USDT"))
        assert len(engine.symbols_seen()) <= 10
    assert engine.symbols_seen()[-1] == f"COIN{999 % 37}USDT"


def test_failing_strategy__five_failures_within_a_minute__is_paused_and_the_others_go_on() -> None:
    engine, _ = make_engine(Broken, Echo)
    for number in range(8):
        assert one(engine, trade(time_ms=NOW_MS + number * 1_000)).strategy_id == "echo"
    assert engine.counters.strategy_errors == {"broken": 5}
    assert engine.paused == {"broken": NOW_MS + 4_000 + 60_000}
    failures = engine.take_failures()
    assert [(f.strategy_id, f.symbol, type(f.exception)) for f in failures] == [
        ("broken", "BTCUSDT", ZeroDivisionError)
    ] * 5
    assert engine.take_failures() == []


def test_paused_strategy__after_a_minute_of_event_time__runs_again() -> None:
    engine, _ = make_engine(Broken)
    for time_ms in (*range(NOW_MS, NOW_MS + 5), NOW_MS + 60_003, NOW_MS + 60_004):
        engine.market(trade(time_ms=time_ms), received_ms=0, is_replay=True)
    assert engine.counters.strategy_errors == {"broken": 6}
    assert engine.paused == {}


def test_failing_strategy__failures_far_apart__is_not_paused() -> None:
    engine, _ = make_engine(Broken)
    for number in range(20):
        engine.market(trade(time_ms=NOW_MS + number * 15_001), received_ms=0, is_replay=True)
    assert engine.counters.strategy_errors == {"broken": 20}
    assert engine.paused == {}


def test_failing_strategy__without_end__keeps_a_bounded_list() -> None:
    engine, _ = make_engine(Broken)
    for number in range(200):
        engine.market(trade(time_ms=NOW_MS + number * 15_001), received_ms=0, is_replay=True)
    assert len(engine.take_failures()) == 20


def test_decision__that_cannot_be_traded__is_counted_and_not_sent() -> None:
    engine, _ = make_engine(Unusable, Echo)
    assert one(engine, trade()).strategy_id == "echo"
    assert engine.counters.unusable_decisions == {"unusable": 1}
    assert engine.counters.signals == {("echo", "buy"): 1}
    assert engine.counters.errors == 0


def test_decision__on_a_symbol_of_unknown_worth__is_counted_by_quote_and_not_sent() -> None:
    engine, _ = make_engine(Echo)
    for symbol in ("ETHBTC", "ABCDEF", "BTCJPY"):
        assert not engine.market(trade(symbol, price="0.05"), received_ms=NOW_MS, is_replay=True)
    assert engine.counters.unpriced == {"BTC": 1, "unknown": 1, "JPY": 1}
    one(engine, trade(price="60000"))
    signal = one(engine, trade("ETHBTC", price="0.05"))
    assert signal.quantity == pytest.approx(50 / 3_000)
    assert engine.counters.signals == {("echo", "buy"): 2}


def test_decision__in_the_quote_of_another_runtimes_symbol__is_worth_what_that_one_says() -> None:
    engine, _ = make_engine(Echo, owns_symbol=lambda symbol: symbol == "ETHBTC")
    for price in ("60000", "61000"):
        engine.market(trade(price=price), received_ms=NOW_MS, is_replay=True)
    assert one(engine, trade("ETHBTC", price="0.05")).quantity == pytest.approx(50 / 3_000)
    assert (engine.counters.foreign, engine.symbols_seen()) == (2, ["ETHBTC"])
    assert not engine.market(trade("ETHBTC", price="0.05", time_ms=NOW_MS + 300_001), received_ms=0, is_replay=True)


def test_counters__unused_and_unknown_types__are_counted_by_type_and_bounded() -> None:
    engine, _ = make_engine(Echo)
    streams = ["btcusdt@kline_1m", "btcusdt@kline_5m", "btcusdt@bookTicker"]
    streams += [f"btcusdt@type{number}" for number in range(2 * MAX_UNKNOWN_TYPES)]
    for stream in streams:
        engine.market(envelope(stream, {}), received_ms=NOW_MS, is_replay=True)
    counters = engine.counters
    assert counters.unused == {"kline": 2, "bookTicker": 1}
    assert (counters.unknown["type0"], counters.unknown[OTHER_TYPES]) == (1, MAX_UNKNOWN_TYPES)
    assert len(counters.unknown) == MAX_UNKNOWN_TYPES + 1

"""No input makes the engine raise, and every message is counted exactly once."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.engine.engine import Engine
from strategy_core.market.event_kinds import DOMINANCE, EVENT_KINDS, EXCHANGE_PRICE, ONCHAIN, ObservationKind
from tests.engine.builders import NOW_MS, Echo, envelope, make_engine, spot_depth, trade

LIVE: dict[str, Any] = {"received_ms": NOW_MS, "is_replay": False}
STREAM = "btcusdt@trade"
GOOD = {"E": NOW_MS, "s": "BTCUSDT", "p": "1.5", "q": "2", "m": True}
DEEP = b"[" * 100_000


def book(bids: Any, asks: Any) -> bytes:
    return envelope("btcusdt@depth20@100ms", {"bids": bids, "asks": asks})


LEVEL = [["99", "1"]]
CASES = [
    ("empty", b"", "malformed"),
    ("no JSON", b"\x00\xff\xfe garbage", "malformed"),
    ("truncated", trade()[:-20], "malformed"),
    ("truncated within the name", b'{"stream":"btcus', "malformed"),
    ("invalid UTF-8 in a known stream", trade().replace(b'"s":"BTC', b'"s":"\xff\xfe'), "malformed"),
    ("half a surrogate", trade().replace(b'"s":"BTC', b'"s":"\\ud800'), "malformed"),
    ("half a surrogate as a stream", b'{"stream":"\\ud800@trade","data":{}}', "malformed"),
    ("bare NaN", trade().replace(b'"100.0"', b"NaN"), "malformed"),
    ("two documents", trade() + trade(), "malformed"),
    ("endless nesting in a known stream", trade()[:-2] + b',"x":' + DEEP, "malformed"),
    ("endless nesting", DEEP, "malformed"),
    ("null", b"null", "malformed"),
    ("a number", b"17", "malformed"),
    ("a list", b'["btcusdt@trade"]', "malformed"),
    ("no stream", b'{"data":{}}', "malformed"),
    ("no data", b'{"stream":"btcusdt@trade"}', "bad_input"),
    ("a stream that is a number", b'{"stream":17,"data":{}}', "malformed"),
    ("a stream that is null", b'{"stream":null,"data":{}}', "malformed"),
    ("a stream without a type", envelope("btcusdt", GOOD), "bad_input"),
    ("a unicode symbol as a stream", envelope("币安usdt@trade", GOOD), "bad_input"),
    ("data that is null", envelope(STREAM, None), "bad_input"),
    ("data that is a list", envelope(STREAM, [GOOD]), "bad_input"),
    ("a source that is a number", envelope(STREAM, GOOD, source=5), "bad_input"),
    ("no price", envelope(STREAM, {"q": "1", "m": True}), "bad_input"),
    ("crossed", spot_depth(bid="101", ask="99"), "bad_input"),
    ("locked", spot_depth(bid="100", ask="100"), "bad_input"),
    ("no bids", book([], LEVEL), "bad_input"),
    ("asks missing", envelope("btcusdt@depth20", {"bids": LEVEL}), "bad_input"),
    ("sides null", book(None, None), "bad_input"),
    ("a level of three", book([["99", "1", "2"]], [["101", "1"]]), "bad_input"),
    ("a level that is a number", book([99], [["101", "1"]]), "bad_input"),
    ("levels as a mapping", book({"99": "1"}, [["101", "1"]]), "bad_input"),
    ("a negative quantity", book([["99", "-1"]], [["101", "1"]]), "bad_input"),
    *[(f"price {p!r}", envelope(STREAM, {**GOOD, "p": p}), "bad_input")
      for p in ("NaN", "inf", "-1", "0", "1e999", "", " 1", "0x10", "1_000", None, True, [], {}, 10**400, 0, -1.5)],
    *[(f"quantity {q!r}", envelope(STREAM, {**GOOD, "q": q}), "bad_input")
      for q in ("nan", "-0.1", "Infinity", None, "0")],
    *[(f"maker {m!r}", envelope(STREAM, {**GOOD, "m": m}), "bad_input") for m in (None, "maybe", 2, [])],
    *[(f"time {e!r}", envelope(STREAM, {**GOOD, "E": e}), "bad_input")
      for e in (-1, 1.5, None, "soon", 10**15, 2**70)],
    *[(f"symbol {s!r}", envelope(STREAM, {**GOOD, "s": s}), "bad_input")
      for s in ("btcusdt", "ВТСUSDT", "BTC", "BTC/USDT", "BTCUSDT\u0000", "A" * 25, 7, None)],
]  # fmt: skip


def outcome(engine: Engine) -> dict[str, int]:
    """What became of the messages, by kind of outcome."""
    counters = engine.counters
    outcomes: Counter[str] = Counter()
    for (_, name), number in counters.set_aside().items():
        outcomes[name] += number
    return {
        "decoded": sum(counters.decoded.values()),
        "unused": sum(counters.unused.values()),
        "unknown": sum(counters.unknown.values()),
        **outcomes,
    }


@pytest.mark.parametrize(("payload", "counted"), [case[1:] for case in CASES], ids=[case[0][:40] for case in CASES])
@pytest.mark.parametrize("is_known", [False, True], ids=["new stream", "known stream"])
def test_bad_input__of_a_kind__is_counted_and_costs_nothing_else(payload: bytes, counted: str, is_known: bool) -> None:
    engine, _ = make_engine(Echo)
    if is_known:
        engine.market(trade(), **LIVE)
        engine.market(spot_depth(), **LIVE)
    before = outcome(engine)
    assert engine.market(payload, **LIVE) == ()
    assert outcome(engine) == {**before, counted: before[counted] + 1}
    (signal,) = engine.market(trade(), **LIVE)
    assert signal.metadata["events"] == (3 if is_known else 1)


OBSERVATIONS = [
    (EXCHANGE_PRICE, b"nothing"),
    (EXCHANGE_PRICE, b'{"exchange":"okx","symbol":"BTCUSDT","price":"nan","ts":1}'),
    (EXCHANGE_PRICE, b'{"exchange":"okx","symbol":"btc","price":1,"ts":1723161255000}'),
    (EXCHANGE_PRICE, b'{"exchange":"okx","symbol":"BTCUSDT","price":1}'),
    (DOMINANCE, b'{"btc":100.5,"ts":1}'),
    (DOMINANCE, b'{"btc":-1,"ts":1}'),
    (DOMINANCE, b'{"btc":50,"ts":-1}'),
    (DOMINANCE, b"[]"),
    (ONCHAIN, b'{"asset":"","ts":1}'),
    (ONCHAIN, b'{"asset":"bt c","ts":1}'),
    (ONCHAIN, b'{"asset":"BTC","ts":1,"exchange_inflow":-5}'),
    (ONCHAIN, b'{"asset":"BTC","ts":1,"exchange_inflow":"inf"}'),
]


@pytest.mark.parametrize(("kind", "payload"), OBSERVATIONS)
def test_bad_observation__of_a_kind__is_counted_and_no_signal(kind: ObservationKind, payload: bytes) -> None:
    engine, _ = make_engine(Echo)
    assert engine.observation(kind, payload, **LIVE) == ()
    counters = engine.counters
    assert (counters.received, counters.malformed + counters.bad_input, engine.symbols_seen()) == (1, 1, [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*GOOD, "bids", "asks", "b"]), inner),
    max_leaves=12,
)
STREAMS = st.sampled_from(["btcusdt@trade", "btcusdt@depth20@100ms", "ethusdt@ticker", "x@kline_1m"]) | st.text(
    max_size=30
)
MESSAGES = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda stream, data: json.dumps({"stream": stream, "data": data}).encode(), STREAMS, JSON),
    st.builds(lambda at, junk: trade()[:at] + junk + trade()[at:], st.integers(0, 120), st.binary(max_size=5)),
    st.builds(lambda at, junk: spot_depth()[:at] + junk, st.integers(0, 120), st.binary(max_size=5)),
)


@given(st.lists(st.tuples(MESSAGES, st.booleans()), max_size=20))
def test_engine__fed_anything__never_raises_and_counts_each_message_once(messages: list[tuple[bytes, bool]]) -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=60_000)
    for payload, is_replay in messages:
        engine.market(payload, received_ms=NOW_MS, is_replay=is_replay)
        for kind in EVENT_KINDS.observations:
            engine.observation(kind, payload, received_ms=NOW_MS, is_replay=is_replay)
    assert engine.counters.received == sum(outcome(engine).values()) == 4 * len(messages)

"""Dominance, chain activity and the prices of other exchanges: bounds in time and in sense, and when they trade."""

import json
from typing import Any

import pytest

from strategy_core.engine.engine import Engine
from strategy_core.market.event_kinds import DOMINANCE, EVENT_KINDS
from strategy_core.strategies.registry import STRATEGIES
from tests.engine.builders import NOW_MS, Echo, make_engine, trade

HOUR_MS = 3_600_000
KINDS = {kind.name: kind for kind in EVENT_KINDS.observations}
CHAIN = {"asset": "BTC", "active_addresses": 900_000, "transaction_volume": 500_000.0}


def observe(engine: Engine, kind: str, at_ms: int = 0, *, dated_ms: int | None = None, **members: Any) -> int:
    """How many signals an observation gives that is received ``at_ms`` after the start."""
    body = json.dumps({"ts": NOW_MS + (at_ms if dated_ms is None else dated_ms), **members}).encode()
    return len(engine.observation(KINDS[kind], body, received_ms=NOW_MS + at_ms, is_replay=False))


def market(engine: Engine, at_ms: int = 0, price: str = "60000") -> None:
    engine.market(trade(price=price, time_ms=NOW_MS + at_ms), received_ms=NOW_MS + at_ms, is_replay=False)


def engine_at(price: str = "60000") -> Engine:
    engine, _ = make_engine(Echo, message_ttl_ms=60_000)
    market(engine, price=price)
    return engine


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("dominance", {"btc": 55.0}),
        ("onchain", CHAIN),
        ("exchange_price", {"exchange": "okx", "symbol": "BTCUSDT", "price": 60_000}),
    ],
)
@pytest.mark.parametrize("dated_ms", [HOUR_MS * 9, 300_001, -NOW_MS + 1_723_161_255], ids=["9 h", "5 min", "seconds"])
def test_observation__of_an_impossible_time__is_untimely_or_stale(
    kind: str, members: dict[str, Any], dated_ms: int
) -> None:
    engine = engine_at()
    assert observe(engine, kind, dated_ms=dated_ms, **members) == 0
    counters = engine.counters
    assert counters.untimely[kind] + counters.stale == 1
    assert counters.decoded[kind] == 0


def test_dominance__from_the_future__does_not_shut_out_the_honest_figures_after_it() -> None:
    engine, _ = make_engine(STRATEGIES["btc_dominance"], message_ttl_ms=60_000)
    market(engine)
    observe(engine, "dominance", btc=50.0)
    observe(engine, "dominance", 1, dated_ms=9 * HOUR_MS, btc=51.0)
    signals = 0
    for hour in range(1, 9):
        market(engine, hour * HOUR_MS)
        signals += observe(engine, "dominance", hour * HOUR_MS, btc=50.0 + 1.5 * hour)
    assert signals >= 1


@pytest.mark.parametrize("btc", [1.150324e-29, 0.607, 99.5, 5.8, 85.0])
def test_dominance__that_is_no_share_in_percent__is_implausible_and_spoils_nothing(btc: float) -> None:
    engine = engine_at()
    assert observe(engine, "dominance", btc=58.0) == 1
    assert observe(engine, "dominance", 1, btc=btc) == 0
    assert observe(engine, "dominance", 2, btc=58.1) == 1
    assert engine.counters.implausible["dominance"] == 1


def test_dominance__that_stays_where_it_jumped_to__is_believed_with_the_third_figure() -> None:
    engine = engine_at()
    observe(engine, "dominance", btc=60.0)
    assert [observe(engine, "dominance", at_ms, btc=35.0) for at_ms in (1, 2, 3, 4)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "changes",
    [
        {"active_addresses": 9},
        {"active_addresses": 0},
        {"transaction_volume": 5e8},
        {"exchange_inflow": 2e9},
        {"largest_transfer_to_exchange": 1e30},
    ],
)
def test_chain_activity__that_is_impossible__is_implausible(changes: dict[str, float]) -> None:
    engine = engine_at()
    assert observe(engine, "onchain", **CHAIN) == 1
    assert observe(engine, "onchain", 1, **{**CHAIN, **changes}) == 0
    assert observe(engine, "onchain", 2, **CHAIN) == 1
    assert engine.counters.implausible["onchain"] == 1


def test_exchange_price__of_something_else__is_implausible() -> None:
    engine = engine_at()
    price = {"exchange": "okx", "symbol": "BTCUSDT"}
    sent = [observe(engine, "exchange_price", **price, price=each) for each in (60_100, 2_600, 47_000, 76_000, 66_000)]
    assert sent == [1, 0, 0, 0, 1]
    assert engine.counters.implausible["exchange_price"] == 3


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("dominance", {"btc": 55.0}),
        ("onchain", CHAIN),
        ("exchange_price", {"exchange": "okx", "symbol": "BTCUSDT", "price": 60_000}),
    ],
)
def test_observation__without_a_recent_market_event__is_counted_and_not_traded_on(
    kind: str, members: dict[str, Any]
) -> None:
    engine, _ = make_engine(Echo, message_ttl_ms=60_000)
    assert observe(engine, kind, **members) == 0
    market(engine)
    assert observe(engine, kind, 60_001, **members) == 0
    assert (engine.counters.without_market[kind], engine.counters.decoded[kind]) == (2, 2)
    market(engine, 60_002)
    assert observe(engine, kind, 60_003, **members) == 1
    assert engine.counters.signals == {("echo", "buy"): 2 + 1}


def test_dominance_signal__on_an_old_figure__is_dated_by_the_market() -> None:
    engine = engine_at()
    body = json.dumps({"btc": 55.0, "ts": NOW_MS - 720 * HOUR_MS}).encode()
    (signal,) = engine.observation(DOMINANCE, body, received_ms=NOW_MS + 5, is_replay=False)
    assert signal.timestamp == "2024-08-08T23:54:15.000+00:00"
    assert signal.metadata["observed_at"] == "2024-07-09T23:54:15.000+00:00"

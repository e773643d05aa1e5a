"""Cross-exchange spread against a plain implementation, its edges and bounds, and the effect of each parameter."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.configuration.environment_layer import read_environment
from strategy_core.configuration.validation import check_values
from strategy_core.market.messages import ExchangePrice, Ticker, Trade
from strategy_core.strategies.base import SymbolMarket
from strategy_core.strategies.cross_exchange_spread import EXCHANGES, CrossExchangeSpread, CrossExchangeSpreadParameters
from tests.strategies.parameter_effects import Case, Effect, declare_effects
from tests.strategies.playback import Event, play, recorded, trade

Signal = tuple[int, str, float, float, str]


def quote(exchange: str, price: float, time_ms: int) -> Event:
    return "exchange_price", ExchangePrice(exchange=exchange, symbol="BTCUSDT", price=price, time_ms=time_ms)


def played(events: Sequence[Event], values: dict[str, Any]) -> list[Signal]:
    return [
        (index, decision.action, decision.price, decision.confidence, decision.details["exchange"])
        for index, decision in play(CrossExchangeSpread, events, values)
    ]


def plain(events: Sequence[Event], values: dict[str, Any]) -> list[Signal]:
    """The signals as the specification says, looking back over all events each time; event times must rise."""
    p = CrossExchangeSpreadParameters.model_validate(values)
    seen: list[tuple[str, float, int]] = []
    moves: list[tuple[Any, bool]] = []
    found: list[Signal] = []
    last: dict[tuple[str, ...], int] = {}
    for index, (kind, payload) in enumerate(events):
        seen.append((payload.exchange if kind == "exchange_price" else "binance", payload.price, payload.time_ms))
        latest = {exchange: (price, exchange, at) for exchange, price, at in seen}
        fresh = [latest[e] for e in p.exchanges if e in latest and payload.time_ms - latest[e][2] <= 60_000]
        (low, buy, _), (high, sell, _) = (min(fresh), max(fresh)) if fresh else ((1.0, "", 0), (1.0, "", 0))
        is_wide = high > low and (high - low) / low * 100 >= p.spread_threshold_percent
        if not is_wide:
            moves.clear()
        sides = (low, buy, high, sell)
        if not is_wide or (moves and moves[-1][0] == sides):
            continue
        moves.append((sides, True))
        pair = tuple(sorted((buy, sell)))
        if len(moves) < p.persistent_spread_periods or payload.time_ms - last.get(pair, -(10**12)) < (
            p.min_signal_interval * 1000
        ):
            continue
        last[pair] = payload.time_ms
        is_high = (high - low) / low * 100 >= p.high_spread_threshold
        confidence = min(0.95, p.high_spread_confidence if is_high else p.base_confidence)
        found += [(index, "buy", low, confidence, buy), (index, "sell", high, confidence, sell)]
    return found


@given(
    moves=st.lists(
        st.tuples(st.integers(1, 70_000), st.sampled_from([*EXCHANGES, "trade"]), st.sampled_from(range(100, 104))),
        max_size=60,
    ),
    values=st.fixed_dictionaries(
        {
            "persistent_spread_periods": st.integers(1, 4),
            "min_signal_interval": st.sampled_from([60, 300]),
            "exchanges": st.lists(st.sampled_from(EXCHANGES), min_size=2, unique=True),
            "spread_threshold_percent": st.sampled_from([0.5, 1.5]),
            "high_spread_threshold": st.sampled_from([1.0, 2.0]),
        }
    ),
)
def test_cross_exchange_spread__any_rising_times__decides_as_the_plain_rule(
    moves: list[tuple[int, str, int]], values: dict[str, Any]
) -> None:
    ticks: dict[str, float] = {exchange: i / 1000 for i, exchange in enumerate(EXCHANGES)}
    time_ms = 0
    events = []
    for step_ms, exchange, level in moves:
        time_ms += step_ms
        price = level + ticks.get(exchange, 0.0)  # No two exchanges at one price: which one is the cheaper is open.
        events.append(trade(time_ms, price) if exchange == "trade" else quote(exchange, price, time_ms))

    assert played(events, values) == plain(events, values)


def test_cross_exchange_spread__recorded_trades_beside_a_slow_exchange__decides_as_the_plain_rule(
    market_data: Path,
) -> None:
    trades = [
        event for event in recorded(market_data / "market/spot-20240808.jsonl.gz", "BTCUSDT") if event[0] == "trade"
    ]
    events: list[Event] = []
    for index, event in enumerate(trades[:8_000:10]):
        events.append(event)
        if index % 100 == 0:
            events.append(quote("coinbase", event[1].price * 1.001, event[1].time_ms))
    values = {"spread_threshold_percent": 0.1, "min_signal_interval": 60, "high_spread_threshold": 0.2}

    found = played(events, values)

    assert len(found) >= 4
    assert found == plain(events, values)


def apart(percent: float = 0.8, *, times: int = 3, step_ms: int = 1000) -> list[Event]:
    """Coinbase stands at 100, and says so before each 50th trade; Binance below it, moving a little each time."""
    low = 100 / (1 + percent / 100)
    events: list[Event] = []
    for i in range(times):
        if i % 50 == 0:
            events.append(quote("coinbase", 100.0, i * step_ms))
        events.append(trade(i * step_ms, low - i / 10_000))
    return events


@pytest.mark.parametrize(
    ("events", "at"),
    [
        pytest.param(apart(), [3], id="three updates"),
        pytest.param(apart(times=2), [], id="two updates"),
        pytest.param(apart(0.4), [], id="too near"),
        pytest.param(
            [*apart(times=2), *[trade(1000 + i, 99.2063) for i in range(5)]], [3], id="unmoved does not count"
        ),
        pytest.param([*apart(times=2), trade(1500, 99.9), *apart(times=2)[1:]], [], id="must be consecutive"),
        pytest.param(
            [trade(0, 100.0), quote("kraken", 1.0, 60_001), *[quote("coinbase", 90.0 + i, 100 + i) for i in range(5)]],
            [],
            id="stale beside a price that is late itself",
        ),
        pytest.param([quote("coinbase", 100.0, 0), *[trade(60_001 + i, 90.0 + i) for i in range(5)]], [], id="stale"),
        pytest.param([quote("coinbase", 100.0, 10**12), *[trade(i, 90.0 + i) for i in range(5)]], [], id="far ahead"),
        pytest.param([trade(i, 90.0 + i) for i in range(5)], [], id="one exchange"),
        pytest.param([quote("kraken", 100.0, 0), *apart()[1:]], [], id="exchange not chosen"),
        pytest.param([quote("nowhere", 100.0, 0), *apart()[1:]], [], id="exchange not known"),
        pytest.param([trade(5_000, 100.0), *apart()], [], id="late prices are left out"),
        pytest.param(apart(times=400), [3, 309], id="again after the interval"),
        pytest.param(
            [*apart(0.8)[:1], *[("ticker", Ticker(price=99 - i, volume=0, time_ms=i)) for i in range(3)]],
            [3],
            id="tickers count too",
        ),
    ],
)
def test_cross_exchange_spread__sequence_of_prices__signals_when_it_lasted(events: list[Event], at: list[int]) -> None:
    found = played(events, {})

    assert sorted({signal[0] for signal in found}) == at
    assert [signal[1] for signal in found] == ["buy", "sell"] * len(at)


def test_cross_exchange_spread__a_gap__buys_the_cheapest_and_sells_the_dearest() -> None:
    (_, buy), (_, sell) = play(CrossExchangeSpread, apart(2.0))

    assert (buy.action, buy.price, buy.details["exchange"]) == ("buy", buy.details["buy_price"], "binance")
    assert (sell.action, sell.price, sell.details["exchange"]) == ("sell", 100.0, "coinbase")
    assert buy.confidence == sell.confidence == 0.85
    assert buy.details["position_size_usdt"] == pytest.approx(500 * 0.85)
    assert buy.details["spread_percent"] == pytest.approx(2.0, abs=0.001)


def test_cross_exchange_spread__sides_swapped__is_the_same_pair() -> None:
    swapped = [trade(5_000 + i, 101.0 + i / 10_000) for i in range(5)]

    assert {signal[0] for signal in played([*apart(), *swapped], {})} == {3}


def test_cross_exchange_spread__many_exchanges_named__keeps_the_known_ones() -> None:
    strategy = CrossExchangeSpread(SymbolMarket("BTCUSDT"))
    parameters = CrossExchangeSpreadParameters()

    for i, exchange in zip(count(), [*EXCHANGES, *(f"exchange-{i}" for i in range(100))], strict=False):
        strategy.on_exchange_price(ExchangePrice(exchange, "BTCUSDT", 100.0, i), parameters)
        strategy.on_trade(Trade(price=100.0, quantity=1.0, is_buyer_maker=True, time_ms=i), parameters)

    assert set(strategy._prices) == set(EXCHANGES)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (["binance"], "OUT_OF_RANGE"),
        ([], "OUT_OF_RANGE"),
        (["okx", "okx"], "NOT_ALLOWED"),
        (["okx", "mtgox"], "NOT_ALLOWED"),
        ([["okx"], "kraken"], "NOT_ALLOWED"),
        ("binance,okx", "INVALID_TYPE"),
        ({"binance": 1, "okx": 2}, "INVALID_TYPE"),
        (None, "INVALID_TYPE"),
    ],
)
def test_exchanges__not_two_different_known_ones__are_refused(value: Any, code: str) -> None:
    accepted, errors = check_values(CrossExchangeSpread, {"exchanges": value})

    assert accepted == {}
    assert [(error.field, error.code) for error in errors] == [("exchanges", code)]


def test_exchanges__from_the_legacy_variable__are_a_list() -> None:
    layer = read_environment(CrossExchangeSpread, {"SPREAD_EXCHANGES": "kraken, okx"})

    assert layer.values["exchanges"] == ["kraken", "okx"]
    assert CrossExchangeSpreadParameters(**layer.values).exchanges == ("kraken", "okx")


CASES = declare_effects(
    CrossExchangeSpread,
    {
        "spread_threshold_percent": Effect(apart(), changed={"spread_threshold_percent": 0.9}),
        "min_signal_interval": Effect(apart(times=150), changed={"min_signal_interval": 60}),
        "max_position_size": Effect(apart(), changed={"max_position_size": 1000.0}, in_details=True),
        "exchanges": Effect(apart(), changed={"exchanges": ["binance", "kraken"]}),
        "persistent_spread_periods": Effect(apart(), changed={"persistent_spread_periods": 2}),
        "base_confidence": Effect(apart(), changed={"base_confidence": 0.8}),
        "high_spread_confidence": Effect(apart(2.0), changed={"high_spread_confidence": 0.9}),
        "high_spread_threshold": Effect(apart(2.0), changed={"high_spread_threshold": 3.0}),
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cross_exchange_spread__one_parameter_changed__changes_the_outcome(case: Case) -> None:
    case.check()

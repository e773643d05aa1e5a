"""Stream names to routes."""

import pytest

from strategy_core.market import routing
from strategy_core.market.event_kinds import DEPTH, TICKER, TRADE, StreamKind
from strategy_core.market.routing import Router, StreamUse, route_stream
from strategy_core.market.symbols import is_symbol
from tests.engine.builders import envelope

ROUTES = [
    ("btcusdt@trade", "BTCUSDT", TRADE, "trade"),
    ("btcusdt@aggTrade", "BTCUSDT", TRADE, "aggTrade"),
    ("btcusd_perp@aggTrade", "BTCUSD_PERP", TRADE, "aggTrade"),
    ("ethusd_210924@depth20@100ms", "ETHUSD_210924", DEPTH, "depth20"),
    ("btcusdt@depth5", "BTCUSDT", DEPTH, "depth5"),
    ("btcusdt@depth10@500ms", "BTCUSDT", DEPTH, "depth10"),
    ("btcusdt@ticker", "BTCUSDT", TICKER, "ticker"),
    ("btcusdt@ticker_4h", "BTCUSDT", StreamUse.UNUSED, "rollingTicker"),
    ("btcusdt@depth", "BTCUSDT", StreamUse.UNUSED, "depth"),
    ("btcusdt@depth@100ms", "BTCUSDT", StreamUse.UNUSED, "depth"),
    ("btcusdt@depthSnapshot", "BTCUSDT", StreamUse.UNUSED, "depthSnapshot"),
    ("btcusdt@bookTicker", "BTCUSDT", StreamUse.UNUSED, "bookTicker"),
    ("btcusdt@markPrice@1s", "BTCUSDT", StreamUse.UNUSED, "markPrice"),
    ("btcusdt@kline_15m", "BTCUSDT", StreamUse.UNUSED, "kline"),
    ("btcusdt@miniTicker", "BTCUSDT", StreamUse.UNUSED, "miniTicker"),
    ("1000luncbusd@forceOrder", "1000LUNCBUSD", StreamUse.UNUSED, "forceOrder"),
    ("defiusdt@compositeIndex", "DEFIUSDT", StreamUse.UNUSED, "compositeIndex"),
    ("btcusdt_perpetual@continuousKline_1m", "BTCUSDT_PERPETUAL", StreamUse.UNUSED, "continuousKline"),
    ("!ticker@arr", "", StreamUse.UNUSED, "ticker"),
    ("!markPrice@arr@1s", "", StreamUse.UNUSED, "markPrice"),
    ("!contractInfo", "", StreamUse.UNUSED, "contractInfo"),
    ("!weather@arr", "", StreamUse.UNKNOWN, "weather"),
    ("btcusdt@depth50", "BTCUSDT", DEPTH, "depth50"),
    ("btcusdt@depth12345", "BTCUSDT", StreamUse.UNKNOWN, "depth12345"),
    ("btcusdt@Trade", "BTCUSDT", StreamUse.UNKNOWN, "Trade"),
    ("", "", StreamUse.INVALID, ""),
    ("btcusdt", "", StreamUse.INVALID, ""),
    ("btcusdt@", "", StreamUse.INVALID, ""),
    ("@trade", "", StreamUse.INVALID, ""),
    ("btc@trade", "", StreamUse.INVALID, ""),
    ("btc-usdt@trade", "", StreamUse.INVALID, ""),
    ("btcusdt\n@trade", "", StreamUse.INVALID, ""),
    # Both turn into plain capitals when upper-cased.
    ("bıtusdt@trade", "", StreamUse.INVALID, ""),
    ("ßtcusdt@trade", "", StreamUse.INVALID, ""),
]


@pytest.mark.parametrize(("stream", "symbol", "carries", "stream_type"), ROUTES)
def test_route__of_a_stream_name__has_symbol_kind_and_type(
    stream: str, symbol: str, carries: StreamKind | StreamUse, stream_type: str
) -> None:
    route = route_stream(stream)
    is_used = isinstance(carries, StreamKind)
    assert (route.symbol, route.kind or route.use, route.stream_type) == (symbol, carries, stream_type)
    assert (route.use is StreamUse.USED, route.decode is not None) == (is_used, is_used)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("BTCUSDT", True),
        ("BTCUSD_PERP", True),
        ("1000LUNCBUSD", True),
        ("ABCD", True),
        ("ABC", False),
        ("_BTCUSDT", False),
        ("btcusdt", False),
        ("BTCUSDT\n", False),
        ("ВТСUSDT", False),
        ("A" * 24, True),
        ("A" * 25, False),
    ],
)
def test_symbol__spelled_so__is_one_or_not(symbol: str, expected: bool) -> None:
    assert is_symbol(symbol) is expected


@pytest.mark.parametrize("start", [b'{"stream":"', b'{"stream": "'])
def test_router__usual_spelling__is_remembered_by_the_start_of_the_payload(start: bytes) -> None:
    router = Router(lambda _: True)
    payload = start + b'btcusdt@trade","data":{"p":"1"}}'
    route = router.find(payload)
    assert router.known == {start + b"btcusdt@trade": route}
    assert router.known[router.prefix(payload)].symbol == "BTCUSDT"


@pytest.mark.parametrize(
    "payload",
    [
        b'{"data":{"s":"ETHUSDT"},"stream":"btcusdt@trade"}',
        b'{ "stream":"btcusdt@trade","data":{}}',
        b'{"stream":"btc\\u0075sdt@trade","data":{}}',
        b'{"stream":"btcusdt@trade\\"x","data":{}}',
    ],
)
def test_router__unusual_spelling__is_routed_but_not_remembered(payload: bytes) -> None:
    router = Router(lambda _: True)
    assert router.find(payload).stream_type in {"trade", 'trade"x'}
    assert router.known == {}


def test_router__foreign_symbol__has_no_decoder() -> None:
    route = Router(lambda symbol: symbol == "ETHUSDT").find(envelope("btcusdt@trade", {}))
    assert (route.use, route.decode) == (StreamUse.FOREIGN, None)


def test_router__more_streams_than_it_remembers__stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "MAX_ROUTES", 10)
    router = Router(lambda _: True)
    for number in range(35):
        router.find(envelope(f"coin{number}usdt@trade", {}))
        assert len(router.known) <= 10
    assert router.find(envelope("coin1usdt@trade", {})).symbol == "COIN1USDT"


def test_router__endless_stream_name__is_invalid_and_not_remembered() -> None:
    router = Router(lambda _: True)
    assert router.find(envelope("btcusdt@" + "x" * 100_000, {})).use is StreamUse.INVALID
    assert router.known == {}

"""Stream names to routes."""

import pytest

from strategy_core.market import routing
from strategy_core.market.routing import Kind, Router, route_stream
from strategy_core.market.symbols import is_symbol
from tests.engine.builders import envelope

ROUTES = [
    ("btcusdt@trade", "BTCUSDT", Kind.TRADE, "trade"),
    ("btcusdt@aggTrade", "BTCUSDT", Kind.TRADE, "aggTrade"),
    ("btcusd_perp@aggTrade", "BTCUSD_PERP", Kind.TRADE, "aggTrade"),
    ("ethusd_210924@depth20@100ms", "ETHUSD_210924", Kind.DEPTH, "depth20"),
    ("btcusdt@depth5", "BTCUSDT", Kind.DEPTH, "depth5"),
    ("btcusdt@depth10@500ms", "BTCUSDT", Kind.DEPTH, "depth10"),
    ("btcusdt@ticker", "BTCUSDT", Kind.TICKER, "ticker"),
    ("btcusdt@ticker_4h", "BTCUSDT", Kind.UNUSED, "rollingTicker"),
    ("btcusdt@depth", "BTCUSDT", Kind.UNUSED, "depth"),
    ("btcusdt@depth@100ms", "BTCUSDT", Kind.UNUSED, "depth"),
    ("btcusdt@depthSnapshot", "BTCUSDT", Kind.UNUSED, "depthSnapshot"),
    ("btcusdt@bookTicker", "BTCUSDT", Kind.UNUSED, "bookTicker"),
    ("btcusdt@markPrice@1s", "BTCUSDT", Kind.UNUSED, "markPrice"),
    ("btcusdt@kline_15m", "BTCUSDT", Kind.UNUSED, "kline"),
    ("btcusdt@miniTicker", "BTCUSDT", Kind.UNUSED, "miniTicker"),
    ("1000luncbusd@forceOrder", "1000LUNCBUSD", Kind.UNUSED, "forceOrder"),
    ("defiusdt@compositeIndex", "DEFIUSDT", Kind.UNUSED, "compositeIndex"),
    ("btcusdt_perpetual@continuousKline_1m", "BTCUSDT_PERPETUAL", Kind.UNUSED, "continuousKline"),
    ("!ticker@arr", "", Kind.UNUSED, "ticker"),
    ("!markPrice@arr@1s", "", Kind.UNUSED, "markPrice"),
    ("!contractInfo", "", Kind.UNUSED, "contractInfo"),
    ("!weather@arr", "", Kind.UNKNOWN, "weather"),
    ("btcusdt@depth50", "BTCUSDT", Kind.DEPTH, "depth50"),
    ("btcusdt@depth12345", "BTCUSDT", Kind.UNKNOWN, "depth12345"),
    ("btcusdt@Trade", "BTCUSDT", Kind.UNKNOWN, "Trade"),
    ("", "", Kind.INVALID, ""),
    ("btcusdt", "", Kind.INVALID, ""),
    ("btcusdt@", "", Kind.INVALID, ""),
    ("@trade", "", Kind.INVALID, ""),
    ("btc@trade", "", Kind.INVALID, ""),
    ("btc-usdt@trade", "", Kind.INVALID, ""),
    ("btcusdt\n@trade", "", Kind.INVALID, ""),
    # Both turn into plain capitals when upper-cased.
    ("bıtusdt@trade", "", Kind.INVALID, ""),
    ("ßtcusdt@trade", "", Kind.INVALID, ""),
]


@pytest.mark.parametrize(("stream", "symbol", "kind", "stream_type"), ROUTES)
def test_route__of_a_stream_name__has_symbol_kind_and_type(
    stream: str, symbol: str, kind: Kind, stream_type: str
) -> None:
    route = route_stream(stream)
    assert (route.symbol, route.kind, route.stream_type) == (symbol, kind, stream_type)
    assert (route.decode is not None) == (kind in {Kind.DEPTH, Kind.TRADE, Kind.TICKER})


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
    assert (route.kind, route.decode) == (Kind.FOREIGN, None)


def test_router__more_streams_than_it_remembers__stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "MAX_ROUTES", 10)
    router = Router(lambda _: True)
    for number in range(35):
        router.find(envelope(f"coin{number}usdt@trade", {}))
        assert len(router.known) <= 10
    assert router.find(envelope("coin1usdt@trade", {})).symbol == "COIN1USDT"


def test_router__endless_stream_name__is_invalid_and_not_remembered() -> None:
    router = Router(lambda _: True)
    assert router.find(envelope("btcusdt@" + "x" * 100_000, {})).kind is Kind.INVALID
    assert router.known == {}

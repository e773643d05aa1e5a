"""Five exchanges as ccxt asks them: their market tables and tickers over REST, their ticker channels over websockets.

Each lives under ``/<exchange>``. Market tables are cut to what a test needs, in the exchanges' documented shapes;
prices are the recorded payloads or in the shape of those.
"""

import asyncio
import contextlib
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Self

from aiohttp import WSMsgType, web

BASES = ("BTC", "ETH")


def now_ms() -> int:
    """The exchange's clock."""
    return time.time_ns() // 1_000_000


class SimulatedExchanges:
    """Runs on a free port. ``prices[exchange]["BTC"]`` is what REST answers and what `push` sends over websockets."""

    def __init__(self, *, quotes: tuple[str, ...] = ("USDT", "USD")) -> None:
        self.quotes = quotes
        self.prices: defaultdict[str, dict[str, float]] = defaultdict(lambda: {"BTC": 60_000.0, "ETH": 3_000.0})
        self.answers: dict[str, Any] = {}
        self.refusals: deque[tuple[int, dict[str, str]]] = deque()
        self.requests: list[str] = []
        self.sockets: defaultdict[str, list[web.WebSocketResponse]] = defaultdict(list)
        self.subscriptions: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{exchange}/{path:.*}", self._answer)
        app.router.add_get("/{exchange}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._runner is not None
        for exchange in list(self.sockets):
            await self.drop(exchange)
        await self._runner.cleanup()

    def urls(self, *exchanges: str) -> str:
        """The setting PRICE_EXCHANGE_URLS."""
        return ",".join(f"{exchange}=http://127.0.0.1:{self.port}/{exchange}" for exchange in exchanges)

    async def push(self, exchange: str, message: Any) -> None:
        """Send a message to every websocket client of an exchange."""
        text = message if isinstance(message, str) else json.dumps(message)
        for socket in list(self.sockets[exchange]):
            with contextlib.suppress(ConnectionError):
                await socket.send_str(text)

    async def push_price(self, exchange: str, base: str, price: float, quote: str = "USDT") -> None:
        """Send a price in the exchange's own shape."""
        await self.push(exchange, TICKERS[exchange](base, quote, price))

    async def drop(self, exchange: str) -> None:
        """End the websocket connections of an exchange."""
        for socket in list(self.sockets[exchange]):
            await socket.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        exchange, path = request.match_info["exchange"], request.path
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(exchange, request)
        self.requests.append(path)
        if self.refusals:
            status, headers = self.refusals.popleft()
            return web.json_response({"message": "slow down"}, status=status, headers=headers)
        for end, answer in {**MARKETS, **self.answers}.items():
            if path.startswith(f"/{exchange}") and path.rstrip("/").endswith(end):
                return web.json_response(answer(self) if callable(answer) else answer)
        return web.json_response({"message": f"no {path} here"}, status=404)

    async def _websocket(self, exchange: str, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[exchange].append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == "ping":
                await socket.send_str("pong")
            elif message.type is WSMsgType.TEXT:
                asked = json.loads(message.data)
                if "ping" in (asked.get("op"), asked.get("method"), asked.get("event")):
                    await socket.send_json({**asked, **dict.fromkeys({"op", "method", "event"} & asked.keys(), "pong")})
                else:
                    self.subscriptions[exchange].append(asked)
            await asyncio.sleep(0)
        self.sockets[exchange].remove(socket)
        return socket


def _coinbase(server: SimulatedExchanges) -> Any:
    return [
        {
            "id": f"{base}-{quote}",
            "base_currency": base,
            "quote_currency": quote,
            "quote_increment": "0.01",
            "base_increment": "0.00000001",
            "min_market_funds": "1",
            "post_only": False,
            "limit_only": False,
            "cancel_only": False,
            "trading_disabled": False,
            "status": "online",
        }
        for base in (*BASES, "BAND", "SKL", "NU")
        for quote in (*server.quotes, "GBP")
    ]


def _kraken(server: SimulatedExchanges) -> Any:
    names = {"BTC": "XBT", "ETH": "ETH"}
    return {
        "error": [],
        "result": {
            f"{names[base]}{quote}": {
                "altname": f"{names[base]}{quote}",
                "wsname": f"{names[base]}/{quote}",
                "aclass_base": "currency",
                "base": f"X{names[base]}",
                "aclass_quote": "currency",
                "quote": "ZUSD" if quote == "USD" else quote,
                "pair_decimals": 1,
                "lot_decimals": 8,
                "fees": [[0, 0.4]],
                "fees_maker": [[0, 0.25]],
                "ordermin": "0.00005",
                "status": "online",
            }
            for base in BASES
            for quote in server.quotes
        },
    }


def _okx(server: SimulatedExchanges) -> Any:
    instruments = [
        {
            "instType": "SPOT",
            "instId": f"{base}-{quote}",
            "baseCcy": base,
            "quoteCcy": quote,
            "lotSz": "0.00000001",
            "tickSz": "0.1",
            "minSz": "0.00001",
            "state": "live",
        }
        for base in BASES
        for quote in server.quotes
    ]
    return {"code": "0", "msg": "", "data": instruments}


def _bybit(server: SimulatedExchanges) -> Any:
    instruments = [
        {
            "symbol": f"{base}{quote}",
            "baseCoin": base,
            "quoteCoin": quote,
            "status": "Trading",
            "lotSizeFilter": {"basePrecision": "0.000001", "minOrderQty": "0.00004", "minOrderAmt": "1"},
            "priceFilter": {"tickSize": "0.01"},
        }
        for base in BASES
        for quote in server.quotes
    ]
    return {"retCode": 0, "retMsg": "OK", "result": {"category": "spot", "list": instruments}, "time": now_ms()}


def _bitstamp(server: SimulatedExchanges) -> Any:
    return [
        {
            "name": f"{base}/{quote}",
            "market_symbol": f"{base}{quote}".lower(),
            "base_currency": base,
            "base_decimals": 8,
            "counter_currency": quote,
            "counter_decimals": 2,
            "minimum_order_value": "10",
            "trading": "Enabled",
            "market_type": "SPOT",
        }
        for base in BASES
        for quote in server.quotes
    ]


def _bitstamp_tickers(server: SimulatedExchanges) -> Any:
    return [
        {
            "pair": f"{base}/{quote}",
            "last": str(server.prices["bitstamp"][base]),
            "timestamp": str(int(time.time())),
            "bid": "1",
            "ask": "2",
            "volume": "1",
            "vwap": "1",
        }
        for base in BASES
        for quote in server.quotes
    ]


MARKETS: dict[str, Callable[[SimulatedExchanges], Any]] = {
    "/products": _coinbase,
    "/AssetPairs": _kraken,
    "/public/instruments": _okx,
    "/instruments-info": _bybit,
    "/markets": _bitstamp,
    "/api/v2/ticker": _bitstamp_tickers,
}


def _coinbase_ticker(base: str, quote: str, price: float) -> Any:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    return {
        "type": "ticker",
        "product_id": f"{base}-{quote}",
        "price": str(price),
        "best_bid": str(price),
        "best_ask": str(price),
        "time": f"{moment}.{now_ms() % 1000:03d}000Z",
    }


def _kraken_ticker(base: str, quote: str, price: float) -> Any:
    return {"channel": "ticker", "type": "update", "data": [{"symbol": f"{base}/{quote}", "last": price, "bid": price}]}


def _okx_ticker(base: str, quote: str, price: float) -> Any:
    name = f"{base}-{quote}"
    ticker = {"instType": "SPOT", "instId": name, "last": str(price), "ts": str(now_ms())}
    return {"arg": {"channel": "tickers", "instId": name}, "data": [ticker]}


def _bybit_ticker(base: str, quote: str, price: float) -> Any:
    name = f"{base}{quote}"
    return {
        "topic": f"tickers.{name}",
        "ts": now_ms(),
        "type": "snapshot",
        "cs": 1,
        "data": {"symbol": name, "lastPrice": str(price), "volume24h": "1", "turnover24h": "1"},
    }


TICKERS: dict[str, Callable[[str, str, float], Any]] = {
    "coinbase": _coinbase_ticker,
    "kraken": _kraken_ticker,
    "okx": _okx_ticker,
    "bybit": _bybit_ticker,
}

"""The prices of other exchanges through ccxt: watched over a websocket where it can, polled elsewhere.

Each exchange is a source of its own. Symbols are found in the exchange's own market table; only a spot pair in the
same quote stands for a symbol, unless the setting says that USD may stand for USDT: then the message says so.
"""

import asyncio
import math
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import structlog
from pydantic import BeforeValidator, Field

from realtime_runtime.feeds.publishing import LivePublisher
from realtime_runtime.feeds.sources import threads
from realtime_runtime.feeds.supervision import FeedError, RateLimitedError, Source, Status
from realtime_runtime.feeds.web import retry_after
from service_kit.environment import Environment, Switch, UpToAnHour, items, number_between, some_of
from strategy_core.market.event_kinds import EXCHANGE_PRICE
from strategy_core.market.observed import is_time
from strategy_core.strategies.cross_exchange_spread import EXCHANGES

# ccxt's "coinbase" is the brokerage with its own, aggregated prices; "coinbaseexchange" is the order book behind it.
CLASSES = {
    "coinbase": "coinbaseexchange",
    "kraken": "kraken",
    "bybit": "bybit",
    "okx": "okx",
    "bitstamp": "bitstamp",
}
# Its first import computes for seconds.
LIBRARY = "ccxt.pro"
TIMEOUT_MS = 10_000
CLOSE_SECONDS = 0.9
RATE_LIMITED_SECONDS = 30.0
MAX_ERROR_CHARACTERS = 200

log = structlog.get_logger(__name__)


OTHER_EXCHANGES = tuple(exchange for exchange in EXCHANGES if exchange != "binance")


def _named_urls(text: str) -> dict[str, str]:
    """``kraken=https://…,okx=https://…``."""
    urls: dict[str, str] = {}
    for item in items(text):
        name, separator, address = item.partition("=")
        if not separator or name not in OTHER_EXCHANGES or urlsplit(address).scheme not in {"http", "https"}:
            raise ValueError(
                "must be exchange=URL pairs separated by commas, such as kraken=https://proxy.example/kraken"
            )
        urls[name] = address.rstrip("/")
    return urls


class ExchangeSettings(Environment):
    """The exchanges beside Binance. ``base_urls`` replaces the address of some (a proxy, a test)."""

    exchanges: Annotated[tuple[str, ...], BeforeValidator(some_of(*OTHER_EXCHANGES))] = Field(
        OTHER_EXCHANGES, validation_alias="PRICE_EXCHANGES"
    )
    is_usd_taken_for_usdt: Switch = Field(False, validation_alias="PRICE_USD_AS_USDT")
    base_urls: Annotated[dict[str, str], BeforeValidator(_named_urls)] = Field(
        default_factory=dict, validation_alias="PRICE_EXCHANGE_URLS"
    )
    poll_seconds: Annotated[float, BeforeValidator(number_between(0.1, 30))] = Field(
        2.0, validation_alias="PRICE_POLL_SECONDS"
    )
    silence_seconds: UpToAnHour = Field(60.0, validation_alias="PRICE_SILENCE_SECONDS")


class ExchangeSource:
    """Publishes every new price of the symbols that an exchange lists, on ``market.price.<exchange>.<SYMBOL>``.

    The time of a price is the exchange's, or that of its receipt where the exchange gives none (kraken). One from the
    future is counted and left out: it would shut out the honest ones after it.
    """

    def __init__(
        self, exchange: str, *, symbols: tuple[str, ...], settings: ExchangeSettings, publisher: LivePublisher
    ) -> None:
        self.status = Status(f"exchange.{exchange}")
        self.silence_seconds = settings.silence_seconds
        self._exchange = exchange
        self._symbols = symbols
        self._settings = settings
        self._publisher = publisher
        self._sent: dict[str, tuple[float, int]] = {}
        self._seen: dict[str, Mapping[str, Any]] = {}

    async def run(self) -> None:
        """Publish until the exchange fails; raises FeedError, or RateLimitedError where it asks to wait."""
        library = await threads.imported(LIBRARY)
        self.status.begin()
        client = new_client(library, self._exchange, self._settings.base_urls.get(self._exchange))
        try:
            await self._follow(client)
        except library.BaseError as error:
            raise _feed_error(library, client, error) from error
        finally:
            await _close(client)

    async def _follow(self, client: Any) -> None:
        markets = await client.load_markets()
        self.status.heard()
        listed = listed_symbols(markets, self._symbols, is_usd_taken_for_usdt=self._settings.is_usd_taken_for_usdt)
        missing = sorted(set(self._symbols) - set(listed.values()))
        if not listed:
            raise FeedError(f"the exchange lists none of {', '.join(self._symbols)} in the same quote")
        log.info("feed.exchange_followed", exchange=self._exchange, pairs=sorted(listed), not_listed=missing)
        is_watched = bool(client.has["watchTickers"])
        while True:
            if is_watched:
                await client.watch_tickers(list(listed))
                # Not what the call returns: that is one ticker, and others may have come since the call before.
                tickers = client.tickers
            else:
                tickers = await client.fetch_tickers(list(listed))
            self.status.heard()
            for pair, symbol in listed.items():
                ticker = tickers.get(pair)
                if ticker is not None:
                    await self._publish(pair, symbol, ticker)
            if not is_watched:
                await asyncio.sleep(self._settings.poll_seconds)

    async def _publish(self, pair: str, symbol: str, ticker: Mapping[str, Any]) -> None:
        """Publish a price unless it has been already, or is older than the last one."""
        if ticker is self._seen.get(symbol):
            return
        self._seen[symbol] = ticker
        price, time_ms = ticker.get("last"), ticker.get("timestamp")
        if not isinstance(price, float | int) or not math.isfinite(price) or price <= 0:
            self.status.garbage += 1
            return
        if time_ms is None:
            time_ms = time.time_ns() // 1_000_000
        else:
            self.status.event_time(time_ms)
            if not is_time(time_ms, time.time_ns() // 1_000_000):
                self.status.implausible += 1
                return
        before = self._sent.get(symbol, (0.0, 0))
        if (price, time_ms) == before or time_ms < before[1]:
            self.status.repeated += 1
            return
        self._sent[symbol] = (price, time_ms)
        message = {"exchange": self._exchange, "symbol": symbol, "price": float(price), "ts": time_ms}
        if pair.replace("/", "") != symbol:
            message["pair"] = pair
        await self._publisher.publish(EXCHANGE_PRICE.subject(self._exchange, symbol), msgspec.json.encode(message))
        self.status.messages += 1


def exchange_sources(
    settings: ExchangeSettings, symbols: tuple[str, ...], publisher: LivePublisher
) -> Iterator[Source]:
    """One source for each exchange that is switched on."""
    for exchange in settings.exchanges:
        yield ExchangeSource(exchange, symbols=symbols, settings=settings, publisher=publisher)


def listed_symbols(
    markets: Mapping[str, Mapping[str, Any]], symbols: tuple[str, ...], *, is_usd_taken_for_usdt: bool
) -> dict[str, str]:
    """ccxt's pair -> our symbol, of the active spot markets: ``BTC/USDT`` -> ``BTCUSDT``.

    A pair in USD stands for the symbol in USDT only where that is asked for and the exchange has none in USDT.
    """
    wanted = set(symbols)
    found: dict[str, str] = {}
    in_dollars: dict[str, str] = {}
    for pair, market in markets.items():
        if not market.get("spot") or market.get("active") is False:
            continue
        base, quote = market["base"], market["quote"]
        if base + quote in wanted:
            found[pair] = base + quote
        elif is_usd_taken_for_usdt and quote == "USD" and f"{base}USDT" in wanted:
            in_dollars[pair] = f"{base}USDT"
    taken = set(found.values())
    return found | {pair: symbol for pair, symbol in in_dollars.items() if symbol not in taken}


def new_client(library: Any, exchange: str, base_url: str | None) -> Any:
    """A ccxt client for public spot data; with ``base_url``, every address of the exchange is replaced by it."""
    client = getattr(library, CLASSES[exchange])(
        {
            "enableRateLimit": True,
            "timeout": TIMEOUT_MS,
            "aiohttp_trust_env": True,
            # Needs keys on some, and nothing here is counted in a currency's own digits.
            "has": {"fetchCurrencies": False},
            "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
        }
    )
    if base_url is not None:
        client.urls["api"] = _rebased(client.urls["api"], base_url)
    return client


def _rebased(urls: Any, base_url: str) -> Any:
    """The same addresses, with scheme and host replaced; websockets stay websockets."""
    if isinstance(urls, dict):
        return {name: _rebased(address, base_url) for name, address in urls.items()}
    parts = urlsplit(urls)
    base = base_url.replace("http", "ws", 1) if parts.scheme in {"ws", "wss"} else base_url
    return f"{base}{parts.path}"


def _feed_error(library: Any, client: Any, error: Exception) -> FeedError:
    """What an error of ccxt means; its text repeats whole answers and is cut."""
    text = f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]
    if isinstance(error, library.DDoSProtection | library.RateLimitExceeded):
        headers = {name.title(): value for name, value in (client.last_response_headers or {}).items()}
        return RateLimitedError(text, retry_after(headers) or RATE_LIMITED_SECONDS)
    return FeedError(text)


async def _close(client: Any) -> None:
    """Close the client's connections, in a second at most."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()
    except TimeoutError:
        log.warning("feed.exchange_not_closed", exchange=client.id)

"""The settings of the live feed, read once at start; one that cannot be used stops the start by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from realtime_runtime.feeds.binance.binance_sources import BinanceSettings
from realtime_runtime.feeds.binance.streams import MARKETS
from realtime_runtime.feeds.sources.dominance import DominanceSettings
from realtime_runtime.feeds.sources.exchanges import ExchangeSettings
from realtime_runtime.feeds.sources.onchain import OnchainSettings
from realtime_runtime.settings import (
    NATS_CONSUMER_TOPIC,
    NATS_URL,
    Reader,
    SettingsError,
    consumer_topic,
    nats_server_url,
    number_between,
    read_nats_access,
    symbol_list,
    url_with,
    whole_number,
)
from service_kit.nats_connection import NatsAccess
from strategy_core.market.routing import UNUSED_TYPES, StreamUse, route_stream
from strategy_core.strategies.cross_exchange_spread import EXCHANGES

SOURCES = ("binance", "exchanges", "dominance", "onchain")
DEFAULT_SYMBOLS = "BTCUSDT,ETHUSDT"
OTHER_EXCHANGES = tuple(exchange for exchange in EXCHANGES if exchange != "binance")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """What one process of the live feed runs on."""

    sources: tuple[str, ...]
    symbols: tuple[str, ...]
    health_port: int
    nats_url: str = field(repr=False)
    nats_access: NatsAccess
    binance: BinanceSettings
    exchanges: ExchangeSettings
    dominance: DominanceSettings
    onchain: OnchainSettings


def read(environ: Mapping[str, str]) -> LiveSettings:
    """Read the settings; raises SettingsError with every variable that cannot be used."""
    reader = Reader(environ)
    coinmetrics_api_key = reader.get("COINMETRICS_API_KEY", "", str)
    coinmetrics_url = "https://api.coinmetrics.io" if coinmetrics_api_key else "https://community-api.coinmetrics.io"
    settings = LiveSettings(
        sources=reader.get("FEED_SOURCES", ",".join(SOURCES), _chosen(SOURCES)),
        symbols=tuple(sorted(reader.get("TRADING_SYMBOLS", DEFAULT_SYMBOLS, symbol_list) or ())),
        health_port=reader.get("FEED_HEALTH_PORT", "8083", whole_number(0, 65_535)),
        nats_url=reader.get("NATS_URL", NATS_URL, nats_server_url),
        nats_access=read_nats_access(reader),
        binance=_read_binance(reader),
        exchanges=ExchangeSettings(
            exchanges=reader.get("PRICE_EXCHANGES", ",".join(OTHER_EXCHANGES), _chosen(OTHER_EXCHANGES)),
            is_usd_taken_for_usdt=reader.get("PRICE_USD_AS_USDT", "false", _switch),
            base_urls=reader.get("PRICE_EXCHANGE_URLS", "", _named_urls),
            poll_seconds=reader.get("PRICE_POLL_SECONDS", "2", number_between(0.1, 30)),
            silence_seconds=reader.get("PRICE_SILENCE_SECONDS", "60", number_between(1, 3_600)),
        ),
        dominance=DominanceSettings(
            url=reader.get("COINGECKO_URL", "https://api.coingecko.com", url_with("http", "https")),
            api_key=reader.get("COINGECKO_API_KEY", "", str),
            interval_seconds=reader.get("DOMINANCE_INTERVAL_SECONDS", "300", number_between(0.1, 86_400)),
        ),
        onchain=OnchainSettings(
            url=reader.get("COINMETRICS_URL", coinmetrics_url, url_with("http", "https")),
            api_key=coinmetrics_api_key,
            whale_url=reader.get("WHALE_ALERT_URL", "https://api.whale-alert.io", url_with("http", "https")),
            whale_api_key=reader.get("WHALE_ALERT_API_KEY", "", str),
            interval_seconds=reader.get("ONCHAIN_INTERVAL_SECONDS", "900", number_between(0.1, 86_400)),
            history_periods=reader.get("ONCHAIN_HISTORY_PERIODS", "48", whole_number(1, 336)),
        ),
    )
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


def _read_binance(reader: Reader) -> BinanceSettings:
    default_topic = reader.get("NATS_CONSUMER_TOPIC", NATS_CONSUMER_TOPIC, consumer_topic)
    markets = reader.get("BINANCE_MARKETS", "spot", _chosen(tuple(MARKETS)))
    topics = {
        "spot": reader.get("BINANCE_SPOT_TOPIC", default_topic or "", consumer_topic),
        "usdm": reader.get("BINANCE_USDM_TOPIC", default_topic or "", consumer_topic),
    }
    if markets and len(markets) > 1 and topics["spot"] == topics["usdm"]:
        # Their streams have the same names: mixed, they would be one market with two prices.
        reader.problems["BINANCE_USDM_TOPIC"] = "must differ from that of spot where BINANCE_MARKETS has both"
    book_speed = reader.get("BINANCE_BOOK_SPEED", "100ms", _one_of("100ms", "0ms"))
    if book_speed == "0ms" and "spot" in (markets or ()):
        reader.problems["BINANCE_BOOK_SPEED"] = "must be 100ms on spot; only usdm knows 0ms"
    ws, http = url_with("ws", "wss"), url_with("http", "https")
    return BinanceSettings(
        markets=markets,
        topics=topics,
        stream_types=reader.get("BINANCE_STREAMS", "", _stream_types),
        book_levels=reader.get("BINANCE_BOOK_LEVELS", "20", whole_number(5, 1_000)),
        book_speed=book_speed,
        websocket_urls={
            ("spot", "public"): reader.get("BINANCE_SPOT_WS_URL", "wss://stream.binance.com:9443", ws),
            ("usdm", "public"): reader.get("BINANCE_USDM_PUBLIC_WS_URL", "wss://fstream.binance.com/public", ws),
            ("usdm", "market"): reader.get("BINANCE_USDM_MARKET_WS_URL", "wss://fstream.binance.com/market", ws),
        },
        rest_urls={
            "spot": reader.get("BINANCE_SPOT_REST_URL", "https://api.binance.com", http),
            "usdm": reader.get("BINANCE_USDM_REST_URL", "https://fapi.binance.com", http),
        },
        connection_seconds=reader.get("BINANCE_CONNECTION_SECONDS", "82800", number_between(1, 86_400)),
        silence_seconds=reader.get("BINANCE_SILENCE_SECONDS", "30", number_between(1, 3_600)),
    )


def _chosen(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """Parses a list of some of ``known``, into their usual order."""

    def parse(text: str) -> tuple[str, ...]:
        words = {word.strip().lower() for word in text.split(",") if word.strip()}
        unknown = sorted(words.difference(known))
        if unknown or not words:
            raise ValueError(f"must be some of {', '.join(known)}, separated by commas, not {text!r}")
        return tuple(word for word in known if word in words)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be {' or '.join(words)}, not {text!r}")
        return text

    return parse


def _switch(text: str) -> bool:
    return _one_of("true", "false")(text.lower()) == "true"


def _stream_types(text: str) -> tuple[str, ...]:
    types = tuple(word.strip() for word in text.split(",") if word.strip())
    for stream_type in types:
        route = route_stream(f"btcusdt@{stream_type}")
        if route.use in {StreamUse.UNKNOWN, StreamUse.INVALID} or route.stream_type in UNUSED_TYPES - {"markPrice"}:
            raise ValueError(
                f"must be streams such as depth20@100ms,trade,ticker,markPrice@1s; no use for {stream_type}"
            )
    return types


def _named_urls(text: str) -> dict[str, str]:
    """``kraken=https://…,okx=https://…``."""
    urls: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, separator, address = item.partition("=")
        if not separator or name not in OTHER_EXCHANGES or urlsplit(address).scheme not in {"http", "https"}:
            raise ValueError(
                "must be exchange=URL pairs separated by commas, such as kraken=https://proxy.example/kraken"
            )
        urls[name] = address.rstrip("/")
    return urls

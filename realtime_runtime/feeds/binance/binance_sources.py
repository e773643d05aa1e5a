"""Binance's market data, live: each connection is a source of its own, so that one that fails leaves the others be."""

import asyncio
from collections.abc import Iterator, Sequence

from realtime_runtime.feeds import web
from realtime_runtime.feeds.binance.binance_settings import BinanceSettings
from realtime_runtime.feeds.binance.depth import SNAPSHOT_INTERVAL_SECONDS, BookFeed, Publish
from realtime_runtime.feeds.binance.rate_limiter import RateLimiter
from realtime_runtime.feeds.binance.stream_connection import StreamConnection
from realtime_runtime.feeds.binance.streams import MARKETS, Endpoint, Market, Stream, in_lots
from realtime_runtime.feeds.publishing import LivePublisher, subject_for
from realtime_runtime.feeds.supervision import Source, Status

PARTIAL_DEPTH_LEVELS = 20
PARTIAL_DEPTH_SPEED = "100ms"


class StreamSource:
    """Streams of one connection, published as they come, byte by byte."""

    def __init__(
        self,
        name: str,
        *,
        market: Market,
        endpoint: Endpoint,
        pairs: Sequence[tuple[str, str]],
        settings: BinanceSettings,
        publish: Publish,
    ) -> None:
        self.status = Status(name)
        self.silence_seconds = settings.silence_seconds
        self._url = settings.websocket_urls[market.name, endpoint]
        self._lifetime_seconds = settings.connection_seconds
        self._streams = [Stream(symbol, stream_type, market) for symbol, stream_type in pairs]
        self._publish = publish

    async def run(self) -> None:
        """Deliver until the connection fails."""
        async with web.new_session() as session:
            await StreamConnection(
                session,
                url=self._url,
                streams=self._streams,
                take=self._take,
                status=self.status,
                lifetime_seconds=self._lifetime_seconds,
            ).run()

    async def _take(self, stream: Stream, payload: bytes) -> None:
        await self._publish(stream.symbol, payload)


class BookSource:
    """Books of some symbols, built from one connection's differences and published level by level."""

    def __init__(
        self,
        name: str,
        *,
        market: Market,
        symbols: Sequence[str],
        settings: BinanceSettings,
        publish: Publish,
        rate_limiter: RateLimiter,
    ) -> None:
        self.status = Status(name)
        self.silence_seconds = settings.silence_seconds
        self._market = market
        self._symbols = symbols
        self._settings = settings
        self._publish = publish
        self._rate_limiter = rate_limiter
        # The usual speed of USD-M is 250 ms, of spot 1 s; 0ms is only known to USD-M.
        self._streams = [Stream(symbol, f"depth@{settings.book_speed}", market) for symbol in symbols]

    async def run(self) -> None:
        """Build and publish until the connection fails; a new run begins with new snapshots."""
        async with web.new_session() as session, asyncio.TaskGroup() as group:
            books = BookFeed(
                session,
                market=self._market,
                rest_url=self._settings.rest_urls[self._market.name],
                symbols=self._symbols,
                levels=self._settings.book_levels,
                speed=self._settings.book_speed,
                publish=self._publish,
                status=self.status,
                rate_limiter=self._rate_limiter,
            )
            group.create_task(books.run(), name=f"{self.status.name}.snapshots")
            await StreamConnection(
                session,
                url=self._settings.websocket_urls[self._market.name, "public"],
                streams=self._streams,
                take=books.take,
                status=self.status,
                lifetime_seconds=self._settings.connection_seconds,
            ).run()


def binance_sources(settings: BinanceSettings, symbols: Sequence[str], publisher: LivePublisher) -> Iterator[Source]:
    """The sources for the symbols on the chosen markets, each with no more streams than a connection may have."""
    for name in settings.markets:
        market = MARKETS[name]
        publish = _to_topic(publisher, settings.topics[name])
        types = settings.stream_types or market.stream_types
        if not market.is_futures:
            types = tuple(each for each in types if not each.startswith("markPrice"))
        are_books_built = settings.book_levels > PARTIAL_DEPTH_LEVELS or settings.book_speed != PARTIAL_DEPTH_SPEED
        if are_books_built:
            types = tuple(each for each in types if not each.startswith("depth"))
            rate_limiter = RateLimiter(SNAPSHOT_INTERVAL_SECONDS)
            for number, lot in enumerate(in_lots(symbols, market.streams_per_connection), 1):
                yield BookSource(
                    f"binance.{name}.books.{number}",
                    market=market,
                    symbols=lot,
                    settings=settings,
                    publish=publish,
                    rate_limiter=rate_limiter,
                )
        yield from _stream_sources(market, types, settings, symbols, publish)


def _stream_sources(
    market: Market, types: Sequence[str], settings: BinanceSettings, symbols: Sequence[str], publish: Publish
) -> Iterator[Source]:
    endpoints: tuple[Endpoint, ...] = ("public", "market")
    for endpoint in endpoints:
        pairs = [(symbol, each) for symbol in symbols for each in types if market.endpoint(each) == endpoint]
        for number, lot in enumerate(in_lots(pairs, market.streams_per_connection), 1):
            yield StreamSource(
                f"binance.{market.name}.{endpoint}.{number}",
                market=market,
                endpoint=endpoint,
                pairs=lot,
                settings=settings,
                publish=publish,
            )


def _to_topic(publisher: LivePublisher, topic: str) -> Publish:
    subjects: dict[str, str] = {}

    async def publish(symbol: str, payload: bytes) -> None:
        subject = subjects.get(symbol)
        if subject is None:
            subject = subjects[symbol] = subject_for(topic, symbol)
        await publisher.publish(subject, payload)

    return publish

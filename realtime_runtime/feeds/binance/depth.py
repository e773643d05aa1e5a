"""Books deeper than 20 levels or faster than each 100 ms, which Binance does not send: built here, sent like its own.

A message goes out for each difference, in the shape of the market's partial depth, under ``<symbol>@depth<levels>``.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
import msgspec
import structlog

from realtime_runtime.feeds import web
from realtime_runtime.feeds.binance.book_sync import BookBuilder, DepthDifference, decode_snapshot
from realtime_runtime.feeds.binance.rate_limiter import RateLimiter
from realtime_runtime.feeds.binance.streams import Market, Stream, stream_name
from realtime_runtime.feeds.supervision import FeedError, RateLimitedError, Status
from strategy_core.market.decoding import UNREADABLE

SNAPSHOT_LEVELS = 1_000
# A snapshot of 1,000 levels costs 50 of 6,000 a minute (spot), 20 of 2,400 (USD-M): this stays below both.
SNAPSHOT_INTERVAL_SECONDS = 0.6
RETRY_SECONDS = 2.0
LEAST_RENEWAL_SECONDS = 60.0

log = structlog.get_logger(__name__)
Publish = Callable[[str, bytes], Awaitable[None]]
"""Takes (symbol, payload)."""


class _Symbol:
    """One symbol's book on its way to the wire."""

    __slots__ = ("builder", "renewed_at", "stream", "symbol")

    def __init__(self, symbol: str, stream: str, builder: BookBuilder) -> None:
        self.symbol = symbol
        self.stream = stream
        self.builder = builder
        self.renewed_at = 0.0


class BookFeed:
    """Builds and publishes the books of the symbols of one connection.

    ``take`` is given the differences; ``run`` fetches the snapshots that are needed, one at a time. A refused or failed
    request is tried again after a while and never ends it.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        market: Market,
        rest_url: str,
        symbols: Sequence[str],
        levels: int,
        speed: str,
        publish: Publish,
        status: Status,
        rate_limiter: RateLimiter,
    ) -> None:
        self._session = session
        self._market = market
        self._url = f"{rest_url.rstrip('/')}{market.snapshot_path}"
        self._levels = levels
        self._publish = publish
        self._status = status
        self._rate_limiter = rate_limiter
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._symbols = {
            symbol: _Symbol(
                symbol,
                stream_name(symbol, f"depth{levels}@{speed}"),
                BookBuilder(is_futures=market.is_futures),
            )
            for symbol in symbols
        }
        self._queued: set[str] = set()
        self._decode = msgspec.json.Decoder(_DifferenceEnvelope).decode

    async def take(self, stream: Stream, payload: bytes) -> None:
        """Take the next difference of a symbol, and publish the book that it makes. Raises FeedError."""
        try:
            difference = self._decode(payload).data
        except UNREADABLE as error:
            raise FeedError(f"a difference of {stream.name} makes no sense: {error}") from error
        entry = self._symbols[stream.symbol]
        gaps = entry.builder.gaps
        is_shown = entry.builder.take(difference)
        self._status.missed += entry.builder.gaps - gaps
        if is_shown:
            await self._publish_book(entry, difference)
            self._renew_beyond_snapshot(entry)
        self._want_snapshot(entry)

    async def run(self) -> None:
        """Fetch snapshots for ever."""
        while True:
            symbol = await self._wanted.get()
            self._queued.discard(symbol)
            entry = self._symbols[symbol]
            if not entry.builder.needs_snapshot:
                continue
            await self._rate_limiter.acquire()
            try:
                body = await web.get(
                    self._session, self._url, parameters={"symbol": symbol, "limit": str(SNAPSHOT_LEVELS)}
                )
                snapshot = decode_snapshot(body)
            except RateLimitedError as error:
                self._leave_alone(error.retry_after_seconds)
                log.warning("feed.snapshot_refused", symbol=symbol, error=str(error))
                self._want_snapshot(entry)
                continue
            except (FeedError, *UNREADABLE) as error:
                log.warning("feed.snapshot_failed", symbol=symbol, error=str(error), wait_seconds=RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
                self._want_snapshot(entry)
                continue
            if entry.builder.take_snapshot(snapshot):
                log.info("feed.book_built", symbol=symbol, number=snapshot.last_update_id)
            else:
                self._want_snapshot(entry)

    def _leave_alone(self, seconds: float) -> None:
        """Ask for no snapshot for so long: not of the market's other books either, nor after a new connection."""
        self._rate_limiter.hold(seconds)
        self._status.left_alone(seconds)

    def _want_snapshot(self, entry: _Symbol) -> None:
        if entry.builder.needs_snapshot and entry.symbol not in self._queued:
            self._queued.add(entry.symbol)
            self._wanted.put_nowait(entry.symbol)

    def _renew_beyond_snapshot(self, entry: _Symbol) -> None:
        """Have another snapshot fetched where the price has moved to levels that no snapshot has covered."""
        book = entry.builder.book
        now = time.monotonic()
        if book is None or now - entry.renewed_at < LEAST_RENEWAL_SECONDS:
            return
        if book.is_beyond_snapshot(self._levels):
            entry.renewed_at = now
            entry.builder.renew()

    async def _publish_book(self, entry: _Symbol, difference: DepthDifference) -> None:
        book = entry.builder.book
        if book is None:
            return
        bids, asks = book.top(self._levels)
        data: dict[str, object]
        if self._market.is_futures:
            data = {
                "e": "depthUpdate",
                "E": difference.time_ms,
                "T": difference.transaction_time_ms,
                "s": entry.symbol,
                "U": difference.first,
                "u": difference.last,
                "pu": difference.previous,
                "b": bids,
                "a": asks,
            }
        else:
            # With the time of the difference, which the exchange's own partial books lack.
            data = {
                "lastUpdateId": difference.last,
                "E": difference.time_ms,
                "s": entry.symbol,
                "bids": bids,
                "asks": asks,
            }
        await self._publish(entry.symbol, msgspec.json.encode({"stream": entry.stream, "data": data}))


class _DifferenceEnvelope(msgspec.Struct):
    data: DepthDifference

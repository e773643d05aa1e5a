"""One websocket connection to Binance's combined streams: opened, subscribed, read, and replaced before its time.

The exchange ends each connection after 24 hours, takes at most 5 messages a second from us, and pings every few
minutes (aiohttp answers). So a connection's successor is opened and subscribed while the old one still delivers;
what both deliver is recognised by its number. So it is when the exchange announces that it will shut down.

Not ccxt.pro, which serves the other exchanges: it gives its own dictionaries, and what is published here are the
exchange's bytes, unchanged, for readers that were written for Binance's format.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp
import structlog

from realtime_runtime.feeds.binance.rate_limiter import RateLimiter
from realtime_runtime.feeds.binance.streams import (
    NAMES_PER_REQUEST,
    MessageVerdict,
    Method,
    Stream,
    StreamTable,
    decode_answer,
    in_lots,
    is_shutdown_notice,
    request,
)
from realtime_runtime.feeds.supervision import FeedError, RateLimitedError, Status
from realtime_runtime.feeds.web import as_feed_error
from strategy_core.market.decoding import UNREADABLE

CONTROL_INTERVAL_SECONDS = 0.25
OPEN_TIMEOUT_SECONDS = 10.0
ANSWER_TIMEOUT_SECONDS = 10.0
# Pings of our own find a connection whose other end is gone; each is one of the few messages we may send.
PING_SECONDS = 30.0
CLOSE_SECONDS = 1.0
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_GARBAGE_IN_A_ROW = 100
# Both connections deliver for this long, so that the new one has all that the old one may still lack.
OVERLAP_SECONDS = 2.0
LIFETIME_JITTER_SHARE = 0.05
RETRY_SUCCESSOR_SECONDS = 60.0
RETRY_BEFORE_END_SECONDS = 5.0
STEADY_SILENCE_SECONDS = 60.0
SILENCE_CHECK_SECONDS = 10.0

log = structlog.get_logger(__name__)
Socket = aiohttp.ClientWebSocketResponse[bool]
Take = Callable[[Stream, bytes], Awaitable[None]]


@dataclass(slots=True)
class _Connection:
    """An open, subscribed connection and what it delivered before anybody asked, in order.

    ``is_ending``: the exchange has announced its end.
    """

    socket: Socket
    held: deque[bytes]
    ends_at: float
    is_ending: bool = False


class StreamConnection:
    """Delivers the messages of ``streams`` to ``take``, each once and in the order of its stream.

    ``run`` ends by an exception: a refused or lost connection, an error answer, or nothing but garbage.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        url: str,
        streams: Sequence[Stream],
        take: Take,
        status: Status,
        lifetime_seconds: float,
    ) -> None:
        self._session = session
        self._url = f"{url.rstrip('/')}/stream"
        self._table = StreamTable(streams)
        self._take = take
        self._status = status
        self._lifetime_seconds = lifetime_seconds
        self._requests = 0
        self._control_limiter = RateLimiter(CONTROL_INTERVAL_SECONDS)
        self._garbage_in_a_row = 0
        self._next_check_at = 0.0
        self._silent: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Connect, subscribe and deliver until the connection fails; replaces it before the exchange ends it."""
        self._table.begin()
        connection = await self._open()
        log.info("feed.subscribed", source=self._status.name, streams=len(self._table.by_name))
        try:
            while True:
                connection = await self._deliver(connection)
        finally:
            await _close(connection.socket)

    async def _deliver(self, connection: _Connection) -> _Connection:
        """Deliver until the successor is ready, and return that one; the old one is then closed."""
        successor: asyncio.Task[_Connection] | None = None
        try:
            while True:
                if connection.held:
                    payload: bytes | None = connection.held.popleft()
                else:
                    payload = await _receive(connection.socket)
                if payload is not None:
                    await self._take_payload(payload, connection)
                elif successor is None:
                    raise FeedError(f"the exchange closed the connection ({connection.socket.close_code})")
                now = time.monotonic()
                if successor is None and now >= connection.ends_at:
                    successor = asyncio.create_task(self._open_beside(), name=f"{self._status.name}.successor")
                elif successor is not None and (payload is None or successor.done()):
                    replacement = await self._replacement(successor, connection)
                    if replacement is not connection:
                        successor = None
                        return replacement
                    successor = None
                await self._subscribe_silent_again(connection.socket, now)
        finally:
            if successor is not None:
                await _abandon(successor)

    async def _replacement(self, successor: asyncio.Task[_Connection], old: _Connection) -> _Connection:
        """The opened successor; the old connection, to be tried again later, where it could not be opened."""
        try:
            replacement = await successor
        except (FeedError, OSError) as error:
            log.warning("feed.replacement_failed", source=self._status.name, error=str(error))
            asked = error.retry_after_seconds if isinstance(error, RateLimitedError) else 0.0
            retry_seconds = RETRY_BEFORE_END_SECONDS if old.is_ending else RETRY_SUCCESSOR_SECONDS
            old.ends_at = time.monotonic() + max(asked, retry_seconds)
            return old
        await _close(old.socket)
        log.info("feed.connection_replaced", source=self._status.name, held=len(replacement.held))
        return replacement

    async def _open_beside(self) -> _Connection:
        """Open a connection and hold what it delivers during the overlap."""
        connection = await self._open()
        try:
            async with asyncio.timeout(OVERLAP_SECONDS):
                while (payload := await _receive(connection.socket)) is not None:
                    connection.held.append(payload)
            raise FeedError("the exchange closed the new connection")
        except TimeoutError:
            return connection
        except BaseException:
            await _close(connection.socket)
            raise

    async def _open(self) -> _Connection:
        """Open and subscribe; returns when the exchange has confirmed every stream. Raises FeedError."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_SECONDS):
                socket: Socket = await self._session.ws_connect(
                    self._url,
                    heartbeat=PING_SECONDS,
                    max_msg_size=MAX_MESSAGE_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                    decode_text=False,
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise as_feed_error(error, self._url) from error
        lifetime = self._lifetime_seconds * (1.0 - LIFETIME_JITTER_SHARE * random.random())  # noqa: S311 - no secret
        connection = _Connection(socket, deque(), time.monotonic() + lifetime)
        try:
            await self._subscribe(connection)
        except BaseException:
            await _close(socket)
            raise
        return connection

    async def _subscribe(self, connection: _Connection) -> None:
        waiting: set[int] = set()
        for names in in_lots(list(self._table.by_name), NAMES_PER_REQUEST):
            waiting.add(await self._control(connection.socket, "SUBSCRIBE", names))
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                while waiting:
                    payload = await _receive(connection.socket)
                    if payload is None:
                        raise FeedError("the exchange closed the connection while we subscribed")
                    number = _answered(payload)
                    if number is None:
                        connection.held.append(payload)
                    else:
                        waiting.discard(number)
        except TimeoutError:
            raise FeedError(f"no answer to {len(waiting)} subscriptions") from None

    async def _control(self, socket: Socket, method: Method, names: Sequence[str]) -> int:
        """Send a control message when the exchange allows the next one; returns its number."""
        await self._control_limiter.acquire()
        self._requests += 1
        number = self._requests
        try:
            await socket.send_str(request(method, names, number))
        except (aiohttp.ClientError, OSError) as error:
            raise FeedError(f"the connection was lost: {error}") from error
        return number

    async def _take_payload(self, payload: bytes, connection: _Connection) -> None:
        status = self._status
        status.heard()
        try:
            stream = self._table.find(payload)
            verdict = None if stream is None else stream.take(payload)
        except UNREADABLE:
            if _is_answer(payload):
                return
            stream = verdict = None
        if stream is None or verdict is None:
            if is_shutdown_notice(payload):
                self._change_over(connection)
            else:
                self._note_garbage(payload)
            return
        self._garbage_in_a_row = 0
        stream.heard_at = status.heard_at
        if stream.time_ms > 0:
            status.event_time(stream.time_ms)
        if verdict is MessageVerdict.REPEATED:
            status.repeated += 1
            return
        status.missed += stream.missed
        if verdict is MessageVerdict.NO_MARKET_TRADE:
            status.no_market_trades += 1
            return
        status.messages += 1
        await self._take(stream, payload)

    def _change_over(self, connection: _Connection) -> None:
        """The exchange will end the connection soon: have it replaced at once."""
        if not connection.is_ending:
            connection.is_ending = True
            connection.ends_at = 0.0
            log.info("feed.shutdown_announced", source=self._status.name)

    def _note_garbage(self, payload: bytes) -> None:
        """Count what is no message of our streams; raises FeedError where nothing else comes any more."""
        self._status.garbage += 1
        self._garbage_in_a_row += 1
        if self._garbage_in_a_row == 1:
            log.warning("feed.garbage", source=self._status.name, start=payload[:80].decode("utf-8", "replace"))
        if self._garbage_in_a_row >= MAX_GARBAGE_IN_A_ROW:
            raise FeedError(f"{self._garbage_in_a_row} messages in a row made no sense")

    async def _subscribe_silent_again(self, socket: Socket, now: float) -> None:
        """Subscribe anew to streams that should come every second and have not come for a minute."""
        if now < self._next_check_at:
            return
        self._next_check_at = now + SILENCE_CHECK_SECONDS
        names = []
        for stream in self._table.by_name.values():
            stream.heard_at = stream.heard_at or now
            if stream.is_steady and now - stream.heard_at > STEADY_SILENCE_SECONDS:
                stream.heard_at = now
                names.append(stream.name)
        if not names:
            return
        if self._silent != (silent := frozenset(names)):
            self._silent = silent
            log.warning("feed.streams_silent", source=self._status.name, streams=names[:10], count=len(names))
        for lot in in_lots(names, NAMES_PER_REQUEST):
            await self._control(socket, "UNSUBSCRIBE", lot)
            await self._control(socket, "SUBSCRIBE", lot)


def _answered(payload: bytes) -> int | None:
    """The number of the control message that this answers, None where it answers none; raises FeedError if refused."""
    try:
        answer = decode_answer(payload)
    except UNREADABLE:
        return None
    if answer.problem:
        raise FeedError(f"the exchange refused a subscription: {answer.problem}")
    return answer.number


def _is_answer(payload: bytes) -> bool:
    return _answered(payload) is not None


async def _receive(socket: Socket) -> bytes | None:
    """The next message's bytes; None where the connection has ended."""
    while True:
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
            return bytes(message.data)
        if message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED}:
            return None
        if message.type is aiohttp.WSMsgType.ERROR:
            raise FeedError(f"the connection broke: {message.data}")


async def _close(socket: Socket) -> None:
    """Say goodbye, in a second at most."""
    await socket.close()


async def _abandon(successor: asyncio.Task[_Connection]) -> None:
    """End a successor that nobody will use, opened or not."""
    successor.cancel()
    (opened,) = await asyncio.gather(successor, return_exceptions=True)
    if isinstance(opened, _Connection):
        await _close(opened.socket)

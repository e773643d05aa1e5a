"""HTTP for the feeds: bounded in time and size, and with the answers that ask for patience understood."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from realtime_runtime.feeds.supervision import FeedError, RateLimitedError

TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)
MAX_ANSWER_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
# 418 is Binance's word for an address that went on after 429: it is banned for minutes to days.
TOO_MANY_REQUESTS = {429: 60.0, 418: 300.0}
LONGEST_WAIT_SECONDS = 3 * 24 * 3600.0
USER_AGENT = "realtime-strategies"
RETRY_AFTER = "Retry-After"


def new_session() -> aiohttp.ClientSession:
    """A session for one source, to be closed with it. Proxies of the environment (HTTPS_PROXY) are used."""
    return aiohttp.ClientSession(timeout=TIMEOUT, trust_env=True, headers={"User-Agent": USER_AGENT})


async def get(
    session: aiohttp.ClientSession,
    url: str,
    *,
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    wait_headers: Sequence[str] = (RETRY_AFTER,),
) -> bytes:
    """The body of a successful answer. Raises RateLimitedError for 418 and 429, FeedError for all else.

    ``wait_headers`` are those that may say how long to wait, the first that is there counts. Messages never hold the
    parameters or headers: those may be keys.
    """
    try:
        async with session.get(url, params=parameters, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise refused(response.status, response.headers, url, wait_headers)
            body = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise FeedError(f"{url} answers with more than {MAX_ANSWER_BYTES:,} bytes")
            return bytes(body)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise as_feed_error(error, url) from error


def as_feed_error(error: Exception, url: str) -> FeedError:
    """What a failed connection means: to wait as long as asked, or to try again."""
    if isinstance(error, aiohttp.ClientResponseError):
        return refused(error.status, error.headers or {}, url)
    # Not the error's own text: it may repeat the whole URL.
    reason = str(error.os_error) if isinstance(error, aiohttp.ClientConnectorError) else type(error).__name__
    return FeedError(f"{url} cannot be reached: {reason}")


def refused(
    status: int, headers: Mapping[str, str], url: str, wait_headers: Sequence[str] = (RETRY_AFTER,)
) -> FeedError:
    """The error for an answer other than 200."""
    if status in TOO_MANY_REQUESTS:
        wait_seconds = retry_after(headers, wait_headers) or TOO_MANY_REQUESTS[status]
        return RateLimitedError(f"{url} answers {status}", wait_seconds)
    return FeedError(f"{url} answers {status}")


def retry_after(headers: Mapping[str, str], names: Sequence[str] = (RETRY_AFTER,)) -> float:
    """Seconds of the first header of ``names`` that is there: seconds or a date; 0 where it says nothing usable."""
    text = next((value for name in names if (value := headers.get(name, "").strip())), "")
    if text.isascii() and text.isdecimal():
        seconds = float(text[:9])
    else:
        try:
            seconds = (parsedate_to_datetime(text).astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)

"""Coin Metrics through its own client, held to answer in bounded time and to leave all waiting to the supervisor.

Imported only by a feed that has the source, and in a thread: the client brings pandas, polars and pyarrow, seconds of
computing and 140 MB of memory or more.
"""

import io
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from coinmetrics.api_client import CoinMetricsClient

from realtime_runtime.feeds.sources import web
from realtime_runtime.feeds.supervision import FeedError

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
TOTAL_SECONDS = 20.0
# One page has all that is asked for.
PAGE_ROWS = 1_000


class CoinMetrics:
    """Asks one Coin Metrics address; every call blocks, for TOTAL_SECONDS and a last read at most."""

    def __init__(self, url: str, api_key: str) -> None:
        parts = urlsplit(url)
        self._session = _Session()
        self._client = CoinMetricsClient(
            api_key=api_key,
            session=self._session,
            schema=parts.scheme,
            host=f"{parts.netloc}{parts.path.rstrip('/')}",
        )

    def daily(self, assets: Sequence[str], metrics: Sequence[str], days: int) -> list[dict[str, Any]]:
        """The last ``days`` rows of each asset, as they are: numbers are text, what the plan lacks is absent.

        Raises RateLimitedError and FeedError, and ValueError for an answer that makes no sense.
        """
        collection = self._client.get_asset_metrics(
            assets=list(assets),
            metrics=list(metrics),
            frequency="1d",
            limit_per_asset=days,
            page_size=PAGE_ROWS,
            paging_from="end",
            format="json",
            ignore_forbidden_errors=True,
            ignore_unsupported_errors=True,
        )
        try:
            return collection.first_page()
        except (KeyError, TypeError) as error:
            raise ValueError("no rows under data") from error

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()


class _Session(requests.Session):
    """Bounds what the client, which has no timeouts, asks for, and fails where it would sleep.

    That is at 429, for as long as the answer says, and after a lost connection, for minutes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.headers["User-Agent"] = web.USER_AGENT

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """A successful answer, read to its end. Raises RateLimitedError and FeedError, which never hold the key."""
        ends_at = time.monotonic() + TOTAL_SECONDS
        url = (request.url or "").partition("?")[0]
        options |= {"timeout": (CONNECT_SECONDS, READ_SECONDS), "allow_redirects": False, "stream": True}
        try:
            response = super().send(request, **options)
            try:
                if response.status_code != 200:
                    raise web.refused(response.status_code, _patience(response.headers), url)
                body = _body(response, url, ends_at)
            finally:
                response.close()
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # Not the error's own text: it repeats the whole URL.
            raise FeedError(f"{url} cannot be reached: {type(error).__name__}") from error
        response.raw = io.BytesIO(body)
        # With "0" there the client would wait, and ask again for what it has.
        response.headers.pop("x-ratelimit-remaining", None)
        return response


def _body(response: requests.Response, url: str, ends_at: float) -> bytes:
    body = bytearray()
    for chunk in response.raw.stream(web.CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > web.MAX_ANSWER_BYTES:
            raise FeedError(f"{url} answers with more than {web.MAX_ANSWER_BYTES:,} bytes")
        if time.monotonic() > ends_at:
            raise FeedError(f"{url} takes more than {TOTAL_SECONDS:g} s to answer")
    return bytes(body)


def _patience(headers: Mapping[str, str]) -> dict[str, str]:
    """The header Retry-After; Coin Metrics has a name of its own for it."""
    return {"Retry-After": headers.get("Retry-After") or headers.get("x-ratelimit-reset") or ""}

"""Daily figures from Coin Metrics' ``/v4/timeseries/asset-metrics``, the one endpoint of its API that is used.

Its own Python client is not: it needs pandas, polars and pyarrow (475 MB), has no timeouts, and sleeps where it should
fail.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import aiohttp
import msgspec

from realtime_runtime.feeds import web
from realtime_runtime.feeds.supervision import FeedError
from strategy_core.market.decoding import UNREADABLE

PATH = "/v4/timeseries/asset-metrics"
# The feed never asks for more rows than one page holds; a server that sends shorter pages is followed for so many.
PAGE_ROWS = 1_000
MAX_PAGES = 10
# Coin Metrics has a name of its own for Retry-After.
WAIT_HEADERS = ("Retry-After", "x-ratelimit-reset")

Amount = Annotated[float, msgspec.Meta(ge=0, le=1e300)]


class UnreadableAnswerError(FeedError):
    """The answer is not what the API's documentation promises."""


class Day(msgspec.Struct):
    """One day of one asset; ``time`` is its beginning. Numbers come as text; what the plan lacks is absent."""

    asset: str
    time: datetime
    active_addresses: Amount | None = msgspec.field(name="AdrActCnt", default=None)
    transaction_volume: Amount | None = msgspec.field(name="TxTfrValAdjNtv", default=None)
    exchange_inflow: Amount | None = msgspec.field(name="FlowInExNtv", default=None)
    exchange_outflow: Amount | None = msgspec.field(name="FlowOutExNtv", default=None)


METRICS = tuple(field.encode_name for field in msgspec.structs.fields(Day) if field.encode_name != field.name)


class _Page(msgspec.Struct):
    data: list[Day]
    next_page_token: str | None = None


_decode = msgspec.json.Decoder(_Page, strict=False).decode


class CoinMetrics:
    """Asks one Coin Metrics address; the key may be empty (community plan)."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url.rstrip("/") + PATH
        self._key = {"api_key": api_key} if api_key else {}

    async def daily(self, session: aiohttp.ClientSession, assets: Sequence[str], days: int) -> list[Day]:
        """The last ``days`` days of each asset, in the order of the answer.

        Raises RateLimitedError, UnreadableAnswerError, and FeedError for all else; none of them holds the key.
        """
        parameters = {
            **self._key,
            "assets": ",".join(asset.lower() for asset in assets),
            "metrics": ",".join(METRICS),
            "frequency": "1d",
            "limit_per_asset": str(days),
            "page_size": str(PAGE_ROWS),
            "paging_from": "end",
            "format": "json",
            # What the plan does not include is left out, and does not make the request fail.
            "ignore_forbidden_errors": "true",
            "ignore_unsupported_errors": "true",
        }
        found: list[Day] = []
        for _ in range(MAX_PAGES):
            page = await self._page(session, parameters)
            found += page.data
            if not page.next_page_token:
                return found
            parameters["next_page_token"] = page.next_page_token
        raise UnreadableAnswerError(f"{self._url} answers with more than {MAX_PAGES} pages")

    async def _page(self, session: aiohttp.ClientSession, parameters: dict[str, str]) -> _Page:
        body = await web.get(session, self._url, parameters=parameters, wait_headers=WAIT_HEADERS)
        try:
            return _decode(body)
        except UNREADABLE as error:
            raise UnreadableAnswerError(f"{self._url} answers what makes no sense: {error}") from error

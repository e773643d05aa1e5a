"""The largest transfers to and from exchanges, from Whale Alert's ``/v1/transactions`` (a key is needed)."""

import time
from collections import defaultdict
from typing import Annotated

import aiohttp
import msgspec

from realtime_runtime.feeds import web
from realtime_runtime.feeds.supervision import FeedError
from strategy_core.market.decoding import UNREADABLE

DAY_SECONDS = 86_400
LEAST_VALUE_USD = 500_000
PAGE_TRANSFERS = 100
MAX_PAGES = 10
# What the plans without history allow to look back on.
LOOK_BACK_SECONDS = 3_600
DAYS_KEPT = 4

Amount = Annotated[float, msgspec.Meta(ge=0, le=1e300)]


class Largest(msgspec.Struct):
    """Largest transfers of a day, in coins; None where none has been seen."""

    to_exchange: float | None = None
    from_exchange: float | None = None


class _Side(msgspec.Struct):
    owner_type: str = ""


class _Transfer(msgspec.Struct):
    symbol: str
    timestamp: Annotated[int, msgspec.Meta(gt=0)]
    amount: Amount
    sender: _Side = msgspec.field(name="from", default_factory=_Side)
    receiver: _Side = msgspec.field(name="to", default_factory=_Side)


class _Page(msgspec.Struct):
    count: int = 0
    cursor: str = ""
    transactions: list[_Transfer] = []


_decode = msgspec.json.Decoder(_Page, strict=False).decode


class WhaleTransfers:
    """Follows the transfers, and knows the largest of each of the last days for as long as it has followed them."""

    def __init__(self, *, url: str, api_key: str) -> None:
        self._url = f"{url.rstrip('/')}/v1/transactions"
        self._headers = {"X-WA-API-KEY": api_key}
        self._days: defaultdict[tuple[str, int], Largest] = defaultdict(Largest)
        self._next_start = 0

    async def update(self, session: aiohttp.ClientSession) -> None:
        """Take in what has come since the last call. Raises FeedError."""
        now = int(time.time())
        start = max(self._next_start, now - LOOK_BACK_SECONDS)
        cursor = ""
        for _ in range(MAX_PAGES):
            page = await self._page(session, start, cursor)
            for transfer in page.transactions:
                self._take(transfer)
            cursor = page.cursor
            if page.count < PAGE_TRANSFERS or not cursor:
                break
        self._next_start = now
        oldest = now // DAY_SECONDS - DAYS_KEPT
        for key in [key for key in self._days if key[1] < oldest]:
            del self._days[key]

    def largest(self, asset: str, day_start_seconds: int) -> Largest:
        """The largest transfers of an asset on the day that starts then."""
        return self._days.get((asset, day_start_seconds // DAY_SECONDS), Largest())

    async def _page(self, session: aiohttp.ClientSession, start: int, cursor: str) -> _Page:
        parameters = {"start": str(start), "min_value": str(LEAST_VALUE_USD), "limit": str(PAGE_TRANSFERS)}
        if cursor:
            parameters["cursor"] = cursor
        body = await web.get(session, self._url, parameters=parameters, headers=self._headers)
        try:
            return _decode(body)
        except UNREADABLE as error:
            raise FeedError(f"{self._url} answers what makes no sense: {error}") from error

    def _take(self, transfer: _Transfer) -> None:
        is_to, is_from = transfer.receiver.owner_type == "exchange", transfer.sender.owner_type == "exchange"
        if is_to == is_from:
            return  # Between exchanges, or between others: no flow.
        day = self._days[transfer.symbol.upper(), transfer.timestamp // DAY_SECONDS]
        if is_to:
            day.to_exchange = max(day.to_exchange or 0.0, transfer.amount)
        else:
            day.from_exchange = max(day.from_exchange or 0.0, transfer.amount)

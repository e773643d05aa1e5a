"""Chain activity of bitcoin and ether by the day, from Coin Metrics' ``/v4/timeseries/asset-metrics``.

Its own Python client is not used: for this one request it would bring pandas, polars and pyarrow, several hundred
megabytes, into every installation. What the plan does not have (exchange flows, without a key) is absent.
"""

import asyncio
import time
from datetime import datetime
from typing import Annotated

import msgspec
import structlog

from realtime_runtime.feeds import web
from realtime_runtime.feeds.live_settings import ONCHAIN_ASSETS, OnchainSettings
from realtime_runtime.feeds.publishing import LivePublisher
from realtime_runtime.feeds.supervision import FeedError, Status
from realtime_runtime.feeds.whale_transfers import DAY_SECONDS, WhaleTransfers

SUBJECT = "market.onchain"
METRICS = "AdrActCnt,TxTfrValAdjNtv,FlowInExNtv,FlowOutExNtv"
# A day's figures come some hours after its end; later than this they are no news.
FRESH_SECONDS = 2 * DAY_SECONDS
# The news of a day come once: let the prices that a signal needs come first.
FIRST_DELAY_SECONDS = 10.0
SILENT_INTERVALS = 3
LEAST_SILENCE_SECONDS = 30.0
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e300)]

log = structlog.get_logger(__name__)


class _Day(msgspec.Struct):
    """One day of one asset; ``time`` is its beginning. Numbers come as text."""

    asset: str
    time: datetime
    active_addresses: Amount | None = msgspec.field(name="AdrActCnt", default=None)
    transaction_volume: Amount | None = msgspec.field(name="TxTfrValAdjNtv", default=None)
    exchange_inflow: Amount | None = msgspec.field(name="FlowInExNtv", default=None)
    exchange_outflow: Amount | None = msgspec.field(name="FlowOutExNtv", default=None)


class _Answer(msgspec.Struct):
    data: list[_Day]


_decode = msgspec.json.Decoder(_Answer, strict=False).decode


class OnchainSource:
    """Asks now and then, and publishes the last days in their order under the time at which each ended.

    Only the newest day is news, once; the days before it are sent each time, marked as history, so that a runtime that
    has just started finds its windows full without trading on what is long past.
    """

    def __init__(self, settings: OnchainSettings, publisher: LivePublisher) -> None:
        self.status = Status("onchain")
        self.silence_seconds = max(LEAST_SILENCE_SECONDS, SILENT_INTERVALS * settings.interval_seconds)
        self._settings = settings
        self._url = f"{settings.url.rstrip('/')}/v4/timeseries/asset-metrics"
        self._publisher = publisher
        self._newest: dict[str, int] = {}

    async def run(self) -> None:
        """Ask and publish for ever; raises FeedError where the answer cannot be had or used."""
        settings = self._settings
        await asyncio.sleep(min(FIRST_DELAY_SECONDS, settings.interval_seconds))
        async with web.new_session() as session:
            whales = None
            if settings.whale_api_key:
                whales = WhaleTransfers(session, url=settings.whale_url, api_key=settings.whale_api_key)
            while True:
                if whales is not None:
                    await whales.update()
                body = await web.get(session, self._url, parameters=self._parameters())
                await self._take(body, whales)
                await asyncio.sleep(settings.interval_seconds)

    def _parameters(self) -> dict[str, str]:
        parameters = {
            "assets": ",".join(asset.lower() for asset in ONCHAIN_ASSETS),
            "metrics": METRICS,
            "frequency": "1d",
            "limit_per_asset": str(self._settings.history_periods),
            "page_size": "1000",
            "paging_from": "end",
            "ignore_forbidden_errors": "true",
            "ignore_unsupported_errors": "true",
        }
        return parameters | ({"api_key": self._settings.api_key} if self._settings.api_key else {})

    async def _take(self, body: bytes, whales: WhaleTransfers | None) -> None:
        try:
            days = _decode(body).data
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.status.garbage += 1
            raise FeedError(f"{self._url} answers what makes no sense: {error}") from error
        self.status.heard()
        for asset in ONCHAIN_ASSETS:
            own = sorted((day for day in days if day.asset.upper() == asset), key=lambda day: day.time)
            if not own:
                log.warning("feed.onchain_absent", asset=asset)
                continue
            for day in own[:-1]:
                await self._publish(asset, day, whales, is_history=True)
            ends_at = int(own[-1].time.timestamp()) + DAY_SECONDS
            is_news = ends_at > self._newest.get(asset, 0) and 0 <= time.time() - ends_at <= FRESH_SECONDS
            await self._publish(asset, own[-1], whales, is_history=not is_news)
            self._newest[asset] = ends_at

    async def _publish(self, asset: str, day: _Day, whales: WhaleTransfers | None, *, is_history: bool) -> None:
        began_at = int(day.time.timestamp())
        message: dict[str, object] = {
            "asset": asset,
            "ts": (began_at + DAY_SECONDS) * 1_000,
            "source": "coinmetrics",
            "active_addresses": day.active_addresses,
            "transaction_volume": day.transaction_volume,
            "exchange_inflow": day.exchange_inflow,
            "exchange_outflow": day.exchange_outflow,
        }
        if whales is not None:
            largest = whales.largest(asset, began_at)
            message["largest_transfer_to_exchange"] = largest.to_exchange
            message["largest_transfer_from_exchange"] = largest.from_exchange
        message = {name: value for name, value in message.items() if value is not None}
        if is_history:
            message["history"] = True
        await self._publisher.publish(f"{SUBJECT}.{asset}", msgspec.json.encode(message))
        self.status.messages += 1

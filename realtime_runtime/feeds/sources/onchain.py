"""Chain activity of bitcoin and ether by the day, from Coin Metrics, through its own client.

What the plan does not have (exchange flows, without a key) is absent.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import aiohttp
import msgspec
import structlog

from realtime_runtime.feeds.live_settings import ONCHAIN_ASSETS, OnchainSettings
from realtime_runtime.feeds.publishing import LivePublisher
from realtime_runtime.feeds.sources import threads, web
from realtime_runtime.feeds.sources.whale_transfers import DAY_SECONDS, WhaleTransfers
from realtime_runtime.feeds.supervision import FeedError, RateLimitedError, Status
from strategy_core.market.messages import OnchainObservation
from strategy_core.market.observed import ObservedRecord, is_time

SUBJECT = "market.onchain"
METRICS = ("AdrActCnt", "TxTfrValAdjNtv", "FlowInExNtv", "FlowOutExNtv")
CLIENT = "realtime_runtime.feeds.sources.coinmetrics"
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


class OnchainSource:
    """Asks now and then, and publishes the last days in their order under the time at which each ended.

    Only the newest day is news, once; the days before it are sent each time, marked as history, so that a runtime that
    has just started finds its windows full without trading on what is long past.
    """

    def __init__(self, settings: OnchainSettings, publisher: LivePublisher) -> None:
        self.status = Status("onchain")
        self.silence_seconds = max(LEAST_SILENCE_SECONDS, SILENT_INTERVALS * settings.interval_seconds)
        self._settings = settings
        self._publisher = publisher
        self._newest: dict[str, int] = {}
        self._whales: WhaleTransfers | None = None
        if settings.whale_api_key:
            self._whales = WhaleTransfers(url=settings.whale_url, api_key=settings.whale_api_key)
        self._whales_rest_until = 0.0

    async def run(self) -> None:
        """Ask and publish for ever; raises FeedError where the answer cannot be had or used."""
        settings = self._settings
        await asyncio.sleep(min(FIRST_DELAY_SECONDS, settings.interval_seconds))
        # Imported here and not above: it takes seconds and much memory, which only this source shall cost.
        library = await threads.imported(CLIENT)
        self.status.begin()
        client = library.CoinMetrics(settings.url, settings.api_key)
        ask = partial(client.daily, [asset.lower() for asset in ONCHAIN_ASSETS], METRICS, settings.history_periods)
        try:
            async with web.new_session() as session:
                while True:
                    await self._follow_whales(session)
                    await self._take(await self._days(ask))
                    await asyncio.sleep(settings.interval_seconds)
        finally:
            client.close()

    async def _follow_whales(self, session: aiohttp.ClientSession) -> None:
        """Take in the latest transfers; where they cannot be had the other figures come without them."""
        if self._whales is None or time.monotonic() < self._whales_rest_until:
            return
        try:
            await self._whales.update(session)
        except FeedError as error:
            self.status.last_error = f"{type(error).__name__}: {error}"
            if isinstance(error, RateLimitedError):
                self._whales_rest_until = time.monotonic() + error.retry_after_seconds
                self.status.left_alone(error.retry_after_seconds)
            log.warning("feed.transfers_absent", error=self.status.last_error)

    async def _days(self, ask: Callable[[], list[dict[str, Any]]]) -> list[_Day]:
        try:
            return msgspec.convert(await threads.in_thread(ask, name="ask-coinmetrics"), list[_Day], strict=False)
        except ValueError as error:
            self.status.garbage += 1
            raise FeedError(f"Coin Metrics answers what makes no sense: {error}") from error

    async def _take(self, days: list[_Day]) -> None:
        self.status.heard()
        for asset in ONCHAIN_ASSETS:
            own = self._plausible(asset, [day for day in days if day.asset.upper() == asset])
            if not own:
                log.warning("feed.onchain_absent", asset=asset)
                continue
            for day in own[:-1]:
                await self._publish(asset, day, is_history=True)
            ends_at = int(own[-1].time.timestamp()) + DAY_SECONDS
            is_news = ends_at > self._newest.get(asset, 0) and 0 <= time.time() - ends_at <= FRESH_SECONDS
            await self._publish(asset, own[-1], is_history=not is_news)
            self._newest[asset] = ends_at

    def _plausible(self, asset: str, days: list[_Day]) -> list[_Day]:
        """The days in their order, without those of the future and those whose amounts cannot be."""
        record, now_ms = ObservedRecord(), time.time_ns() // 1_000_000
        taken = []
        for day in sorted(days, key=lambda day: day.time):
            observation = OnchainObservation(
                asset=asset,
                time_ms=(int(day.time.timestamp()) + DAY_SECONDS) * 1_000,
                active_addresses=day.active_addresses,
                transaction_volume=day.transaction_volume,
                exchange_inflow=day.exchange_inflow,
                exchange_outflow=day.exchange_outflow,
            )
            if is_time(observation.time_ms, now_ms) and record.takes_chain(observation):
                taken.append(day)
                continue
            self.status.implausible += 1
            self.status.last_error = f"the figures of {asset} for {day.time:%Y-%m-%d} cannot be"
            log.warning("feed.figure_refused", source=self.status.name, error=self.status.last_error)
        return taken

    async def _publish(self, asset: str, day: _Day, *, is_history: bool) -> None:
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
        if self._whales is not None:
            largest = self._whales.largest(asset, began_at)
            message["largest_transfer_to_exchange"] = largest.to_exchange
            message["largest_transfer_from_exchange"] = largest.from_exchange
        message = {name: value for name, value in message.items() if value is not None}
        if is_history:
            message["history"] = True
        await self._publisher.publish(f"{SUBJECT}.{asset}", msgspec.json.encode(message))
        self.status.messages += 1

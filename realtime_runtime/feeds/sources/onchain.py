"""Chain activity of bitcoin and ether by the day, from Coin Metrics.

What the plan does not have (exchange flows, without a key) is absent.
"""

import asyncio
import time
from typing import Annotated

import aiohttp
import msgspec
import structlog
from pydantic import BeforeValidator, Field

from realtime_runtime.feeds import web
from realtime_runtime.feeds.publishing import LivePublisher
from realtime_runtime.feeds.sources.coinmetrics import CoinMetrics, Day, UnreadableAnswerError
from realtime_runtime.feeds.sources.whale_transfers import DAY_SECONDS, WhaleTransfers
from realtime_runtime.feeds.supervision import FeedError, RateLimitedError, Status
from service_kit.environment import Environment, UpToADay, WebUrl, whole_number
from strategy_core.market.event_kinds import ONCHAIN
from strategy_core.market.messages import OnchainObservation
from strategy_core.market.observed import ObservedRecord, is_time

ONCHAIN_ASSETS = ("BTC", "ETH")
# A day's figures come some hours after its end; later than this they are no news.
FRESH_SECONDS = 2 * DAY_SECONDS
# The news of a day come once: let the prices that a signal needs come first.
FIRST_DELAY_SECONDS = 10.0
SILENT_INTERVALS = 3
LEAST_SILENCE_SECONDS = 30.0

log = structlog.get_logger(__name__)


class OnchainSettings(Environment):
    """Coin Metrics, and Whale Alert where there is a key for it."""

    api_key: str = Field("", validation_alias="COINMETRICS_API_KEY", repr=False)
    url: WebUrl = Field(
        default_factory=lambda data: (
            "https://api.coinmetrics.io" if data["api_key"] else "https://community-api.coinmetrics.io"
        ),
        validation_alias="COINMETRICS_URL",
    )
    whale_url: WebUrl = Field("https://api.whale-alert.io", validation_alias="WHALE_ALERT_URL")
    whale_api_key: str = Field("", validation_alias="WHALE_ALERT_API_KEY", repr=False)
    interval_seconds: UpToADay = Field(900.0, validation_alias="ONCHAIN_INTERVAL_SECONDS")
    history_periods: Annotated[int, BeforeValidator(whole_number(1, 336))] = Field(
        48, validation_alias="ONCHAIN_HISTORY_PERIODS"
    )


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
        self._coinmetrics = CoinMetrics(settings.url, settings.api_key)
        self._newest: dict[str, int] = {}
        self._whales: WhaleTransfers | None = None
        if settings.whale_api_key:
            self._whales = WhaleTransfers(url=settings.whale_url, api_key=settings.whale_api_key)
        self._whales_rest_until = 0.0

    async def run(self) -> None:
        """Ask and publish for ever; raises FeedError where the answer cannot be had or used."""
        settings = self._settings
        await asyncio.sleep(min(FIRST_DELAY_SECONDS, settings.interval_seconds))
        self.status.begin()
        async with web.new_session() as session:
            while True:
                await self._follow_whales(session)
                await self._take(await self._days(session))
                await asyncio.sleep(settings.interval_seconds)

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

    async def _days(self, session: aiohttp.ClientSession) -> list[Day]:
        try:
            return await self._coinmetrics.daily(session, ONCHAIN_ASSETS, self._settings.history_periods)
        except UnreadableAnswerError:
            self.status.garbage += 1
            raise

    async def _take(self, days: list[Day]) -> None:
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

    def _plausible(self, asset: str, days: list[Day]) -> list[Day]:
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

    async def _publish(self, asset: str, day: Day, *, is_history: bool) -> None:
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
        await self._publisher.publish(ONCHAIN.subject(asset), msgspec.json.encode(message))
        self.status.messages += 1

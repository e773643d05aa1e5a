"""Bitcoin's share of the total market capitalisation, from CoinGecko's ``/api/v3/global``."""

import asyncio
import time
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import structlog
from pydantic import Field

from realtime_runtime.feeds import web
from realtime_runtime.feeds.publishing import LivePublisher
from realtime_runtime.feeds.supervision import FeedError, Status
from service_kit.environment import Environment, UpToADay, WebUrl
from strategy_core.market.decoding import UNREADABLE
from strategy_core.market.event_kinds import DOMINANCE
from strategy_core.market.messages import Dominance
from strategy_core.market.observed import FUTURE_MS, ObservedRecord, is_time

# CoinGecko renews the figure every ten minutes.
STALE_SECONDS = 1_800.0
FUTURE_SECONDS = FUTURE_MS / 1_000
SILENT_INTERVALS = 3
LEAST_SILENCE_SECONDS = 30.0

log = structlog.get_logger(__name__)


class _Shares(msgspec.Struct):
    """Percent of the total market capitalisation."""

    btc: Annotated[float, msgspec.Meta(gt=0, lt=100)]


class _Global(msgspec.Struct):
    shares: _Shares = msgspec.field(name="market_cap_percentage")
    updated_at: Annotated[int, msgspec.Meta(gt=0)]


class _Answer(msgspec.Struct):
    data: _Global


_decode = msgspec.json.Decoder(_Answer).decode


class DominanceSettings(Environment):
    """CoinGecko, with or without a key."""

    url: WebUrl = Field("https://api.coingecko.com", validation_alias="COINGECKO_URL")
    api_key: str = Field("", validation_alias="COINGECKO_API_KEY", repr=False)
    interval_seconds: UpToADay = Field(300.0, validation_alias="DOMINANCE_INTERVAL_SECONDS")


class DominanceSource:
    """Asks every few minutes and publishes each figure once, under the time at which CoinGecko made it.

    A figure out of bounds, or away from the one before by a jump that the next ones do not confirm, is counted and not
    sent. A figure that is not renewed is not sent again; after half an hour log, readiness and metrics say that it is
    stale.
    """

    def __init__(self, settings: DominanceSettings, publisher: LivePublisher) -> None:
        self.status = Status("dominance", figure_limit_seconds=STALE_SECONDS)
        self.silence_seconds = max(LEAST_SILENCE_SECONDS, SILENT_INTERVALS * settings.interval_seconds)
        self._url = f"{settings.url.rstrip('/')}/api/v3/global"
        self._interval_seconds = settings.interval_seconds
        self._headers = _key_header(settings)
        self._publisher = publisher
        self._record = ObservedRecord()
        self._refused_at = 0

    async def run(self) -> None:
        """Ask and publish for ever; raises FeedError where the answer cannot be had or used."""
        async with web.new_session() as session:
            while True:
                body = await web.get(session, self._url, headers=self._headers)
                await self._take(body)
                await asyncio.sleep(self._interval_seconds)

    async def _take(self, body: bytes) -> None:
        try:
            figure = _decode(body).data
        except UNREADABLE as error:
            self.status.garbage += 1
            raise FeedError(f"{self._url} answers what makes no sense: {error}") from error
        age_seconds = time.time() - figure.updated_at
        if age_seconds < -FUTURE_SECONDS:
            raise FeedError(f"{self._url} answers a figure of {-age_seconds:.0f} s in the future")
        self.status.heard()
        if age_seconds > STALE_SECONDS:
            log.warning("feed.dominance_stale", age_seconds=round(age_seconds))
        if figure.updated_at <= self.status.figure_at or figure.updated_at == self._refused_at:
            self.status.repeated += 1
            return
        made_ms = figure.updated_at * 1_000
        if not is_time(made_ms, time.time_ns() // 1_000_000) or not self._record.takes_dominance(
            Dominance(figure.shares.btc, made_ms)
        ):
            self._refused_at = figure.updated_at
            self.status.implausible += 1
            self.status.last_error = f"a dominance of {figure.shares.btc:g} % of {figure.updated_at} cannot be"
            log.warning("feed.figure_refused", source=self.status.name, error=self.status.last_error)
            return
        self.status.figure_at = figure.updated_at
        observation = {"btc": figure.shares.btc, "ts": figure.updated_at * 1_000, "source": "coingecko"}
        await self._publisher.publish(DOMINANCE.subject(), msgspec.json.encode(observation))
        self.status.messages += 1


def _key_header(settings: DominanceSettings) -> dict[str, str]:
    """The header of the key: a paid plan's has an address of its own."""
    if not settings.api_key:
        return {}
    is_paid = (urlsplit(settings.url).hostname or "").startswith("pro-")
    return {"x-cg-pro-api-key" if is_paid else "x-cg-demo-api-key": settings.api_key}

"""What one process of the live feed consists of, for those who look at it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from realtime_runtime.feeds.binance.binance_sources import binance_sources
from realtime_runtime.feeds.live.live_settings import LiveSettings
from realtime_runtime.feeds.publishing import KEEP_SECONDS, LivePublisher
from realtime_runtime.feeds.sources.dominance import DominanceSource
from realtime_runtime.feeds.sources.exchanges import exchange_sources
from realtime_runtime.feeds.sources.onchain import OnchainSource
from realtime_runtime.feeds.supervision import Source
from service_kit.nats_connection import CheckedClient

PRICES = frozenset({"binance", "exchanges"})
"""The sources whose messages are worth nothing seconds later; figures of the other two hold for minutes or hours."""


@dataclass(frozen=True, slots=True)
class LiveFeed:
    """Its connection to NATS, a publisher for each name of FEED_SOURCES that is on, and all their sources."""

    client: CheckedClient
    publishers: Mapping[str, LivePublisher]
    sources: Sequence[Source]


def assemble(settings: LiveSettings, client: CheckedClient) -> LiveFeed:
    """The feed that the settings ask for; nothing runs yet."""
    publishers = {
        name: LivePublisher(client, keep_seconds=KEEP_SECONDS if name in PRICES else math.inf)
        for name in settings.feed.sources
    }
    return LiveFeed(client, publishers, list(_sources(settings, publishers)))


def _sources(settings: LiveSettings, publishers: Mapping[str, LivePublisher]) -> Iterator[Source]:
    for name, publisher in publishers.items():
        if name == "binance":
            yield from binance_sources(settings.binance, settings.feed.symbols, publisher)
        elif name == "exchanges":
            yield from exchange_sources(settings.exchanges, settings.feed.symbols, publisher)
        elif name == "dominance":
            yield DominanceSource(settings.dominance, publisher)
        else:
            yield OnchainSource(settings.onchain, publisher)

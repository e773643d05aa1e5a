"""The settings of the live feed, read once at start; each that cannot be used stops the start by its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field

from realtime_runtime.feeds.binance.binance_settings import BinanceSettings
from realtime_runtime.feeds.sources.dominance import DominanceSettings
from realtime_runtime.feeds.sources.exchanges import ExchangeSettings
from realtime_runtime.feeds.sources.onchain import OnchainSettings
from realtime_runtime.settings import NATS_URL, symbol_list
from service_kit.environment import LogSettings, NatsFiles, NatsUrl, Port, read_all, some_of

SOURCES = ("binance", "exchanges", "dominance", "onchain")
DEFAULT_SYMBOLS = frozenset({"BTCUSDT", "ETHUSDT"})


class FeedSettings(LogSettings, NatsFiles):
    """What runs, for which symbols, and where it is published."""

    sources: Annotated[tuple[str, ...], BeforeValidator(some_of(*SOURCES))] = Field(
        SOURCES, validation_alias="FEED_SOURCES"
    )
    trading_symbols: Annotated[frozenset[str], BeforeValidator(symbol_list)] = Field(
        DEFAULT_SYMBOLS, validation_alias="TRADING_SYMBOLS"
    )
    health_port: Port = Field(8083, validation_alias="FEED_HEALTH_PORT")
    nats_url: NatsUrl = Field(NATS_URL, validation_alias="NATS_URL", repr=False)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, in order."""
        return tuple(sorted(self.trading_symbols))


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """What one process of the live feed runs on."""

    feed: FeedSettings
    binance: BinanceSettings
    exchanges: ExchangeSettings
    dominance: DominanceSettings
    onchain: OnchainSettings


def read(environ: Mapping[str, str]) -> LiveSettings:
    """Read the settings; raises SettingsError with every variable that cannot be used."""
    return LiveSettings(
        **read_all(
            environ,
            feed=FeedSettings,
            binance=BinanceSettings,
            exchanges=ExchangeSettings,
            dominance=DominanceSettings,
            onchain=OnchainSettings,
        )
    )

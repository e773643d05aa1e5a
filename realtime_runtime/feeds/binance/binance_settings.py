"""The variables of Binance's feed."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from realtime_runtime.feeds.binance.streams import MARKETS, Endpoint
from realtime_runtime.settings import NATS_CONSUMER_TOPIC
from service_kit.environment import (
    ConsumerTopic,
    Environment,
    SocketUrl,
    UpToAnHour,
    WebUrl,
    items,
    number_between,
    one_of,
    some_of,
    whole_number,
)
from strategy_core.market.routing import UNUSED_TYPES, StreamUse, route_stream


def _stream_types(text: str) -> tuple[str, ...]:
    types = items(text)
    for stream_type in types:
        route = route_stream(f"btcusdt@{stream_type}")
        if route.use in {StreamUse.UNKNOWN, StreamUse.INVALID} or route.stream_type in UNUSED_TYPES - {"markPrice"}:
            raise ValueError(
                f"must be streams such as depth20@100ms,trade,ticker,markPrice@1s; no use for {stream_type}"
            )
    return types


class BinanceSettings(Environment):
    """Which markets and streams, and where they are.

    ``stream_types`` empty: the market's usual ones. With more than 20 ``book_levels`` or a ``book_speed`` of 0ms the
    books are built from differences; the exchange sends no such ones.
    """

    default_topic: ConsumerTopic = Field(NATS_CONSUMER_TOPIC, validation_alias="NATS_CONSUMER_TOPIC")
    markets: Annotated[tuple[str, ...], BeforeValidator(some_of(*MARKETS))] = Field(
        ("spot",), validation_alias="BINANCE_MARKETS"
    )
    spot_topic: ConsumerTopic = Field(
        default_factory=lambda data: data["default_topic"], validation_alias="BINANCE_SPOT_TOPIC"
    )
    usdm_topic: ConsumerTopic = Field(
        default_factory=lambda data: data["default_topic"],
        validation_alias="BINANCE_USDM_TOPIC",
        validate_default=True,
    )
    stream_types: Annotated[tuple[str, ...], BeforeValidator(_stream_types)] = Field(
        (), validation_alias="BINANCE_STREAMS"
    )
    book_levels: Annotated[int, BeforeValidator(whole_number(5, 1_000))] = Field(
        20, validation_alias="BINANCE_BOOK_LEVELS"
    )
    book_speed: Annotated[str, BeforeValidator(one_of("100ms", "0ms"))] = Field(
        "100ms", validation_alias="BINANCE_BOOK_SPEED"
    )
    spot_ws_url: SocketUrl = Field("wss://stream.binance.com:9443", validation_alias="BINANCE_SPOT_WS_URL")
    usdm_public_ws_url: SocketUrl = Field(
        "wss://fstream.binance.com/public", validation_alias="BINANCE_USDM_PUBLIC_WS_URL"
    )
    usdm_market_ws_url: SocketUrl = Field(
        "wss://fstream.binance.com/market", validation_alias="BINANCE_USDM_MARKET_WS_URL"
    )
    spot_rest_url: WebUrl = Field("https://api.binance.com", validation_alias="BINANCE_SPOT_REST_URL")
    usdm_rest_url: WebUrl = Field("https://fapi.binance.com", validation_alias="BINANCE_USDM_REST_URL")
    connection_seconds: Annotated[float, BeforeValidator(number_between(1, 86_400))] = Field(
        82_800.0, validation_alias="BINANCE_CONNECTION_SECONDS"
    )
    silence_seconds: UpToAnHour = Field(30.0, validation_alias="BINANCE_SILENCE_SECONDS")

    @field_validator("usdm_topic")
    @classmethod
    def _check_topics(cls, topic: str, info: ValidationInfo) -> str:
        # Their streams have the same names: mixed, they would be one market with two prices.
        if len(info.data.get("markets", ())) > 1 and topic == info.data.get("spot_topic"):
            raise ValueError("must differ from the spot topic if BINANCE_MARKETS has both")
        return topic

    @field_validator("book_speed")
    @classmethod
    def _check_speed(cls, speed: str, info: ValidationInfo) -> str:
        if speed == "0ms" and "spot" in info.data.get("markets", ()):
            raise ValueError("must be 100ms on spot; only usdm has 0ms")
        return speed

    @property
    def topics(self) -> Mapping[str, str]:
        """The NATS topic of each market."""
        return {"spot": self.spot_topic, "usdm": self.usdm_topic}

    @property
    def websocket_urls(self) -> Mapping[tuple[str, Endpoint], str]:
        """Where each market's streams are."""
        return {
            ("spot", "public"): self.spot_ws_url,
            ("usdm", "public"): self.usdm_public_ws_url,
            ("usdm", "market"): self.usdm_market_ws_url,
        }

    @property
    def rest_urls(self) -> Mapping[str, str]:
        """Where each market answers HTTP requests."""
        return {"spot": self.spot_rest_url, "usdm": self.usdm_rest_url}

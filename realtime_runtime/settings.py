"""The runtime's settings, read once at start from the environment that is handed in.

A variable of the infrastructure that cannot be used stops the start by name. A variable of a strategy never does:
it is left out of the environment layer and reported, because a trading process outlives a typing mistake.
"""

import json
import math
import os
import re
import socket
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any
from zlib import crc32

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from realtime_runtime.config.condition import ColdStart
from service_kit.environment import (
    AsItIs,
    Certificates,
    ConsumerTopic,
    LogAndTraceSettings,
    NatsFiles,
    NatsUrl,
    Port,
    Subject,
    Switch,
    Word,
    items,
    number_between,
    one_of,
    subject,
    url_with,
    whole_number,
)
from service_kit.logs import LogFormat
from service_kit.redis_url import trusting
from strategy_core.configuration.environment_layer import EnvironmentLayer, EnvironmentProblem, read_environment
from strategy_core.configuration.parameter_values import StrategyClass
from strategy_core.configuration.runtime_reports import HEARTBEAT_TTL_SECONDS
from strategy_core.configuration.unread import UnreadVariable, unread_variables
from strategy_core.market.symbols import is_symbol
from strategy_core.strategies.registry import STRATEGIES

NATS_URL = "nats://localhost:4222"
NATS_CONSUMER_TOPIC = "binance.websocket.data"
HALT_SECRET_LENGTH = 16

_POD_ORDINAL = re.compile(r"-(\d+)\Z")
_ORDINAL_TOKEN = "{ordinal}"  # noqa: S105  (no secret)
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193


def symbol_list(text: str) -> frozenset[str]:
    """Parses symbols separated by commas, in any case."""
    symbols = {symbol.upper() for symbol in items(text)}
    bad = sorted(symbol for symbol in symbols if not is_symbol(symbol))
    if bad:
        raise ValueError(f"must be symbols separated by commas (BTCUSDT,ETHUSDT); not a symbol: {', '.join(bad)}")
    return frozenset(symbols)


def _intents_topic(text: str) -> str:
    """Parses the beginning of the signals' subjects. Readers write it with a wildcard at the end, which is cut."""
    return subject(re.sub(r"\.[*>]\Z", "", text))


def _halt_secret(text: str) -> str:
    if text and len(text) < HALT_SECRET_LENGTH:
        raise ValueError(f"must have at least {HALT_SECRET_LENGTH} characters")
    return text


Seconds = Annotated[float, BeforeValidator(number_between(0, 86_400))]


class Settings(LogAndTraceSettings, NatsFiles):
    """What one runtime process runs on. URLs may hold passwords: they are never logged or shown."""

    environment: str = Field("development", validation_alias="ENVIRONMENT")
    host: str = Field(default_factory=socket.gethostname, validation_alias="HOSTNAME")
    redis_server_url: Annotated[str, AfterValidator(url_with("redis", "rediss", "unix"))] = Field(
        default_factory=lambda data: _outside_production(data, "redis://localhost:6379/0"),
        validation_alias="REDIS_URL",
        validate_default=True,
        repr=False,
    )
    redis_ca_file: Certificates = Field("", validation_alias="REDIS_CA_FILE")
    redis_key_prefix: Word = Field("strategies", validation_alias="REDIS_KEY_PREFIX")
    config_cache_ttl_seconds: Annotated[float, BeforeValidator(number_between(1, 86_400))] = Field(
        60.0, validation_alias="CONFIG_CACHE_TTL_SECONDS"
    )
    config_snapshot_path: Path = Field(Path("var/config-snapshot.json"), validation_alias="CONFIG_SNAPSHOT_PATH")
    halts_path: Path = Field(
        default_factory=lambda data: data["config_snapshot_path"].with_suffix(".halts.json"),
        validation_alias="HALTS_PATH",
    )
    halt_secret: Annotated[str, AfterValidator(_halt_secret)] = Field("", validation_alias="HALT_SECRET", repr=False)
    halt_trusts_broker: Switch = Field(False, validation_alias="HALT_TRUST_BROKER")
    nats_topic_control: Subject = Field(
        default_factory=lambda data: f"control.{data['redis_key_prefix']}", validation_alias="NATS_TOPIC_CONTROL"
    )
    cold_start: Annotated[ColdStart, BeforeValidator(one_of("defaults", "hold"))] = Field(
        "defaults", validation_alias="COLD_START"
    )
    cold_start_wait_seconds: Annotated[float, BeforeValidator(number_between(0, 3_600))] = Field(
        30.0, validation_alias="COLD_START_WAIT_SECONDS"
    )
    nats_url: NatsUrl = Field(
        default_factory=lambda data: _outside_production(data, NATS_URL),
        validation_alias="NATS_URL",
        validate_default=True,
        repr=False,
    )
    nats_topic_pattern: ConsumerTopic = Field(NATS_CONSUMER_TOPIC, validation_alias="NATS_CONSUMER_TOPIC")
    nats_consumer_name: Word = Field("realtime-strategies", validation_alias="NATS_CONSUMER_NAME")
    nats_topic_intents: Annotated[str, AfterValidator(_intents_topic)] = Field(
        "cio.intent.trading", validation_alias="NATS_TOPIC_INTENTS"
    )
    nats_topic_simulated_intents: Subject = Field(
        default_factory=lambda data: f"simulated.{data['nats_topic_intents']}",
        validation_alias="NATS_TOPIC_SIMULATED_INTENTS",
    )
    trading_symbols: Annotated[frozenset[str], BeforeValidator(symbol_list)] = Field(
        frozenset(), validation_alias="TRADING_SYMBOLS"
    )
    replicas: Annotated[int, BeforeValidator(whole_number(1, 1_000))] = Field(1, validation_alias="RUNTIME_REPLICAS")
    ordinal: int = Field(
        default_factory=lambda data: _pod_ordinal(data["host"]),
        validation_alias="RUNTIME_ORDINAL",
        validate_default=True,
    )
    health_check_port: Port = Field(8081, validation_alias="HEALTH_CHECK_PORT")
    message_ttl_seconds: Seconds = Field(60.0, validation_alias="MESSAGE_TTL_SECONDS")
    signal_ttl_seconds: Seconds = Field(
        default_factory=lambda data: data["message_ttl_seconds"], validation_alias="SIGNAL_TTL_SECONDS"
    )
    heartbeat_interval_seconds: Annotated[float, BeforeValidator(number_between(0.1, 3_600))] = Field(
        5.0, validation_alias="HEARTBEAT_INTERVAL_SECONDS"
    )
    strategies: Annotated[Mapping[str, StrategyClass], AsItIs()]
    strategy_environment: Annotated[Mapping[str, EnvironmentLayer], AsItIs()]
    unread_variables: Annotated[tuple[UnreadVariable, ...], AsItIs()]

    @field_validator("ordinal", mode="before")
    @classmethod
    def _check_ordinal(cls, text: Any, info: ValidationInfo) -> int:
        replicas = info.data.get("replicas", 1)
        return 0 if replicas == 1 else whole_number(0, replicas - 1)(text)

    @property
    def instance_id(self) -> str:
        """Names this process among all."""
        return f"{self.host}-{os.getpid()}"

    @property
    def redis_url(self) -> str:
        """The URL of Redis, with the certificates that are trusted."""
        return trusting(self.redis_server_url, self.redis_ca_file)

    @property
    def nats_consumer_topic(self) -> str:
        """Where the market's messages come from, this replica's own share of them where NATS deals them out."""
        return self.nats_topic_pattern.replace(_ORDINAL_TOKEN, str(self.ordinal))

    @property
    def is_partitioned_by_nats(self) -> bool:
        """Whether NATS deals the market's messages out to the replicas."""
        return _ORDINAL_TOKEN in self.nats_topic_pattern

    @property
    def share_name(self) -> str:
        """Names what this runtime trades, the same for each runtime that trades the same: only one of them emits.

        What sets a share apart: its number, the listed symbols, where the market comes from and where signals go.
        """
        parts = [self.replicas, sorted(self.trading_symbols), self.nats_consumer_topic, self.nats_topic_intents]
        digest = sha256(json.dumps(parts).encode()).hexdigest()[:8]
        return f"{self.ordinal}-{digest}"

    @property
    def share_subject(self) -> str:
        """Where the holder of the share answers for it."""
        return f"{self.nats_topic_control}.share.{self.share_name}"

    @property
    def heartbeat_ttl_seconds(self) -> int:
        """How long a heartbeat counts: three intervals at least, so that lost writes do not end a living runtime."""
        return max(HEARTBEAT_TTL_SECONDS, math.ceil(3 * self.heartbeat_interval_seconds))

    @property
    def environment_problems(self) -> tuple[EnvironmentProblem, ...]:
        """The strategies' variables that were left out."""
        return tuple(problem for layer in self.strategy_environment.values() for problem in layer.problems)

    def owns_symbol(self, symbol: str) -> bool:
        """Whether this replica trades on the symbol: listed (or none is) and in its share.

        The shares go by CRC-32; where NATS deals the messages out (``is_partitioned_by_nats``), by the hash of its
        ``partition()``, because observations come to every replica and must find the one with the symbol's market.
        """
        if self.trading_symbols and symbol not in self.trading_symbols:
            return False
        number = _fnv_1a(symbol.encode()) if self.is_partitioned_by_nats else crc32(symbol.encode())
        return self.replicas == 1 or number % self.replicas == self.ordinal


def read(environ: Mapping[str, str], *, default_log_format: LogFormat = "json") -> Settings:
    """Read the settings; raises SettingsError with every unusable variable of the infrastructure at once."""
    return Settings.from_environ(
        with_log_format(environ, default_log_format),
        strategies=STRATEGIES,
        strategy_environment=MappingProxyType(
            {strategy_id: read_environment(strategy, environ) for strategy_id, strategy in STRATEGIES.items()}
        ),
        unread_variables=unread_variables(environ),
    )


def with_log_format(environ: Mapping[str, str], log_format: LogFormat) -> Mapping[str, str]:
    """The environment, with this format of the logs where it names none."""
    return {**environ, "LOG_FORMAT": environ.get("LOG_FORMAT", "").strip() or log_format}


def _outside_production(data: Mapping[str, Any], default: str) -> str:
    """A server on this host, except in production, where it has to be named."""
    return "" if data["environment"] == "production" else default


def _pod_ordinal(host: str) -> str:
    """The number at the end of the name that a pod of a StatefulSet has."""
    pod = _POD_ORDINAL.search(host)
    return pod.group(1) if pod else ""


def _fnv_1a(text: bytes) -> int:
    """The 32-bit FNV-1a hash, by which ``partition()`` of nats-server chooses."""
    number = _FNV_OFFSET
    for byte in text:
        number = (number ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return number

"""The runtime's settings, read once at start from the environment that is handed in.

A variable of the infrastructure that cannot be used stops the start by name. A variable of a strategy never does:
it is left out of the environment layer and reported, because a trading process outlives a typing mistake.
"""

import json
import math
import os
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, cast
from urllib.parse import urlsplit
from zlib import crc32

from realtime_runtime.config.condition import ColdStart
from service_kit.logs import LogFormat
from service_kit.nats_connection import NatsAccess, problem_with_creds, problem_with_nkey_seed
from service_kit.redis_url import trusting
from service_kit.tracing import PROTOCOLS
from strategy_core.configuration.layers import EnvironmentLayer, EnvironmentProblem, StrategyClass, read_environment
from strategy_core.configuration.unread import UnreadVariable, unread_variables
from strategy_core.configuration.wire import HEARTBEAT_TTL_SECONDS
from strategy_core.market.symbols import is_symbol
from strategy_core.strategies.registry import STRATEGIES

NATS_URL = "nats://localhost:4222"
NATS_CONSUMER_TOPIC = "binance.websocket.data"
HALT_SECRET_LENGTH = 16
T = TypeVar("T")

_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_POD_ORDINAL = re.compile(r"-(\d+)\Z")
_ORDINAL_TOKEN = "{ordinal}"  # noqa: S105  (no secret)
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193


class SettingsError(Exception):
    """Variables that stop the start; ``problems`` maps each name to what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{name}: {message}" for name, message in self.problems.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one runtime process runs on. URLs may hold passwords: they are never logged or shown."""

    environment: str
    instance_id: str
    host: str
    redis_url: str = field(repr=False)
    redis_key_prefix: str
    config_cache_ttl_seconds: float
    config_snapshot_path: Path
    halts_path: Path
    halt_secret: str = field(repr=False)
    halt_trusts_broker: bool
    nats_topic_control: str
    cold_start: ColdStart
    cold_start_wait_seconds: float
    nats_url: str = field(repr=False)
    nats_access: NatsAccess
    nats_consumer_topic: str
    nats_consumer_name: str
    nats_topic_intents: str
    nats_topic_simulated_intents: str
    trading_symbols: frozenset[str]
    replicas: int
    ordinal: int
    is_partitioned_by_nats: bool
    health_check_port: int
    message_ttl_seconds: float
    signal_ttl_seconds: float
    heartbeat_interval_seconds: float
    log_level: str
    log_format: LogFormat
    strategies: Mapping[str, StrategyClass]
    strategy_environment: Mapping[str, EnvironmentLayer]
    unread_variables: tuple[UnreadVariable, ...]

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
    reader = Reader(environ)
    host = environ.get("HOSTNAME", "").strip() or socket.gethostname()
    replicas = reader.get("RUNTIME_REPLICAS", "1", whole_number(1, 1_000))
    environment = reader.get("ENVIRONMENT", "development", str)
    is_production = environment == "production"
    ordinal = _read_ordinal(reader, host, replicas)
    snapshot_path = Path(reader.get("CONFIG_SNAPSHOT_PATH", "var/config-snapshot.json", str))
    prefix = reader.get("REDIS_KEY_PREFIX", "strategies", _word)
    topic = reader.get("NATS_CONSUMER_TOPIC", NATS_CONSUMER_TOPIC, consumer_topic)
    intents = reader.get("NATS_TOPIC_INTENTS", "cio.intent.trading", _intents_topic)
    message_ttl_seconds = reader.get("MESSAGE_TTL_SECONDS", "60", number_between(0, 86_400))
    settings = Settings(
        environment=environment,
        instance_id=f"{host}-{os.getpid()}",
        host=host,
        redis_url=_read_redis_url(reader, "" if is_production else "redis://localhost:6379/0"),
        redis_key_prefix=prefix,
        config_cache_ttl_seconds=reader.get("CONFIG_CACHE_TTL_SECONDS", "60", number_between(1, 86_400)),
        config_snapshot_path=snapshot_path,
        halts_path=Path(reader.get("HALTS_PATH", str(snapshot_path.parent / f"{snapshot_path.stem}.halts.json"), str)),
        halt_secret=reader.get("HALT_SECRET", "", _halt_secret),
        halt_trusts_broker=reader.get("HALT_TRUST_BROKER", "0", _switch),
        nats_topic_control=reader.get("NATS_TOPIC_CONTROL", f"control.{prefix}", _subject),
        cold_start=reader.get("COLD_START", "defaults", _cold_start),
        cold_start_wait_seconds=reader.get("COLD_START_WAIT_SECONDS", "30", number_between(0, 3_600)),
        nats_url=reader.get("NATS_URL", "" if is_production else NATS_URL, nats_server_url),
        nats_access=read_nats_access(reader),
        nats_consumer_topic=(topic or "").replace(_ORDINAL_TOKEN, str(ordinal)),
        nats_consumer_name=reader.get("NATS_CONSUMER_NAME", "realtime-strategies", _word),
        nats_topic_intents=intents,
        nats_topic_simulated_intents=reader.get("NATS_TOPIC_SIMULATED_INTENTS", f"simulated.{intents}", _subject),
        trading_symbols=reader.get("TRADING_SYMBOLS", "", symbol_list),
        replicas=replicas,
        ordinal=ordinal,
        is_partitioned_by_nats=_ORDINAL_TOKEN in (topic or ""),
        health_check_port=reader.get("HEALTH_CHECK_PORT", "8081", whole_number(0, 65_535)),
        message_ttl_seconds=message_ttl_seconds,
        signal_ttl_seconds=reader.get("SIGNAL_TTL_SECONDS", str(message_ttl_seconds or 0), number_between(0, 86_400)),
        heartbeat_interval_seconds=reader.get("HEARTBEAT_INTERVAL_SECONDS", "5", _heartbeat_interval),
        log_level=reader.get("LOG_LEVEL", "INFO", _log_level),
        log_format=reader.get("LOG_FORMAT", default_log_format, _log_format),
        strategies=STRATEGIES,
        strategy_environment=MappingProxyType(
            {strategy_id: read_environment(strategy, environ) for strategy_id, strategy in STRATEGIES.items()}
        ),
        unread_variables=unread_variables(environ),
    )
    reader.get("OTEL_EXPORTER_OTLP_PROTOCOL", PROTOCOLS[0], _trace_protocol)
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


def read_logging(environ: Mapping[str, str], *, default_log_format: LogFormat) -> tuple[str, LogFormat]:
    """(level, format) of the logs alone, for processes that need no more; raises SettingsError."""
    reader = Reader(environ)
    chosen = (
        reader.get("LOG_LEVEL", "INFO", _log_level),
        reader.get("LOG_FORMAT", default_log_format, _log_format),
    )
    if reader.problems:
        raise SettingsError(reader.problems)
    return chosen


def _read_redis_url(reader: "Reader", default: str) -> str:
    url = reader.get("REDIS_URL", default, url_with("redis", "rediss", "unix"))
    ca_file = reader.get("REDIS_CA_FILE", "", _ca_file)
    return url if reader.problems else trusting(url, ca_file)


def read_nats_access(reader: "Reader") -> NatsAccess:
    """How this process proves itself to NATS, for the runtime and the feeds."""
    return NatsAccess(
        ca_file=reader.get("NATS_CA_FILE", "", _ca_file),
        creds_file=reader.get("NATS_CREDS_FILE", "", _file_without(problem_with_creds)),
        nkey_seed_file=reader.get("NATS_NKEY_SEED_FILE", "", _file_without(problem_with_nkey_seed)),
    )


class Reader:
    """Reads variables one by one and collects what cannot be used."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: dict[str, str] = {}

    def get(self, name: str, default: str, parse: Callable[[str], T]) -> T:
        """The parsed variable; an empty one counts as not set. After a problem the value is meaningless."""
        text = self._environ.get(name, "").strip() or default
        try:
            return parse(text)
        except ValueError as exception:
            self.problems[name] = str(exception)
            return cast(T, None)


def _read_ordinal(reader: Reader, host: str, replicas: int) -> int:
    if "RUNTIME_REPLICAS" in reader.problems or replicas == 1:
        return 0
    pod = _POD_ORDINAL.search(host)
    return reader.get("RUNTIME_ORDINAL", pod.group(1) if pod else "", whole_number(0, replicas - 1))


def _fnv_1a(text: bytes) -> int:
    """The 32-bit FNV-1a hash, by which ``partition()`` of nats-server chooses."""
    number = _FNV_OFFSET
    for byte in text:
        number = (number ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return number


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Parses a whole number in a range, both ends included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not minimum <= int(text) <= maximum:
            raise ValueError(f"must be a whole number between {minimum} and {maximum}, not {text!r}")
        return int(text)

    return parse


def number_between(minimum: float, maximum: float) -> Callable[[str], float]:
    """Parses a number in a range, both ends included; never NaN."""

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not minimum <= number <= maximum:
            raise ValueError(f"must be a number between {minimum:g} and {maximum:g}, not {text!r}")
        return number

    return parse


def _heartbeat_interval(text: str) -> float:
    return number_between(0.1, 3_600)(text)


def url_with(*schemes: str) -> Callable[[str], str]:
    """Parses a URL of one of the schemes. The value itself is not repeated in the message: it may hold a password."""

    def parse(text: str) -> str:
        parts = urlsplit(text)
        try:
            is_complete = parts.scheme == "unix" or (bool(parts.hostname) and parts.port != 0)
        except ValueError:
            is_complete = False
        if parts.scheme not in schemes or not is_complete:
            raise ValueError(f"must be a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return text

    return parse


nats_server_url = url_with("nats", "tls", "ws", "wss")


def _file(text: str) -> str:
    if text and not os.access(text, os.R_OK):
        raise ValueError("must be a file that this process can read")
    return text


def _file_without(problem_with: Callable[[Path], str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if _file(text) and (problem := problem_with(Path(text))):
            raise ValueError(problem)
        return text

    return parse


def _ca_file(text: str) -> str:
    try:
        if _file(text):
            ssl.create_default_context(cafile=text)
    except ssl.SSLError:
        raise ValueError("must be a file of certificates in PEM") from None
    return text


def _subject(text: str) -> str:
    if not re.fullmatch(r"[^\s.*>]+(\.[^\s.*>]+)*", text):
        raise ValueError(f"must be a NATS subject without wildcards, not {text!r}")
    return text


def _intents_topic(text: str) -> str:
    """Parses the beginning of the signals' subjects. Readers write it with a wildcard at the end, which is cut."""
    return _subject(re.sub(r"\.[*>]\Z", "", text))


def consumer_topic(text: str) -> str:
    """Parses a NATS subject, or one that ends in ``.>``."""
    try:
        _subject(text.removesuffix(".>"))
    except ValueError:
        raise ValueError(f"must be a NATS subject, or one that ends in '.>', not {text!r}") from None
    return text


def _halt_secret(text: str) -> str:
    if text and len(text) < HALT_SECRET_LENGTH:
        raise ValueError(f"must have at least {HALT_SECRET_LENGTH} characters")
    return text


def _switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(f"must be 0 or 1, not {text!r}")
    return text == "1"


def _word(text: str) -> str:
    if re.search(r"\s", text):
        raise ValueError(f"must not contain spaces, not {text!r}")
    return text


def symbol_list(text: str) -> frozenset[str]:
    """Parses symbols separated by commas, in any case."""
    symbols = {symbol.strip().upper() for symbol in text.split(",") if symbol.strip()}
    bad = sorted(symbol for symbol in symbols if not is_symbol(symbol))
    if bad:
        raise ValueError(f"must be symbols separated by commas (BTCUSDT,ETHUSDT); not a symbol: {', '.join(bad)}")
    return frozenset(symbols)


def _log_level(text: str) -> str:
    if text.upper() not in _LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(_LOG_LEVELS)}, not {text!r}")
    return text.upper()


def _trace_protocol(text: str) -> str:
    if text not in PROTOCOLS:
        raise ValueError(f"must be {' or '.join(PROTOCOLS)}, not {text!r}")
    return text


def _cold_start(text: str) -> ColdStart:
    if text not in {"defaults", "hold"}:
        raise ValueError(f"must be defaults or hold, not {text!r}")
    return cast(ColdStart, text)


def _log_format(text: str) -> LogFormat:
    """The original's word for what is for people is "text"."""
    if text not in {"json", "console", "text"}:
        raise ValueError(f"must be json or console, not {text!r}")
    return "json" if text == "json" else "console"

"""The only reader of the environment on the site. The start fails with the names of all unusable variables."""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, NamedTuple, TypeVar

from django.core.exceptions import ImproperlyConfigured
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from configsite.settings import database, mongodb
from service_kit.environment import (
    Environment,
    Items,
    LogAndTraceSettings,
    ReadableFile,
    SettingsError,
    Switch,
    items,
    whole_number,
)

SECRET_KEY_LENGTH = 50
SECRET_KEY_CHARACTERS = 10
YEAR_SECONDS = 365 * 24 * 3_600
RIGHTS = ("read", "write", "stop")
T = TypeVar("T", bound=Environment)
_PRODUCTION = "configsite.settings.production"
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)


class Grant(NamedTuple):
    """A right granted to every caller from a network, or (None) from anywhere."""

    right: str
    network: IPv4Network | IPv6Network | None

    def __str__(self) -> str:
        return self.right if self.network is None else f"{self.right}@{self.network}"


def grants(text: str) -> tuple[Grant, ...]:
    """Parses ``none``, or a comma-separated list of ``right`` and ``right@network``: ``read, stop@10.1.0.0/16``."""
    given = items(text)
    if [item.lower() for item in given] in ([], ["none"]):
        return ()
    found = []
    for item in given:
        right, separator, network = (part.strip() for part in item.partition("@"))
        if right.lower() not in RIGHTS:
            raise ValueError(f"must be none, or a list of {', '.join(RIGHTS)}, each with @network; not {item!r}")
        try:
            found.append(Grant(right.lower(), ip_network(network) if separator else None))
        except ValueError as exception:
            raise ValueError(f"must name networks like 10.0.0.0/8, not {item!r}: {exception}") from None
    return tuple(found)


def pairs(text: str) -> dict[str, str]:
    """Parses a comma-separated list of ``key=value``."""
    found = {}
    for item in items(text):
        key, separator, value = item.partition("=")
        if not separator or not key.strip() or not value.strip():
            # The values are addresses, which may hold passwords.
            raise ValueError("must be a list of name=value")
        found[key.strip()] = value.strip()
    return found


def header(text: str) -> tuple[str, str] | None:
    """Parses ``Header-Name=value`` into Django's form, ("HTTP_HEADER_NAME", "value"); ``none``: no header."""
    if text.lower() == "none":
        return None
    key, separator, value = text.partition("=")
    if not separator or not key.strip() or not value.strip():
        raise ValueError(f"must be Header-Name=value or none, not {text!r}")
    return f"HTTP_{key.strip().upper().replace('-', '_')}", value.strip()


def header_names(text: str) -> tuple[str, ...]:
    """Parses a comma-separated list of headers, each as WSGI names it: ``X-My-Token`` is "HTTP_X_MY_TOKEN"."""
    found = []
    for item in items(text):
        if _HEADER.fullmatch(item) is None:
            raise ValueError(f"must be a list of header names, and {item!r} is not one")
        found.append(f"HTTP_{item.upper().replace('-', '_')}")
    return tuple(found)


Count = Annotated[int, BeforeValidator(whole_number(0))]
PositiveCount = Annotated[int, BeforeValidator(whole_number(1))]
Hosts = Annotated[tuple[str, ...], BeforeValidator(items)]


class SiteEnvironment(LogAndTraceSettings):
    """The variables of every process of the site. URLs may hold passwords: they are never shown."""

    debug: Switch = Field(False, validation_alias="DEBUG")
    secret_key: str = Field(
        default_factory=lambda data: "for development only, never in production" if data["debug"] else "",
        validation_alias="SECRET_KEY",
        validate_default=True,
        repr=False,
    )
    allowed_hosts: Hosts = Field(("localhost", "127.0.0.1", "[::1]"), validation_alias="ALLOWED_HOSTS")
    environment: str = Field("development", validation_alias="ENVIRONMENT")

    mongodb_timeout_ms: Annotated[int, BeforeValidator(whole_number(100))] = Field(
        5_000, validation_alias="MONGODB_TIMEOUT_MS"
    )
    mongodb_database: str = Field("petrosa", validation_alias="MONGODB_DATABASE")
    mongodb_uri: Annotated[str, AfterValidator(mongodb.checked)] = Field("", validation_alias="MONGODB_URI", repr=False)
    # Ignored if MONGODB_URI names the database.
    database_url: str = Field(database.EMBEDDED_URL, validation_alias="DATABASE_URL", validate_default=True, repr=False)
    # For `import_legacy`, which checks it.
    legacy_mongodb_uri: str = Field("", validation_alias="LEGACY_MONGODB_URI", repr=False)

    redis_url: str = Field("redis://localhost:6379/0", validation_alias="REDIS_URL", repr=False)
    redis_ca_file: ReadableFile = Field("", validation_alias="REDIS_CA_FILE")
    redis_key_prefix: str = Field("strategies", validation_alias="REDIS_KEY_PREFIX")
    config_cache_ttl_seconds: PositiveCount = Field(60, validation_alias="CONFIG_CACHE_TTL_SECONDS")
    worker_metrics_port: Count = Field(0, validation_alias="WORKER_METRICS_PORT")
    nats_url: str = Field("nats://localhost:4222", validation_alias="NATS_URL", repr=False)
    nats_ca_file: ReadableFile = Field("", validation_alias="NATS_CA_FILE")
    nats_creds_file: ReadableFile = Field("", validation_alias="NATS_CREDS_FILE")
    nats_nkey_seed_file: ReadableFile = Field("", validation_alias="NATS_NKEY_SEED_FILE")
    nats_topic_control: str = Field(
        default_factory=lambda data: f"control.{data['redis_key_prefix']}", validation_alias="NATS_TOPIC_CONTROL"
    )
    halt_secret: str = Field("", validation_alias="HALT_SECRET", repr=False)
    halt_trusts_broker: Switch = Field(False, validation_alias="HALT_TRUST_BROKER")

    api_anonymous: Annotated[tuple[Grant, ...], BeforeValidator(grants)] = Field((), validation_alias="API_ANONYMOUS")
    api_token_headers: Annotated[tuple[str, ...], BeforeValidator(header_names)] = Field(
        (), validation_alias="API_TOKEN_HEADERS"
    )
    conflict_check_urls: Annotated[dict[str, str], BeforeValidator(pairs)] = Field(
        default_factory=dict, validation_alias="CONFLICT_CHECK_URLS", repr=False
    )

    login_failures_per_user: PositiveCount = Field(5, validation_alias="LOGIN_FAILURES_PER_USER")
    login_failures_per_address: PositiveCount = Field(50, validation_alias="LOGIN_FAILURES_PER_ADDRESS")
    login_lockout_seconds: PositiveCount = Field(900, validation_alias="LOGIN_LOCKOUT_SECONDS")
    rate_limit_reads_per_second: Count = Field(500, validation_alias="RATE_LIMIT_READS_PER_SECOND")
    rate_limit_reads_burst: PositiveCount = Field(1_000, validation_alias="RATE_LIMIT_READS_BURST")
    rate_limit_writes_per_second: Count = Field(20, validation_alias="RATE_LIMIT_WRITES_PER_SECOND")
    rate_limit_writes_burst: PositiveCount = Field(100, validation_alias="RATE_LIMIT_WRITES_BURST")
    trusted_proxies: Count = Field(0, validation_alias="TRUSTED_PROXIES")
    csrf_trusted_origins: Items = Field((), validation_alias="CSRF_TRUSTED_ORIGINS")

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, key: str) -> str:
        if not key:
            raise ValueError("must be set")
        return key

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, url: str, info: ValidationInfo) -> str:
        return database.checked(url) if info.data.get("mongodb_uri") == "" else url


class ProductionEnvironment(SiteEnvironment):
    """The same in production: development shortcuts are refused, and the servers that `make run` embeds must be
    named."""

    allowed_hosts: Hosts = Field(validation_alias="ALLOWED_HOSTS")
    environment: str = Field("production", validation_alias="ENVIRONMENT")
    database_url: str = Field("", validation_alias="DATABASE_URL", validate_default=True, repr=False)
    redis_url: str = Field(validation_alias="REDIS_URL", repr=False)
    # Only the relay needs it, and refuses to start without it.
    nats_url: str = Field("", validation_alias="NATS_URL", repr=False)
    # The header, with its value, by which our own proxy reports TLS; the proxy has to remove this header from the
    # requests that it receives.
    secure_proxy_ssl_header: Annotated[tuple[str, str] | None, BeforeValidator(header)] = Field(
        ("HTTP_X_FORWARDED_PROTO", "https"), validation_alias="SECURE_PROXY_SSL_HEADER"
    )
    secure_ssl_redirect: Switch = Field(True, validation_alias="SECURE_SSL_REDIRECT")
    secure_hsts_seconds: Count = Field(YEAR_SECONDS, validation_alias="SECURE_HSTS_SECONDS")
    secure_hsts_include_subdomains: Switch = Field(True, validation_alias="SECURE_HSTS_INCLUDE_SUBDOMAINS")
    secure_hsts_preload: Switch = Field(True, validation_alias="SECURE_HSTS_PRELOAD")

    @field_validator("debug")
    @classmethod
    def _check_debug(cls, debug: bool) -> bool:
        if debug:
            raise ValueError("must be false in production")
        return debug

    @field_validator("secret_key")
    @classmethod
    def _check_strength(cls, key: str) -> str:
        if len(key) < SECRET_KEY_LENGTH or len(set(key)) < SECRET_KEY_CHARACTERS:
            raise ValueError(
                f"must have at least {SECRET_KEY_LENGTH} characters in production, "
                f"{SECRET_KEY_CHARACTERS} of them different"
            )
        return key

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if not hosts or {"*", "."}.intersection(hosts):
            raise ValueError("must name the hosts in production, not *")
        return hosts

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, url: str, info: ValidationInfo) -> str:
        if info.data.get("mongodb_uri") != "":
            return url
        if not url:
            raise ValueError("or MONGODB_URI must be set in production")
        if database.is_embedded(database.checked(url)):
            raise ValueError("must not be the embedded database of `make run` in production")
        return url


class ServerEnvironment(Environment):
    """The variables of the web server."""

    # In a pod, probes and clients come from outside.
    host: str = Field("0.0.0.0", validation_alias="WEB_HOST")  # noqa: S104  (as above)
    port: PositiveCount = Field(8080, validation_alias="WEB_PORT")
    workers: PositiveCount = Field(2, validation_alias="WEB_WORKERS")
    threads: PositiveCount = Field(32, validation_alias="WEB_THREADS")


def everything() -> Mapping[str, str]:
    """The whole environment, for the strategies' and OpenTelemetry's own variables."""
    return os.environ


def read_server() -> ServerEnvironment:
    """The web server's variables; raises ImproperlyConfigured."""
    return _read(ServerEnvironment)


def read_site() -> SiteEnvironment:
    """The site's variables, by the rules of the settings that Django runs with; raises ImproperlyConfigured."""
    is_production = os.environ.get("DJANGO_SETTINGS_MODULE") == _PRODUCTION
    return _read(ProductionEnvironment if is_production else SiteEnvironment)


def _read(variables: type[T]) -> T:
    try:
        return variables.from_environ(os.environ)
    except SettingsError as error:
        raise ImproperlyConfigured(f"{error}.") from None

"""Settings from environment variables, on pydantic-settings: typed, all problems at once, secrets never shown.

A class declares its variables as fields, each with its name as ``validation_alias``; `from_environ` reads them. The
values of the validators here are texts, since variables are; an empty variable counts as not set.
"""

import os
import re
import ssl
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from service_kit.logs import LogFormat
from service_kit.nats_connection import NatsAccess, problem_with_creds, problem_with_nkey_seed
from service_kit.tracing import PROTOCOLS

SWITCH_WORDS: Mapping[str, bool] = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
"""The words of a boolean, in any case, for every variable of every process."""
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# The original service's word for "console" is "text".
LOG_FORMATS = {"json": "json", "console": "console", "text": "console"}
_MISSING = "must be set"
_environ: ContextVar[Mapping[str, str]] = ContextVar("environ")


class SettingsError(Exception):
    """Unusable variables; the process must not start. ``problems`` maps each name to what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{name} {message}" for name, message in self.problems.items()))


class _Variables(EnvSettingsSource):
    """The variables of the given environment."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        given = {name: _environ.get().get(name, "").strip() for name in _names(self.settings_cls)}
        return {name: text for name, text in given.items() if text}


class Environment(BaseSettings):
    """The variables that a process reads from its environment. Values that may hold a password are declared with
    ``repr=False``."""

    model_config = SettingsConfigDict(
        frozen=True,
        case_sensitive=True,
        enable_decoding=False,
        extra="ignore",
        validate_default=False,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the given environment, and the values that the code adds."""
        return init_settings, _Variables(settings_cls)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], **others: Any) -> Self:
        """Read the variables; raises SettingsError with every unusable one. ``others``: fields without a variable."""
        token = _environ.set(environ)
        try:
            return cls(**others)
        except ValidationError as error:
            raise SettingsError(_problems(cls, error)) from None
        finally:
            _environ.reset(token)

    @classmethod
    def variables(cls) -> frozenset[str]:
        """The names of the variables."""
        return _names(cls)


def read_all(environ: Mapping[str, str], **parts: type[Environment]) -> dict[str, Any]:
    """An instance of each of the classes, by the same names; raises SettingsError with the problems of all."""
    found: dict[str, Environment] = {}
    problems: dict[str, str] = {}
    for name, part in parts.items():
        try:
            found[name] = part.from_environ(environ)
        except SettingsError as error:
            problems |= error.problems
    if problems:
        raise SettingsError(problems)
    return found


def _names(settings: type[BaseSettings]) -> frozenset[str]:
    fields = settings.model_fields.values()
    return frozenset(field.validation_alias for field in fields if isinstance(field.validation_alias, str))


def _problems(settings: type[BaseSettings], error: ValidationError) -> dict[str, str]:
    problems: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False):
        # A field's default may depend on another field: if that one is unusable, it is the one to name.
        if each["type"] != "default_factory_not_called":
            # A value is named by its variable, a default by its field.
            name = str(each["loc"][0])
            field = settings.model_fields.get(name)
            name = name if field is None else str(field.validation_alias)
            reason = each.get("ctx", {}).get("error", each["msg"])
            problems.setdefault(name, _MISSING if each["type"] == "missing" else str(reason))
    return problems


def whole_number(minimum: int, maximum: int | None = None) -> Callable[[Any], int]:
    """Parses a whole number in a range, both ends included."""
    limits = f"of at least {minimum}" if maximum is None else f"between {minimum} and {maximum}"

    def parse(text: Any) -> int:
        is_number = re.fullmatch(r"\d{1,9}", str(text), re.ASCII)
        if not is_number or int(text) < minimum or (maximum is not None and int(text) > maximum):
            raise ValueError(f"must be a whole number {limits}, not {text!r}")
        return int(text)

    return parse


def number_between(minimum: float, maximum: float) -> Callable[[Any], float]:
    """Parses a number in a range, both ends included; never NaN."""

    def parse(text: Any) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not minimum <= number <= maximum:
            raise ValueError(f"must be a number between {minimum:g} and {maximum:g}, not {text!r}")
        return number

    return parse


def switch(text: Any) -> bool:
    """Parses true/false, yes/no, on/off, 1/0 in any case."""
    word = str(text).lower()
    if word not in SWITCH_WORDS:
        raise ValueError(f"must be true or false, not {text!r}")
    return SWITCH_WORDS[word]


def one_of(*words: str) -> Callable[[str], str]:
    """Parses one of the words, in any case; returns it as written here."""
    known = {word.lower(): word for word in words}
    choice = " or ".join(words) if len(words) == 2 else f"one of {', '.join(words)}"

    def parse(text: str) -> str:
        if text.lower() not in known:
            raise ValueError(f"must be {choice}, not {text!r}")
        return known[text.lower()]

    return parse


def items(text: str) -> tuple[str, ...]:
    """Parses a comma-separated list; blanks and empty items are dropped."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def some_of(*known: str) -> Callable[[str], tuple[str, ...]]:
    """Parses a list of some of ``known``, into their usual order."""

    def parse(text: str) -> tuple[str, ...]:
        words = {word.lower() for word in items(text)}
        if not words or words.difference(known):
            raise ValueError(f"must be some of {', '.join(known)}, separated by commas, not {text!r}")
        return tuple(word for word in known if word in words)

    return parse


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


def word(text: str) -> str:
    """Parses a text without spaces."""
    if re.search(r"\s", text):
        raise ValueError(f"must not contain spaces, not {text!r}")
    return text


def subject(text: str) -> str:
    """Parses a NATS subject without wildcards."""
    if not re.fullmatch(r"[^\s.*>]+(\.[^\s.*>]+)*", text):
        raise ValueError(f"must be a NATS subject without wildcards, not {text!r}")
    return text


def consumer_topic(text: str) -> str:
    """Parses a NATS subject, or one that ends in ``.>``."""
    try:
        subject(text.removesuffix(".>"))
    except ValueError:
        raise ValueError(f"must be a NATS subject, or one that ends in '.>', not {text!r}") from None
    return text


def readable_file(text: str) -> str:
    """Parses the path of a file that this process can read."""
    if text and not os.access(text, os.R_OK):
        raise ValueError("must be a file that this process can read")
    return text


def certificates(text: str) -> str:
    """Parses the path of a file of certificates in PEM."""
    try:
        if readable_file(text):
            ssl.create_default_context(cafile=text)
    except ssl.SSLError:
        raise ValueError("must be a file of certificates in PEM") from None
    return text


def file_without(problem_with: Callable[[Path], str]) -> Callable[[str], str]:
    """Parses the path of a file in which ``problem_with`` finds no problem."""

    def parse(text: str) -> str:
        if readable_file(text) and (problem := problem_with(Path(text))):
            raise ValueError(problem)
        return text

    return parse


class AsItIs:
    """Marks a field whose value the code sets: it is not parsed."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.any_schema()


Switch = Annotated[bool, BeforeValidator(switch)]
Word = Annotated[str, AfterValidator(word)]
Items = Annotated[tuple[str, ...], BeforeValidator(items)]
ReadableFile = Annotated[str, AfterValidator(readable_file)]
Certificates = Annotated[str, AfterValidator(certificates)]
Port = Annotated[int, BeforeValidator(whole_number(0, 65_535))]
NatsUrl = Annotated[str, AfterValidator(nats_server_url)]
Subject = Annotated[str, AfterValidator(subject)]
ConsumerTopic = Annotated[str, AfterValidator(consumer_topic)]
WebUrl = Annotated[str, AfterValidator(url_with("http", "https"))]
SocketUrl = Annotated[str, AfterValidator(url_with("ws", "wss"))]
UpToAnHour = Annotated[float, BeforeValidator(number_between(1, 3_600))]
UpToADay = Annotated[float, BeforeValidator(number_between(0.1, 86_400))]


class LogSettings(Environment):
    """What is logged, and how."""

    log_level: Annotated[str, BeforeValidator(one_of(*LOG_LEVELS))] = Field("INFO", validation_alias="LOG_LEVEL")
    log_format: Annotated[LogFormat, BeforeValidator(lambda text: LOG_FORMATS[one_of(*LOG_FORMATS)(text)])] = Field(
        "json", validation_alias="LOG_FORMAT"
    )


class LogAndTraceSettings(LogSettings):
    """What is logged and traced. OpenTelemetry reads its protocol by itself; here an unknown one stops the start."""

    trace_protocol: Annotated[str, BeforeValidator(one_of(*PROTOCOLS))] = Field(
        PROTOCOLS[0], validation_alias="OTEL_EXPORTER_OTLP_PROTOCOL"
    )


class NatsFiles(Environment):
    """How a process proves to NATS who it is."""

    nats_ca_file: Certificates = Field("", validation_alias="NATS_CA_FILE")
    nats_creds_file: Annotated[str, AfterValidator(file_without(problem_with_creds))] = Field(
        "", validation_alias="NATS_CREDS_FILE"
    )
    nats_nkey_seed_file: Annotated[str, AfterValidator(file_without(problem_with_nkey_seed))] = Field(
        "", validation_alias="NATS_NKEY_SEED_FILE"
    )

    @property
    def nats_access(self) -> NatsAccess:
        return NatsAccess(
            ca_file=self.nats_ca_file, creds_file=self.nats_creds_file, nkey_seed_file=self.nats_nkey_seed_file
        )

"""Reading one layer as it is served: stored bytes from the shared cache where they are, else from the store.

One round trip to Redis, which concurrent requests share, answers the counter of identities, the document of the layer,
and that of the global layer.
What can be derived from a document (its entity tag, the answer for a symbol that never had a layer) is derived once
and kept in the process beside the bytes it came from.
"""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import structlog
from django.conf import settings
from django.utils import timezone
from prometheus_client import Counter

from strategy_config.api.common import envelope
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.publication import publisher
from strategy_config.redis import batching, redis_client
from strategy_config.redis.site_keys import SiteKeys
from strategy_config.resolution import entity_tags, layer_configs
from strategy_config.selectors import stored_layers
from strategy_config.store import circuit_breaker
from strategy_core.configuration import redis_keys, wire_documents, wire_json

MAX_PREPARED = 4_096
FILL_SECONDS = 1.0
READ_COMMANDS = 2
GLOBAL_ROUTE = "api/v1/strategies/<str:strategy_id>/config"
SYMBOL_ROUTE = "api/v1/strategies/<str:strategy_id>/config/<str:symbol>"
_reads = Counter("configsite_config_reads", "Configs served, by where they came from: cache, store.", ["source"])
_READS = {True: _reads.labels("cache"), False: _reads.labels("store")}
_BODY = (
    b'{"success":true,"data":%b,"error":null,"metadata":'
    b'{"request_id":"%b","cache_hit":%b,"load_time_ms":%.3f,"degraded":%b,"warnings":%b}}'
)
log = structlog.get_logger(__name__)


class Fetched(NamedTuple):
    """What the shared cache holds for one read, as bytes; None: it holds nothing there.

    ``taken`` is the reply to the command that was sent along.
    """

    identities: bytes | None
    global_document: bytes | None
    document: bytes | None
    taken: Any = None


class FetchedSequence(NamedTuple):
    """The last sequence that the shared cache was told, None where none, beside the counter of identities."""

    identities: bytes | None
    sequence: int | None
    taken: Any = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A config and its warnings as JSON, its entity tag, and where it came from."""

    config: bytes
    warnings: bytes
    etag: str
    is_global: bool
    cache_hit: bool
    degraded: bool


@dataclass(frozen=True, slots=True)
class _Prepared:
    raw: bytes
    reading: Reading
    expires_at_ms: int | None


_prepared: dict[tuple[str, str | None], _Prepared] = {}
_filled_at = float("-inf")


class FinishedAnswer(NamedTuple):
    """A finished answer: 200 or 429 with a body, or 304 without one. ``route`` is the template of its address."""

    status: int
    headers: dict[str, str]
    body: bytes
    route: str


def fetch(strategy_id: str, symbol: str | None, take: bytes | None = None) -> Fetched:
    """Ask the shared cache, in one round trip; raises RedisUnavailableError.

    ``take`` is a command of the rate limits that goes along; whatever becomes of it, the read is answered.
    """
    asked = _commands(settings.REDIS_KEY_PREFIX, strategy_id, symbol)
    (identities, layers), taken = batching.ask(asked, READ_COMMANDS, take)
    return Fetched(identities, layers[0], layers[-1], taken)


def fetch_sequence(take: bytes | None = None) -> FetchedSequence:
    """As `fetch`, for what depends on every layer."""
    (identities, sequence), taken = batching.ask(_sequence_commands(settings.REDIS_KEY_PREFIX), READ_COMMANDS, take)
    is_number = sequence is not None and sequence.isdigit()
    return FetchedSequence(identities, int(sequence) if is_number else None, taken)


def read(strategy_id: str, symbol: str | None, fetched: Fetched | None) -> Reading:
    """The layer as it holds now. ``fetched`` None: the shared cache is away.

    With the store away as well: what is known without either, see `_without_store`. Raises NotFoundError for an
    unknown strategy, StoreUnavailableError where a document is there that cannot be read.
    """
    if fetched is not None:
        reading = from_cache(strategy_id, symbol, fetched)
        if reading is not None:
            return reading
        if fetched.global_document is None:
            _fill_cache()
    try:
        config = stored_layers.layer_config(strategy_id=strategy_id, symbol=symbol, at=timezone.now())
    except StoreUnavailableError:
        return _without_store(strategy_id, symbol, fetched)
    return _reading(config, is_degraded=fetched is None)


def _without_store(strategy_id: str, symbol: str | None, fetched: Fetched | None) -> Reading:
    """Environment and defaults, where the shared cache holds nothing either; what it holds is unreadable otherwise."""
    if fetched is None or (fetched.global_document is None and fetched.document is None):
        return _reading(layer_configs.unstored_config(strategy_id, symbol), is_degraded=True)
    raise StoreUnavailableError("The database is unreachable; try again later.")


def _reading(config: wire_documents.LayerConfig, *, is_degraded: bool) -> Reading:
    return Reading(
        config=wire_json.encode(config),
        warnings=_warnings(config),
        etag=entity_tags.etag(config),
        is_global=config.symbol is None,
        cache_hit=False,
        degraded=is_degraded,
    )


def from_cache(strategy_id: str, symbol: str | None, fetched: Fetched) -> Reading | None:
    """The layer from what the shared cache holds; None where only the store can tell."""
    is_borrowed = fetched.document is None
    raw = fetched.global_document if is_borrowed else fetched.document
    if raw is None:
        return None
    now_ms = int(time.time() * 1000)
    known = _prepared.get((strategy_id, symbol))
    if known is None or known.raw != raw or (known.expires_at_ms is not None and known.expires_at_ms <= now_ms):
        try:
            known = _prepare(raw, symbol, now_ms, is_borrowed=is_borrowed)
        except wire_json.WireError as exception:
            log.error("document.unreadable", strategy_id=strategy_id, symbol=symbol, error=str(exception))
            return None
        if known is None:
            return None
        if len(_prepared) >= MAX_PREPARED:
            _prepared.clear()
        _prepared[strategy_id, symbol] = known
    return known.reading


def _fill_cache() -> None:
    """The document of every strategy should be there: see that it comes back, at most once a second."""
    global _filled_at
    now = time.monotonic()
    if now - _filled_at >= FILL_SECONDS:
        _filled_at = now
        publisher.publish_pending()


def _prepare(raw: bytes, symbol: str | None, now_ms: int, *, is_borrowed: bool) -> _Prepared | None:
    document = wire_documents.decode_document(raw)
    config: wire_documents.LayerConfig | None = document.config
    expires_at_ms = document.expires_at_ms
    if expires_at_ms is not None and expires_at_ms <= now_ms:
        config, expires_at_ms = document.after, None
    if config is None:
        return None
    if is_borrowed and symbol is not None:
        config = _borrow(config, symbol)
    reading = Reading(
        config=wire_json.encode(config),
        warnings=_warnings(config),
        etag=entity_tags.etag(config),
        is_global=symbol is None,
        cache_hit=True,
        degraded=False,
    )
    return _Prepared(raw, reading, expires_at_ms)


def _warnings(config: wire_documents.LayerConfig) -> bytes:
    return msgspec.json.encode(layer_configs.refusal_warnings(config))


def _borrow(config: wire_documents.LayerConfig, symbol: str) -> wire_documents.LayerConfig:
    """What a symbol that never had a layer shows: the global layer, with nothing of its own."""
    return msgspec.structs.replace(config, symbol=symbol, version=0, is_override=False, own={})


@lru_cache(maxsize=MAX_PREPARED)
def _commands(prefix: str, strategy_id: str, symbol: str | None) -> bytes:
    keys = SiteKeys(prefix)
    own = redis_keys.field_name(strategy_id, symbol)
    commands = (
        ("GET", keys.identities),
        ("HMGET", keys.config, strategy_id, own),
    )
    return b"".join(redis_client.pack(*command) for command in commands)


@lru_cache(maxsize=8)
def _sequence_commands(prefix: str) -> bytes:
    keys = SiteKeys(prefix)
    return redis_client.pack("GET", keys.identities) + redis_client.pack("GET", keys.sequence)


def render(reading: Reading, request_id: str, if_none_match: str | None, started: float) -> FinishedAnswer:
    """The envelope around the stored bytes, or 304 where the client has them; ``started`` is of perf_counter."""
    _READS[reading.cache_hit].inc()
    headers = {
        "Content-Type": envelope.CONTENT_TYPE,
        envelope.REQUEST_ID_HEADER: request_id,
        "ETag": reading.etag,
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    route = GLOBAL_ROUTE if reading.is_global else SYMBOL_ROUTE
    if if_none_match is not None and _has_tag(if_none_match, reading.etag):
        del headers["Content-Type"]
        return FinishedAnswer(304, headers, b"", route)
    body = _BODY % (
        reading.config,
        request_id.encode(),
        b"true" if reading.cache_hit else b"false",
        (time.perf_counter() - started) * 1000,
        b"true" if reading.degraded or circuit_breaker.STORE.is_open else b"false",
        reading.warnings,
    )
    return FinishedAnswer(200, headers, body, route)


def _has_tag(if_none_match: str, etag: str) -> bool:
    """Weak comparison of RFC 9110: any tag of the list, or ``*``."""
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in if_none_match.split(","))

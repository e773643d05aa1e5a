"""Which services are being asked about which changes: they may ask us about the same, and that must end somewhere.

A mark in Redis, for all processes; in this process alone while Redis is away.
"""

import hashlib
import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from strategy_config.exceptions import RedisUnavailableError
from strategy_config.history.audit_rows import canonical
from strategy_config.redis import redis_client

# A service that is late may ask us about the change long after nobody waits for it any more.
LATE_SECONDS = 30.0

MOST_IN_PROCESS = 1_000

_lock = threading.Lock()

_here: dict[tuple[str, str], float] = {}


def key_of(strategy_id: str, symbol: str | None, parameters: Mapping[str, Any]) -> str:
    """The same for the same change, however its numbers and its symbol are written."""
    content = [strategy_id, (symbol or "").upper(), canonical(dict(parameters))]
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def begin(key: str, services: Collection[str]) -> list[str]:
    """Mark the change for those of the services that are not being asked about it, and answer them."""
    now = time.monotonic()
    with _lock:
        for old in [each for each, until in _here.items() if until < now]:
            del _here[old]
        free = [service for service in services if (key, service) not in _here]
        free = free[: max(MOST_IN_PROCESS - len(_here), 0)]
        _here.update({(key, service): now + LATE_SECONDS for service in free})

    def mark(client: Any) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for service in free:
            pipeline.set(_name(key, service), 1, nx=True, px=int(LATE_SECONDS * 1000))
        answers: list[Any] = pipeline.execute()
        return answers

    try:
        marked = redis_client.run(mark) if free else []
    except RedisUnavailableError:
        return free
    mine = [service for service, is_mine in zip(free, marked, strict=True) if is_mine]
    with _lock:
        for service in set(free).difference(mine):
            _here.pop((key, service), None)
    return mine


def end(key: str, services: Collection[str]) -> None:
    """These have answered: they may be asked about the change again. The marks of others end by themselves."""
    if not services:
        return
    with _lock:
        for service in services:
            _here.pop((key, service), None)
    try:
        redis_client.run(lambda client: client.delete(*(_name(key, service) for service in services)))
    except RedisUnavailableError:
        return


def _name(key: str, service: str) -> str:
    return f"{redis_client.keys().prefix}:conflict-check:{key}:{service}"

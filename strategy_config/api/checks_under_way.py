"""Which changes other services are being asked about: they may ask us about the same, and that must end somewhere.

A mark in Redis, for all processes; in this process alone while Redis is away.
"""

import hashlib
import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from strategy_config import shared_cache
from strategy_config.audit_rows import canonical
from strategy_config.shared_cache import SharedCacheUnavailableError

# A service that is late may ask us about the change long after nobody waits for it any more.
LATE_SECONDS = 30.0
MOST_IN_PROCESS = 1_000

_lock = threading.Lock()
_here: dict[str, float] = {}


def key_of(strategy_id: str, symbol: str | None, parameters: Mapping[str, Any]) -> str:
    """The same for the same change, however its numbers and its symbol are written."""
    content = [strategy_id, (symbol or "").upper(), canonical(dict(parameters))]
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def begin(key: str) -> bool:
    """Mark the change; false where it is marked already: nobody is to be asked again."""
    now = time.monotonic()
    with _lock:
        for old in [each for each, until in _here.items() if until < now]:
            del _here[old]
        if key in _here or len(_here) >= MOST_IN_PROCESS:
            return False
        _here[key] = now + LATE_SECONDS
    try:
        milliseconds = int(LATE_SECONDS * 1000)
        is_first = bool(shared_cache.run(lambda client: client.set(_name(key), 1, nx=True, px=milliseconds)))
    except SharedCacheUnavailableError:
        return True
    if not is_first:
        with _lock:
            _here.pop(key, None)
    return is_first


def end(key: str) -> None:
    """Every service has answered: the change may be asked about again. Else the mark ends by itself."""
    with _lock:
        _here.pop(key, None)
    try:
        shared_cache.run(lambda client: client.delete(_name(key)))
    except SharedCacheUnavailableError:
        return


def _name(key: str) -> str:
    return f"{shared_cache.keys().prefix}:conflict-check:{key}"

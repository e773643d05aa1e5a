"""Looks after the store from a thread of its own, so that a process knows of an outage that no request has met,
and no request has to be the one that finds out whether it is over.
"""

import threading
import time

import structlog
from django.db import close_old_connections

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import positions
from strategy_config.store import circuit_breaker

WATCH_SECONDS = 2.0
SHORTEST_PAUSE_SECONDS = 0.05
log = structlog.get_logger(__name__)


def start() -> None:
    """Watch until the process ends, which does not wait for it."""
    threading.Thread(target=_watch, name="store-watch", daemon=True).start()


def _watch() -> None:
    while True:
        _look()
        pause = circuit_breaker.STORE.seconds_to_try() if circuit_breaker.STORE.is_open else WATCH_SECONDS
        time.sleep(max(pause, SHORTEST_PAUSE_SECONDS))


def _look() -> None:
    """Ask the store for one row; what comes of it, the breaker notes."""
    close_old_connections()
    try:
        positions.last_sequence()
    except StoreUnavailableError as exception:
        log.debug("store_watch.refused", error=str(exception))
    except Exception:
        log.exception("store_watch.failed")

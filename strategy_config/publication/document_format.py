"""In which format documents are written: the newest that every live runtime reads.

A runtime from before format 2 refuses documents of format 2 (it obeys their switches alone). So this is looked at again
every few seconds, and the regular comparison of Redis with the database rewrites documents of another format.
"""

import threading
import time
from collections.abc import Iterable

import structlog

from strategy_config.exceptions import RedisUnavailableError
from strategy_config.observed import runtimes
from strategy_core.configuration.runtime_reports import Heartbeat
from strategy_core.configuration.wire_documents import FORMATS, Format

LOOK_SECONDS = 5.0

log = structlog.get_logger(__name__)


def newest_for(heartbeats: Iterable[Heartbeat], otherwise: Format) -> Format:
    """The newest format that all of these runtimes read, standbys among them; ``otherwise`` where there are none."""
    read_by_each = [set(heartbeat.formats) for heartbeat in heartbeats]
    if not read_by_each:
        return otherwise
    common = [each for each in FORMATS if all(each in formats for formats in read_by_each)]
    return max(common, default=FORMATS[0])


class DocumentFormat:
    """The format to write, looked at in Redis every LOOK_SECONDS at most. Without any live runtime it stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._format: Format = FORMATS[0]
        self._looked_at = float("-inf")

    def current(self, *, is_fresh: bool = False) -> Format:
        """The format to write now; ``is_fresh``: look at once. While Redis is away it stays what it was."""
        with self._lock:
            now = time.monotonic()
            if not is_fresh and now - self._looked_at < LOOK_SECONDS:
                return self._format
            self._looked_at = now
            before = self._format
        try:
            found = newest_for(runtimes.live_runtimes(), otherwise=before)
        except RedisUnavailableError:
            return before
        with self._lock:
            self._format = found
        if found != before:
            log.info("documents.format_changed", format=found, before=before)
        return found


document_format = DocumentFormat()

"""Logs one line per outage, however often the operation is retried."""

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """Tracks an operation; the first of several failures in a row is logged as ``event``.

    With ``end_event``, the end of the outage is logged, too. ``fields`` are added to both. Threads that share one may
    at worst log a line twice.
    """

    __slots__ = ("_end_event", "_event", "_fields", "is_on")

    def __init__(self, event: str, end_event: str | None = None, **fields: str) -> None:
        self._event = event
        self._end_event = end_event
        self._fields = fields
        self.is_on = False

    def failed(self, exception: Exception, **fields: object) -> bool:
        """The operation failed; returns whether this starts an outage."""
        begins = not self.is_on
        self.is_on = True
        if begins:
            log.warning(self._event, error=f"{type(exception).__name__}: {exception}", **self._fields, **fields)
        return begins

    def worked(self, **fields: object) -> None:
        """The operation succeeded; the next failure starts a new outage."""
        if self.is_on and self._end_event is not None:
            log.info(self._end_event, **self._fields, **fields)
        self.is_on = False

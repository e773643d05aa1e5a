"""One line in the log for each outage, however often something is tried meanwhile."""

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """Knows whether what it is told of fails for the first time in a row; that is logged as ``event``.

    With ``end_event``, its end is logged, too. ``fields`` go into both. For one thread.
    """

    __slots__ = ("_end_event", "_event", "_fields", "is_on")

    def __init__(self, event: str, end_event: str | None = None, **fields: str) -> None:
        self._event = event
        self._end_event = end_event
        self._fields = fields
        self.is_on = False

    def failed(self, exception: Exception, **fields: object) -> bool:
        """It did not work; returns whether that begins an outage."""
        begins = not self.is_on
        self.is_on = True
        if begins:
            log.warning(self._event, error=f"{type(exception).__name__}: {exception}", **self._fields, **fields)
        return begins

    def worked(self, **fields: object) -> None:
        """It did; the next failure is news."""
        if self.is_on and self._end_event is not None:
            log.info(self._end_event, **self._fields, **fields)
        self.is_on = False

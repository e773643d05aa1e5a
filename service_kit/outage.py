"""One line in the log for each outage, however often something is tried meanwhile."""

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """Knows whether what it is told of fails for the first time in a row; that is logged as ``event``."""

    __slots__ = ("_event", "_is_on")

    def __init__(self, event: str) -> None:
        self._event = event
        self._is_on = False

    def failed(self, exception: Exception) -> None:
        """It did not work."""
        if not self._is_on:
            log.warning(self._event, error=f"{type(exception).__name__}: {exception}")
        self._is_on = True

    def worked(self) -> None:
        """It did; the next failure is news."""
        self._is_on = False

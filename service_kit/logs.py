"""structlog for the runtime: one event a moment, JSON or console, third-party logs through the same renderer."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

from service_kit import tracing

LogFormat = Literal["json", "console"]

# Without local variables: those may hold passwords.
_TRACEBACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
# We have events of our own for what matters (reconnects, requests); theirs would repeat them without ids. The last
# shows whole URLs at DEBUG, keys among them.
_QUIET_LIBRARIES = ("aiohttp.access", "nats", "nats.aio.client", "urllib3.connectionpool")


def configure(*, level: str, log_format: LogFormat) -> None:
    """Send the runtime's and the libraries' logs to standard output, from ``level`` up."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tracing.add_ids,
    ]
    is_json = log_format == "json"
    rendering: list[Processor] = (
        [structlog.processors.ExceptionRenderer(_TRACEBACKS), structlog.processors.JSONRenderer()]
        if is_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )

"""structlog for every process: named events, JSON or console, third-party logs through the same renderer."""

import logging
from typing import Any, Literal, TextIO

import structlog

from service_kit import tracing

LogFormat = Literal["json", "console"]
# Without the values of local variables: a traceback must not carry a token or a password into the log.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
# We log the important events ourselves (reconnects, requests); theirs would repeat them without ids. The last one logs
# whole URLs at DEBUG, including keys.
_QUIET_LIBRARIES = ("aiohttp.access", "nats", "nats.aio.client", "urllib3.connectionpool")
_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    tracing.add_ids,
]


def configure(*, level: str, log_format: LogFormat, stream: TextIO) -> None:
    """Send the logs of this process and its libraries to ``stream``, from ``level`` up."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(log_format, stream)],
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
            *_SHARED,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _renderers(log_format: LogFormat, stream: TextIO) -> list[Any]:
    if log_format == "json":
        return [_TRACEBACKS, structlog.processors.JSONRenderer()]
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)]

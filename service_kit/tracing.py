"""Traces over OTLP, if the standard OTEL_* variables enable them.

While off, no span is created and nothing of OpenTelemetry is imported (redis-py looks for OpenTelemetry's metrics by
itself). Used by site
and runtime alike. A trace context crosses processes as a ``traceparent`` of the W3C:
``00-<trace id>-<span id>-<flags>``; here "" means none.
"""

import atexit
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

import structlog

if TYPE_CHECKING:
    from service_kit.tracing_otel import Exporter

log = structlog.get_logger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int | float | bool]
NONE: Attributes = {}
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOLS = ("http/protobuf", "grpc")
"""The first is the default. For the second, another exporter has to be installed."""
STOP_SECONDS = 0.9
_NOTHING = nullcontext()
_exporter: "Exporter | None" = None


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a collector, and does not switch traces off."""
    has_endpoint = any(environ.get(name, "").strip() for name in ENDPOINTS)
    is_disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return has_endpoint and not is_disabled and environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() != "none"


def start(environ: Mapping[str, str], *, service: str, instance: str = "") -> None:
    """Trace from now on, if the environment enables it; remaining spans are sent at the latest when the process ends.

    ``service`` is the name if OTEL_SERVICE_NAME is not set. The SDK itself reads ``os.environ``. If no exporter for the
    protocol is installed, nothing is traced, and the log says so.
    """
    global _exporter
    if _exporter is None and is_wanted(environ):
        from service_kit.tracing_otel import Exporter, MissingExporterError

        try:
            _exporter = Exporter(environ, service=service, instance=instance)
        except MissingExporterError as missing:
            log.warning("traces.off", reason=str(missing))
        else:
            atexit.register(stop)


def protocol(environ: Mapping[str, str]) -> str:
    """How traces go to the collector."""
    named = (environ.get(name, "").strip() for name in PROTOCOL_VARIABLES)
    return next(filter(None, named), PROTOCOLS[0])


def stop() -> None:
    """Send the remaining spans, in at most STOP_SECONDS, and stop tracing."""
    global _exporter
    exporter, _exporter = _exporter, None
    if exporter is not None:
        exporter.stop(STOP_SECONDS)


def is_on() -> bool:
    """Whether this process traces."""
    return _exporter is not None


def span(
    name: str, *, kind: Kind = "internal", parent: str | None = None, attributes: Attributes = NONE
) -> AbstractContextManager[None]:
    """A span around a block; it fails if an exception leaves the block.

    ``parent``: the traceparent that caused it, which is linked as well; without one it belongs to the current span.
    """
    return _NOTHING if _exporter is None else _exporter.span(name, kind, parent or "", attributes)


def traced(function: Callable[P, R]) -> Callable[P, R]:
    """A span around each call, named after the function, with the layer that its keywords name."""
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"

    @wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        if _exporter is None:
            return function(*arguments, **keywords)
        layer = {key: value for key in ("strategy_id", "symbol") if isinstance(value := keywords.get(key), str)}
        with span(name, attributes=layer):
            return function(*arguments, **keywords)

    return call


def describe(name: str | None = None, attributes: Attributes = NONE) -> None:
    """Name the current span, and add attributes that are known only now."""
    if _exporter is not None:
        _exporter.describe(name, attributes)


def traceparent() -> str:
    """The current span's traceparent, "" if there is none."""
    return "" if _exporter is None else _exporter.traceparent()


def add_ids(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: a line that is written inside a span carries the ids of trace and span."""
    if parent := traceparent():
        _, event["trace_id"], event["span_id"], _ = parent.split("-")
    return event

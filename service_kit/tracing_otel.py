"""The OpenTelemetry SDK behind `service_kit.tracing`, imported only if tracing is on."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service_kit.tracing import PROTOCOLS, Attributes, Kind, protocol
from service_kit.version import VERSION

SERVER_ERRORS = 500
_STATUS = "http.response.status_code"
COMPLAINT_SECONDS = 60.0
_EXPORTERS = {
    PROTOCOLS[0]: "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    PROTOCOLS[1]: "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
}
_propagator = TraceContextTextMapPropagator()


class MissingExporterError(Exception):
    """The package for the chosen protocol is not installed."""


class _Seldom(logging.Filter):
    """Lets one line about an unreachable collector through per COMPLAINT_SECONDS; there is one for each attempt."""

    def __init__(self) -> None:
        super().__init__()
        self._next_at = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self._next_at:
            return False
        self._next_at = now + COMPLAINT_SECONDS
        return True


class Exporter:
    """Creates spans and sends them in batches from a separate thread, for which nothing waits.

    Spans that a collector does not accept are dropped when 2,048 spans wait (OTEL_BSP_MAX_QUEUE_SIZE).
    """

    def __init__(self, environ: Mapping[str, str], *, service: str, instance: str) -> None:
        exporter = _span_exporter(protocol(environ))
        resource = {"service.version": VERSION}
        if instance:
            resource["service.instance.id"] = instance
        if not environ.get("OTEL_SERVICE_NAME") and "service.name=" not in environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
            resource["service.name"] = service
        self._provider = TracerProvider(resource=Resource.create(resource), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        logging.getLogger(type(exporter).__module__).addFilter(_Seldom())
        self._tracer = self._provider.get_tracer("realtime_strategies", VERSION)

    def stop(self, seconds: float) -> None:
        """Send the remaining spans; a collector that does not answer in time does not delay the process."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(seconds)

    @contextmanager
    def span(self, name: str, kind: Kind, parent: str, attributes: Attributes) -> Iterator[None]:
        """See `tracing.span`. A ``parent`` that is not a traceparent is ignored."""
        remote = _propagator.extract({"traceparent": parent}, Context()) if parent else None
        cause = trace.get_current_span(remote).get_span_context() if remote is not None else None
        is_caused = cause is not None and cause.is_valid
        with self._tracer.start_as_current_span(
            name,
            context=remote if is_caused else None,
            kind=SpanKind[kind.upper()],
            attributes=attributes,
            links=[Link(cause)] if cause is not None and is_caused else (),
            # Messages of exceptions may contain input from callers.
            record_exception=False,
            set_status_on_exception=False,
        ) as current:
            try:
                yield
            except Exception as exception:
                current.set_status(Status(StatusCode.ERROR, type(exception).__name__))
                raise

    def describe(self, name: str | None, attributes: Attributes) -> None:
        """See `tracing.describe`. A status of 500 or more fails the span."""
        current = trace.get_current_span()
        if name is not None:
            current.update_name(name)
        current.set_attributes(attributes)
        status = attributes.get(_STATUS)
        if isinstance(status, int) and status >= SERVER_ERRORS:
            current.set_status(Status(StatusCode.ERROR, str(status)))

    def traceparent(self) -> str:
        """See `tracing.traceparent`."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get("traceparent", "")


def _span_exporter(wanted: str) -> SpanExporter:
    try:
        module = import_module(_EXPORTERS[wanted])
    except ImportError as missing:
        raise MissingExporterError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL={wanted} needs the package opentelemetry-exporter-otlp-proto-{wanted}; "
            f"install it, or set {PROTOCOLS[0]}"
        ) from missing
    exporter: SpanExporter = module.OTLPSpanExporter()
    return exporter

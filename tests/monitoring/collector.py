"""A collector of traces: takes OTLP over HTTP, as the real ones do, and keeps what it gets."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from embedded.servers import HOST


@dataclass(frozen=True)
class Span:
    """A span as it came; ids in hexadecimal. ``links`` are (trace id, span id)."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    is_failed: bool
    links: list[tuple[str, str]]
    attributes: dict[str, Any]


@dataclass
class Collector:
    """What has arrived so far."""

    url: str
    spans: list[Span] = field(default_factory=list)

    def named(self, name: str, **attributes: Any) -> list[Span]:
        """The spans of that name with these attributes (``_`` for ``.``)."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}.items()
        return [span for span in self.spans if span.name == name and wanted <= span.attributes.items()]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_ours = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            if is_ours:
                body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                collector.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200 if is_ours else 400)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:
            """Into no log."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    collector = Collector(f"http://{HOST}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for group in request.resource_spans:
        service = _values(group.resource.attributes)["service.name"]
        for span in (span for scope in group.scope_spans for span in scope.spans):
            yield Span(
                service=service,
                name=span.name,
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                kind=span.kind,
                is_failed=span.status.code == 2,
                links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                attributes=_values(span.attributes),
            )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}

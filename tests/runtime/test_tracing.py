"""Traces: what is sent, what is taken over from others, and that off is off."""

import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module

import pytest

from embedded.servers import free_port
from realtime_runtime import settings
from realtime_runtime.messaging.message_traces import trace_of
from realtime_runtime.messaging.outgoing import OutgoingSignal
from service_kit import tracing
from service_kit.environment import SettingsError
from tests.conftest import PROJECT_ROOT
from tests.monitoring.collector import Collector, collecting

TRACE, SPAN = "ab" * 16, "cd" * 8
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """This process traces, to a collector of its own."""
    with collecting() as found:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": found.url, "OTEL_BSP_SCHEDULE_DELAY": "60000"}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        tracing.start(environ, service="tested")
        yield found
        tracing.stop()


def test_span__inside_another__belongs_to_it(collector: Collector) -> None:
    with tracing.span("outer", kind="server", attributes={"url.path": "/"}):
        with tracing.span("inner"):
            assert tracing.add_ids(None, "info", {"event": "e"}).keys() == {"event", "trace_id", "span_id"}
        tracing.describe("renamed", {"http.response.status_code": 503})
    tracing.stop()
    inner, outer = sorted(collector.spans, key=lambda span: span.name)
    assert (outer.name, outer.parent_id, outer.is_failed) == ("renamed", "", True)
    assert outer.attributes == {"url.path": "/", "http.response.status_code": 503}
    assert (inner.parent_id, inner.trace_id, inner.is_failed) == (outer.span_id, outer.trace_id, False)
    assert {span.service for span in collector.spans} == {"tested"}


def test_span__caused_from_elsewhere__is_of_that_trace_and_linked_to_it(collector: Collector) -> None:
    with tracing.span("apply", kind="consumer", parent=PARENT):
        signal = OutgoingSignal("intents", "1", b"", time.monotonic(), tracing.traceparent())
    tracing.stop()
    (span,) = collector.spans
    assert (span.trace_id, span.parent_id, span.links) == (TRACE, SPAN, [(TRACE, SPAN)])
    assert signal.headers == {"Nats-Msg-Id": "1", "traceparent": f"00-{TRACE}-{span.span_id}-01"}


@pytest.mark.parametrize("parent", ["", "nonsense", f"00-{'0' * 32}-{SPAN}-01", None])
def test_span__with_a_parent_that_is_none__begins_a_trace(collector: Collector, parent: str | None) -> None:
    with tracing.span("apply", parent=parent):
        assert tracing.traceparent()
    tracing.stop()
    assert [(span.parent_id, span.links) for span in collector.spans] == [("", [])]


def test_span__of_a_caller_who_does_not_sample__is_not_sent_but_goes_on(collector: Collector) -> None:
    with tracing.span("apply", parent=PARENT[:-1] + "0"):
        assert tracing.traceparent().startswith(f"00-{TRACE}-")
        assert tracing.traceparent().endswith("-00")
    tracing.stop()
    assert collector.spans == []


def test_span__left_by_an_exception__fails_without_its_message(collector: Collector) -> None:
    @tracing.traced
    def refuse(*, strategy_id: str) -> None:
        raise ValueError("a secret")

    with pytest.raises(ValueError, match="a secret"):
        refuse(strategy_id="orderbook_skew")
    tracing.stop()
    (span,) = collector.spans
    assert (span.name, span.is_failed) == ("test_tracing.refuse", True)
    assert span.attributes == {"strategy_id": "orderbook_skew"}
    assert "secret" not in str(span)


def test_collector__that_is_away__holds_nothing_up_and_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_BSP_SCHEDULE_DELAY": "10"}
    for name, value in endpoint.items():
        monkeypatch.setenv(name, value)
    tracing.start(endpoint, service="tested")
    with tracing.span("lost"):
        pass
    tracing.stop()
    assert not tracing.is_on()
    assert [record.levelname for record in caplog.records if "Transient error" in record.getMessage()] == ["WARNING"]


@pytest.mark.parametrize(
    ("environ", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_is_wanted__by_the_environment__only_with_a_collector(environ: dict[str, str], is_wanted: bool) -> None:
    assert tracing.is_wanted(environ) is is_wanted


def test_settings__with_a_protocol_that_nobody_speaks__stop_the_start() -> None:
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf or grpc"):
        settings.read({"OTEL_EXPORTER_OTLP_PROTOCOL": "carrier pigeon"})


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_start__with_a_protocol_whose_package_is_missing__goes_on_without_traces_and_says_so(
    variable: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    tracing.start({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", variable: "grpc"}, service="tested")
    assert not tracing.is_on()
    assert "opentelemetry-exporter-otlp-proto-grpc" in caplog.text


def test_start__with_a_protocol_whose_package_is_there__uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    exporters = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", exporters)
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    tracing.start(endpoint, service="tested")
    assert tracing.is_on()
    tracing.stop()


def test_off__is_no_import_and_no_span() -> None:
    script = (
        "import sys, realtime_runtime.command_line\n"
        "from service_kit import tracing\n"
        "tracing.start({}, service='x')\n"
        "with tracing.span('a', parent='b'): assert tracing.traceparent() == ''\n"
        "assert tracing.span('a') is tracing.span('b')\n"
        "ours = ('opentelemetry.sdk.trace', 'opentelemetry.exporter', 'requests')\n"
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=PROJECT_ROOT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("payload", "headers", "trace"),
    [
        (b"{}", None, ""),
        (b"{}", f"NATS/1.0\r\nReplay: 1\r\nTraceparent: {PARENT}\r\n\r\n".encode(), PARENT),
        (f'{{"a": {{"traceparent" : "{PARENT}"}}}}'.encode(), None, PARENT),
        (f'{{"traceparent": "{PARENT}"}}'.encode(), b"NATS/1.0\r\nReplay: 1\r\n\r\n", PARENT),
        (b'{"traceparent": "00-12"}', b"NATS/1.0\r\ntraceparent: none\r\n\r\n", ""),
    ],
)
def test_trace_of__a_message__is_in_its_header_or_a_member(payload: bytes, headers: bytes | None, trace: str) -> None:
    assert trace_of(payload, headers) == trace

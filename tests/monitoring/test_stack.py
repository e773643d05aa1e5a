"""The product as it runs: numbers that move in every process, and traces that go through all of them."""

import asyncio
import json
import secrets
from typing import Any

import nats
import pytest

from tests.monitoring.collector import Span
from tests.monitoring.conftest import RUNTIMES, Watched
from tests.waiting import until

pytestmark = pytest.mark.slow
CONFIG = "/api/v1/strategies/orderbook_skew/config"
RUNTIME_METRICS = {
    "realtime_runtime_messages_total", "realtime_runtime_messages_received_total",
    "realtime_runtime_message_wait_seconds_count", "realtime_runtime_decode_seconds_count",
    "realtime_runtime_decision_seconds_count", "realtime_runtime_config_sequence",
    "realtime_runtime_config_propagation_seconds_count", "realtime_runtime_redis_write_seconds_count",
    "process_cpu_seconds_total",
}  # fmt: skip
SITE_METRICS = {
    "http_requests_total", "http_request_duration_seconds_count", "configsite_changes_total",
    "configsite_publication_seconds_count", "configsite_store_call_seconds_count",
    "configsite_redis_call_seconds_count", "configsite_config_reads_total", "configsite_sequence",
}  # fmt: skip
WORKER_METRICS = {
    "configsite_task_runs_total", "configsite_task_seconds_count", "configsite_task_done_timestamp_seconds",
    "configsite_store_call_seconds_count",
}  # fmt: skip
CALLER_SPAN = "cd" * 8


def caller() -> tuple[str, str]:
    """A trace of a caller's own: its id and its traceparent."""
    trace_id = secrets.token_hex(16)
    return trace_id, f"00-{trace_id}-{CALLER_SPAN}-01"


def change(watched: Watched, **headers: str) -> dict[str, Any]:
    """Change a parameter, and wait until every runtime has it; the metadata of the answer."""
    levels = 1 + (watched.site.get(CONFIG).json()["data"]["parameters"]["top_levels"] % 20)
    body = {"parameters": {"top_levels": levels}, "changed_by": "ann"}
    path = f"{CONFIG}?wait_for_runtimes=5000"
    answer = watched.site.request("PATCH", path, json=body, headers=headers).json()
    assert answer["success"], answer
    until(lambda: all((each.sequence() or 0) >= answer["metadata"]["sequence"] for each in watched.runtimes))
    metadata: dict[str, Any] = answer["metadata"]
    return metadata


def test_metrics__of_every_process__move(watched: Watched) -> None:
    change(watched)
    before = {process: watched.samples(process) for process in watched.pages}
    change(watched)
    assert watched.moved("site", before["site"]) >= SITE_METRICS
    for number in range(RUNTIMES):
        process = f"runtime-{number}"
        until(lambda process=process: watched.moved(process, before[process]) >= RUNTIME_METRICS)
    # Since the worker's start the first task has been done, and its gauges say when.
    until(lambda: watched.moved("worker", {}) >= WORKER_METRICS)


def test_metrics__signals__are_counted_where_they_are_decided_and_where_they_were_sent(watched: Watched) -> None:
    def total(name: str) -> float:
        pages = [watched.samples(f"runtime-{number}") for number in range(RUNTIMES)]
        return sum(value for page in pages for key, value in page.items() if key.startswith(name))

    sent = until(lambda: total("realtime_runtime_signals_sent_total["))
    assert total("realtime_runtime_signals_total[") >= sent


def test_trace__of_a_change__goes_from_the_caller_into_every_runtime(watched: Watched) -> None:
    change(watched)
    trace_id, traceparent = caller()
    metadata = change(watched, traceparent=traceparent)
    sequence = metadata["sequence"]
    collector = watched.collector

    def arrived(name: str, **attributes: Any) -> list[Span]:
        return [span for span in collector.named(name, **attributes) if span.trace_id == trace_id]

    until(lambda: len(arrived("config.apply", config__sequence=sequence)) == RUNTIMES)
    request = until(lambda: arrived("PATCH api/v1/strategies/<str:strategy_id>/config"))[0]
    (service,), (write,) = arrived("layers.merge_layer", strategy_id="orderbook_skew"), arrived("store.write")
    (publication,) = arrived("config.publish", config__sequence=sequence)
    assert (request.parent_id, request.links) == (CALLER_SPAN, [(trace_id, CALLER_SPAN)])
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["request_id"] == metadata["request_id"]
    assert [service.parent_id, write.parent_id, publication.parent_id] == [
        request.span_id, service.span_id, service.span_id,
    ]  # fmt: skip
    for applied in arrived("config.apply", config__sequence=sequence):
        assert applied.parent_id == publication.span_id
        assert applied.links == [(publication.trace_id, publication.span_id)]
        assert applied.attributes["request_id"] == metadata["request_id"]
    assert {request.service, publication.service} == {"realtime-strategies-web"}
    assert {span.service for span in arrived("config.apply")} == {"realtime-strategies-runtime"}


def test_log__of_a_change__carries_the_ids_of_its_trace_and_request(watched: Watched) -> None:
    change(watched)
    trace_id, traceparent = caller()
    metadata = change(watched, traceparent=traceparent)

    def lines() -> list[dict[str, Any]]:
        text = "".join(each.log_path.read_text() for each in watched.runtimes)
        found = [json.loads(line) for line in text.splitlines() if '"config.applied"' in line]
        return [line for line in found if line["sequence"] == metadata["sequence"]]

    until(lambda: len(lines()) == RUNTIMES)
    assert {(line["trace_id"], line["request_id"]) for line in lines()} == {(trace_id, metadata["request_id"])}


@pytest.mark.parametrize("where", ["header", "member"])
def test_trace__of_a_market_message__goes_on_in_the_runtime(watched: Watched, where: str) -> None:
    trace_id = {"header": "12", "member": "34"}[where] * 16
    parent = f"00-{trace_id}-{'56' * 8}-01"
    message = {"stream": "btcusdt@trade", "data": {"p": "1", "q": "1", "m": True}}
    headers = {"traceparent": parent} if where == "header" else None
    payload = json.dumps(message if headers else {**message, "traceparent": parent}).encode()

    async def publish() -> None:
        client = await nats.connect(watched.nats_url)
        await client.publish(watched.topic, payload, headers=headers)
        await client.close()

    asyncio.run(publish())

    def arrived() -> list[Span]:
        return [span for span in watched.collector.named("market.process") if span.trace_id == trace_id]

    until(lambda: len(arrived()) == RUNTIMES)
    assert {span.parent_id for span in arrived()} == {"56" * 8}


def test_trace__of_market_messages_that_nobody_traces__is_sampled(watched: Watched) -> None:
    until(lambda: [span for span in watched.collector.named("market.process", kind="market") if not span.parent_id])


def test_trace__of_the_clock__shows_its_tasks(watched: Watched) -> None:
    (span, *_) = until(lambda: watched.collector.named("task.reconcile"))
    assert span.service == "realtime-strategies-worker"

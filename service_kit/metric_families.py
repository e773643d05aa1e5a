"""Shared by the processes that collect their metrics at each scrape; ``prefix`` is the process's own."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector


def counters(prefix: str, name: str, description: str, label: str, values: Mapping[str, float]) -> CounterMetricFamily:
    """A counter for each value of one label."""
    metric = CounterMetricFamily(f"{prefix}_{name}", description, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric


def gauges(prefix: str, name: str, description: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """A gauge for each value of one label."""
    metric = GaugeMetricFamily(f"{prefix}_{name}", description, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric


def exposition(collector: Collector) -> bytes:
    """The metrics in Prometheus' text format, those of the process (CPU, memory, files) among them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    ProcessCollector(registry=registry)
    return generate_latest(registry)

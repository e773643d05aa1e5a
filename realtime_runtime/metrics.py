"""The runtime's Prometheus metrics, read off its parts when they are asked for: the hot path pays nothing."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from realtime_runtime.runtime import Runtime

PREFIX = "realtime_runtime"
Metric = CounterMetricFamily | GaugeMetricFamily


class RuntimeCollector(Collector):
    """Collects from one runtime. Labels are bounded: strategies, kinds of message, known stream types."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        """All metrics as they stand now."""
        yield from self._messages()
        yield from self._signals()
        yield from self._config()
        yield from self._connections()

    def _messages(self) -> Iterator[Metric]:
        counters, intake = self._runtime.engine.counters, self._runtime.intake
        outcomes = {
            **counters.decoded,
            "unused": sum(counters.unused.values()),
            "unknown": sum(counters.unknown.values()),
            "foreign": counters.foreign,
            "stale": counters.stale,
            "malformed": counters.malformed,
            "bad_input": counters.bad_input,
        }
        yield _counter("messages", "Messages through the engine, by what became of them.", "outcome", outcomes)
        yield _counter("unused_messages", "Messages that no strategy uses, by stream type.", "stream", counters.unused)
        yield CounterMetricFamily(f"{PREFIX}_messages_dropped", "Oldest messages given up.", intake.dropped)
        yield GaugeMetricFamily(f"{PREFIX}_messages_queued", "Messages that wait now.", len(intake.messages))
        yield GaugeMetricFamily(
            f"{PREFIX}_queue_lag_seconds",
            "Longest wait of a message in the last heartbeat interval.",
            self._runtime.heartbeat.lag_ms / 1000,
        )
        yield GaugeMetricFamily(
            f"{PREFIX}_symbols", "Symbols that state is kept for.", len(self._runtime.engine.symbols_seen())
        )

    def _signals(self) -> Iterator[Metric]:
        counters, bus = self._runtime.engine.counters, self._runtime.bus
        decided = CounterMetricFamily(f"{PREFIX}_signals", "Signals decided.", labels=["strategy", "action"])
        for (strategy_id, action), value in counters.signals.items():
            decided.add_metric([strategy_id, action], value)
        yield decided
        yield _counter("strategy_errors", "Exceptions out of strategies.", "strategy", counters.strategy_errors)
        yield _counter(
            "unusable_decisions", "Decisions without a tradable price.", "strategy", counters.unusable_decisions
        )
        yield GaugeMetricFamily(
            f"{PREFIX}_strategies_paused", "Strategies paused for failing.", len(self._runtime.engine.paused)
        )
        yield CounterMetricFamily(f"{PREFIX}_signals_sent", "Signals that NATS has confirmed.", bus.signals_sent)
        yield CounterMetricFamily(f"{PREFIX}_signals_dropped", "Signals given up unsent.", bus.signals_dropped)
        yield GaugeMetricFamily(f"{PREFIX}_signals_waiting", "Signals not yet confirmed.", bus.outbox_size)
        yield CounterMetricFamily(
            f"{PREFIX}_signal_history_lost", "Signals that the history in Redis lacks.", self._runtime.history.lost
        )

    def _config(self) -> Iterator[Metric]:
        config = self._runtime.config
        events = {
            "changes": config.counters.changes,
            "reloads": config.counters.reloads,
            "gaps": config.counters.gaps,
            "rejected": config.counters.rejected,
            "expired": config.counters.expired,
            "outages": config.counters.outages,
            "acks_lost": config.counters.acks_lost,
            "snapshot_failures": config.counters.snapshot_failures,
        }
        yield _counter("config_events", "What happened to the configuration.", "event", events)
        yield GaugeMetricFamily(
            f"{PREFIX}_config_stale_seconds", "Seconds since Redis last answered.", config.stale_seconds
        )
        yield GaugeMetricFamily(f"{PREFIX}_config_sequence", "Last change in force.", config.live.sequence)
        yield GaugeMetricFamily(
            f"{PREFIX}_config_latency_seconds",
            "From publication to application, of the last change.",
            config.counters.last_latency_ms / 1000,
        )
        yield GaugeMetricFamily(
            f"{PREFIX}_config_documents_refused", "Documents that stand refused now.", len(config.live.refused)
        )

    def _connections(self) -> Iterator[Metric]:
        bus, config = self._runtime.bus, self._runtime.config
        connected = {"nats": float(bus.is_connected), "redis": float(config.is_connected)}
        gauge = GaugeMetricFamily(f"{PREFIX}_connected", "Whether the connection stands.", labels=["to"])
        for name, value in connected.items():
            gauge.add_metric([name], value)
        yield gauge
        yield CounterMetricFamily(f"{PREFIX}_nats_reconnects", "Reconnections to NATS.", bus.reconnects)


def render(runtime: Runtime) -> bytes:
    """The metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RuntimeCollector(runtime))
    return generate_latest(registry)


def _counter(name: str, description: str, label: str, values: Mapping[str, int]) -> CounterMetricFamily:
    metric = CounterMetricFamily(f"{PREFIX}_{name}", description, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric

"""The runtime's Prometheus metrics, read off its parts when they are asked for: the hot path pays nothing."""

import time
from collections.abc import Iterator
from functools import partial

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from realtime_runtime.assembly import Runtime
from service_kit import metric_families
from service_kit.timings import Histogram
from service_kit.version import VERSION

PREFIX = "realtime_runtime"
MOST_SYMBOLS = 50
"""With more symbols than these no metric has them as a label."""
Metric = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_counters = partial(metric_families.counters, PREFIX)
_gauges = partial(metric_families.gauges, PREFIX)


class RuntimeCollector(Collector):
    """Collects from one runtime. Labels are bounded: strategies, kinds of message, known stream types, few symbols."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        """All metrics as they stand now."""
        yield from self._messages()
        yield from self._market()
        yield from self._signals()
        yield from self._config()
        yield from self._connections()

    def _messages(self) -> Iterator[Metric]:
        intake, consumer = self._runtime.intake, self._runtime.consumer
        yield self._outcomes()
        yield _counter("messages_received", "Messages that NATS has brought.", intake.received)
        yield _counter("messages_dropped", "Oldest messages given up.", intake.dropped)
        yield _gauge("messages_queued", "Messages that wait now.", len(intake.messages))
        yield _gauge(
            "queue_lag_seconds",
            "Longest wait of a message in the last heartbeat interval.",
            self._runtime.heartbeat.lag_ms / 1000,
        )
        timings = consumer.timings
        yield _histogram("message_wait_seconds", "From receipt to the engine, of sampled messages.", timings.wait)
        yield _histogram("decode_seconds", "Decoding of sampled market messages.", timings.decode)
        yield _histogram("decision_seconds", "From decoded to signals, of sampled market messages.", timings.decision)

    def _outcomes(self) -> Metric:
        """Messages by type (empty: refused before that counts) and outcome. A type that nobody knows is "unknown"."""
        counters = self._runtime.engine.counters
        metric = CounterMetricFamily(
            f"{PREFIX}_messages", "Messages through the engine, by what became of them.", labels=["type", "outcome"]
        )
        for kind, number in counters.decoded.items():
            metric.add_metric([kind, "decoded"], number)
        for stream_type, number in counters.unused.items():
            metric.add_metric([stream_type, "unused"], number)
        metric.add_metric(["unknown", "unknown"], sum(counters.unknown.values()))
        for (kind, outcome), number in counters.set_aside().items():
            metric.add_metric([kind, outcome], number)
        return metric

    def _market(self) -> Iterator[Metric]:
        """How old the market is that is traded on. A replay's is not: its events are of another day."""
        engine, now_ms = self._runtime.engine, time.time() * 1000
        times = engine.last_event_times()
        yield _gauge("symbols", "Symbols that state is kept for.", len(engine.symbols_seen()))
        if engine.market_source in {"", "replay"} or not times:
            return
        ages = {symbol: max(0.0, now_ms - time_ms) / 1000 for symbol, time_ms in times.items()}
        yield _gauge("market_age_seconds", "Age of the latest market event of any symbol.", min(ages.values()))
        if len(ages) <= MOST_SYMBOLS:
            help_text = f"Age of the symbol's latest market event; left out with more than {MOST_SYMBOLS} symbols."
            yield _gauges("symbol_market_age_seconds", help_text, "symbol", ages)

    def _signals(self) -> Iterator[Metric]:
        engine, bus = self._runtime.engine, self._runtime.bus
        counters = engine.counters
        decided = CounterMetricFamily(f"{PREFIX}_signals", "Signals decided.", labels=["strategy", "action"])
        for (strategy_id, action), value in counters.signals.items():
            decided.add_metric([strategy_id, action], value)
        yield decided
        # From the start on, so that Prometheus sees the first error as a rise.
        errors = {**dict.fromkeys(self._runtime.settings.strategies, 0), **counters.strategy_errors}
        yield _counters("strategy_errors", "Exceptions out of strategies.", "strategy", errors)
        yield _counters(
            "unusable_decisions", "Decisions without a tradable price.", "strategy", counters.unusable_decisions
        )
        yield _counters(
            "unpriced_decisions", "Decisions whose quote has no known worth in dollars.", "quote", counters.unpriced
        )
        yield _counters(
            "observations_without_market",
            "Observations that nothing was traded on: no recent price of their symbol.",
            "type",
            counters.without_market,
        )
        yield _gauge("strategies_paused", "Strategies paused for failing.", len(engine.paused))
        yield _counter("signals_sent", "Signals that NATS has confirmed.", bus.signals_sent)
        yield _counter("signals_dropped", "Signals given up unsent.", bus.signals_dropped)
        yield _counter("signals_expired", "Signals given up because they had waited too long.", bus.signals_expired)
        yield _counter("signals_halted", "Waiting signals given up because of a halt or a switch.", bus.signals_halted)
        yield from self._halts()
        withheld = self._runtime.consumer.withheld + bus.signals_withheld
        yield _counter("signals_withheld", "Signals not sent because another runtime trades the share.", withheld)
        yield _gauge("signals_waiting", "Signals not yet confirmed.", bus.outbox_size)
        failures = self._runtime.market.failures
        yield _counter("market_metrics_failures", "Attempts to write market metrics that Redis refused.", failures)
        yield _counter("signal_history_lost", "Signals that the history in Redis lacks.", self._runtime.history.lost)

    def _halts(self) -> Iterator[Metric]:
        halting = self._runtime.halting
        yield _gauge("halts", "Halts in force.", len(halting.halts.held))
        yield _gauge("halts_unkept", "1: the file of halts does not hold what is in force.", float(not halting.is_kept))
        yield _counter("halts_taken", "Halts that came, over whatever path.", halting.taken)
        refused = self._runtime.halt_paths.refused
        yield _counter("halts_refused", "Requests to halt without the right to it.", refused)

    def _config(self) -> Iterator[Metric]:
        config, condition = self._runtime.config, self._runtime.config.condition
        events = {
            "applied": config.counters.changes,
            "reloads": config.counters.reloads,
            "gaps": config.counters.gaps,
            "rejected": config.counters.rejected,
            "expired": config.counters.expired,
            "outages": config.counters.outages,
            "damaged": config.counters.damaged,
            "acks_lost": config.counters.acks_lost,
            "snapshot_failures": config.counters.snapshot_failures,
        }
        yield _counters("config_events", "What happened to the configuration.", "event", events)
        yield _gauge("config_stale_seconds", "Seconds since Redis last answered.", config.stale_seconds)
        yield _gauge("config_sequence", "Last change in force.", config.live.applied)
        yield _gauge("config_documents_refused", "Documents that stand refused now.", len(config.live.refused))
        held_back = len(config.live.held_back)
        yield _gauge("config_layers_held_back", "Layers that do not trade although no switch says so.", held_back)
        left_out = sum(len(names) for names in config.live.left_out.values())
        yield _gauge("config_parameters_left_out", "Parameters of documents that this version does not know.", left_out)
        yield _gauge("config_damaged", "Whether Redis lacks documents that it must have.", condition.damage is not None)
        yield _gauge("config_known", "Whether a snapshot or Redis has told of the configuration.", condition.is_known)
        yield _gauge("redis_may_evict", "Whether maxmemory-policy lets Redis drop keys.", condition.may_evict)
        yield _histogram(
            "config_propagation_seconds", "From publication to application of a change.", config.propagation
        )

    def _connections(self) -> Iterator[Metric]:
        bus, config = self._runtime.bus, self._runtime.config
        connected = {"nats": float(bus.is_connected), "redis": float(config.is_connected)}
        yield _gauges("connected", "Whether the connection stands.", "to", connected)
        yield _counter("nats_reconnects", "Reconnections to NATS.", bus.reconnects)
        yield _gauge("nats_refused", "Whether NATS refuses this process's credentials.", bool(bus.refusal))
        yield _histogram("nats_confirm_seconds", "Until NATS has confirmed a batch of signals.", bus.confirmation)
        yield _histogram(
            "redis_write_seconds", "Until Redis has taken a heartbeat.", self._runtime.heartbeat.redis_latency
        )
        settings = self._runtime.settings
        yield _gauge("replicas", "Runtimes that share the symbols.", settings.replicas)
        standby = self._runtime.standby
        yield _gauge("share_held", "Whether this runtime trades its share; 0: a standby.", standby.is_holder)
        yield _counter("share_takeovers", "Times that this runtime took its share over.", standby.keeper.takeovers)
        labels = {
            "version": VERSION,
            "ordinal": str(settings.ordinal),
            "shares_by": "nats" if settings.is_partitioned_by_nats else "runtime",
        }
        info = GaugeMetricFamily(f"{PREFIX}_info", "1; its labels say which runtime this is.", labels=list(labels))
        info.add_metric(list(labels.values()), 1)
        yield info


def render(runtime: Runtime) -> bytes:
    """The metrics in Prometheus' text format, those of the process (CPU, memory, files) among them."""
    return metric_families.exposition(RuntimeCollector(runtime))


def _counter(name: str, description: str, value: int) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", description, value)


def _gauge(name: str, description: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", description, value)


def _histogram(name: str, description: str, values: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(f"{PREFIX}_{name}", description, buckets=values.cumulated(), sum_value=values.total)

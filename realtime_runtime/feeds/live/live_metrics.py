"""The live feed's Prometheus metrics, read off its parts when they are asked for: a message costs no more for them."""

import time
from collections.abc import Iterator, Sequence
from functools import partial

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from realtime_runtime.feeds.live.live_feed import LiveFeed
from realtime_runtime.feeds.supervision import Source
from service_kit import metric_families
from service_kit.version import VERSION

PREFIX = "realtime_feed"
Metric = CounterMetricFamily | GaugeMetricFamily
_counters = partial(metric_families.counters, PREFIX)
_gauges = partial(metric_families.gauges, PREFIX)


class FeedCollector(Collector):
    """Collects from one live feed, or from one that still waits for NATS (None).

    The label ``source`` is a connection or an exchange, ``kind`` a name of FEED_SOURCES; never a symbol.
    """

    def __init__(self, feed: LiveFeed | None) -> None:
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        """All metrics as they stand now."""
        info = GaugeMetricFamily(f"{PREFIX}_info", "1; its label says which version this is.", labels=["version"])
        info.add_metric([VERSION], 1)
        yield info
        client = None if self._feed is None else self._feed.client
        connected = client is not None and client.is_connected
        yield GaugeMetricFamily(f"{PREFIX}_nats_connected", "Whether the connection to NATS stands.", float(connected))
        refused = client is not None and bool(client.refusal)
        yield GaugeMetricFamily(
            f"{PREFIX}_nats_refused", "Whether NATS refuses this process's credentials.", float(refused)
        )
        if self._feed is not None:
            yield from self._messages(self._feed)
            yield from supervision(self._feed.sources)
            yield from self._nats(self._feed)

    def _messages(self, feed: LiveFeed) -> Iterator[Metric]:
        messages = CounterMetricFamily(
            f"{PREFIX}_messages", "Messages of a source, by what became of them.", labels=["source", "outcome"]
        )
        for source in feed.sources:
            status = source.status
            messages.add_metric([status.name, "taken"], status.messages)
            messages.add_metric([status.name, "repeated"], status.repeated)
            messages.add_metric([status.name, "garbage"], status.garbage)
            messages.add_metric([status.name, "implausible"], status.implausible)
            messages.add_metric([status.name, "no_market_trade"], status.no_market_trades)
        yield messages
        missed = {source.status.name: source.status.missed for source in feed.sources}
        yield _counters("missed", "Messages that the exchange's own numbering shows to be missing.", "source", missed)

    def _nats(self, feed: LiveFeed) -> Iterator[Metric]:
        published = {name: publisher.published for name, publisher in feed.publishers.items()}
        yield _counters("published", "Messages handed to NATS.", "kind", published)
        lost = {name: publisher.lost for name, publisher in feed.publishers.items()}
        yield _counters("lost", "Messages that were given up while NATS was away.", "kind", lost)
        reconnects = feed.client.stats["reconnects"]
        yield CounterMetricFamily(f"{PREFIX}_nats_reconnects", "Reconnections to NATS.", reconnects)
        waiting = feed.client.pending_data_size
        yield GaugeMetricFamily(f"{PREFIX}_nats_waiting_bytes", "What waits for NATS to take it.", waiting)


def supervision(sources: Sequence[Source]) -> Iterator[Metric]:
    """How each source does."""
    statuses = [source.status for source in sources]
    starts = {status.name: status.starts for status in statuses}
    yield _counters("starts", "Starts of a source; each after the first one is a reconnection.", "source", starts)
    limited = {status.name: status.rate_limited for status in statuses}
    yield _counters("rate_limited", "Times that the other side has asked to be left alone.", "source", limited)
    waited = {status.name: status.rate_limit_seconds for status in statuses}
    yield _counters("rate_limit_wait_seconds", "Waits that the other side has asked for.", "source", waited)
    backoff = {status.name: status.backoff_seconds for status in statuses}
    yield _gauges(
        "backoff_seconds", "The wait that a source is in after a failure; 0 while it runs.", "source", backoff
    )
    now = time.monotonic()
    silent = {status.name: now - status.heard_at for status in statuses}
    yield _gauges(
        "silent_seconds", "Since a source was last heard; from the start on, before it was.", "source", silent
    )
    allowed = {source.status.name: source.silence_seconds for source in sources}
    yield _gauges(
        "silence_limit_seconds", "How long a source may be silent before it is started anew.", "source", allowed
    )
    dated = [status for status in statuses if status.figure_at]
    age = {status.name: status.figure_age() for status in dated}
    yield _gauges("figure_age_seconds", "Since the other side made its latest figure.", "source", age)
    limits = {status.name: status.figure_limit_seconds for status in dated}
    yield _gauges("figure_age_limit_seconds", "The age from which a figure is stale.", "source", limits)
    skew = {status.name: status.skew_ms / 1_000 for status in statuses}
    yield _gauges("clock_skew_seconds", "The exchange's clock minus ours, of the latest event.", "source", skew)


def render(feed: LiveFeed | None) -> bytes:
    """The metrics in Prometheus' text format, those of the process (CPU, memory, files) among them."""
    return metric_families.exposition(FeedCollector(feed))

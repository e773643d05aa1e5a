"""What a runtime shows to Prometheus."""

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from realtime_runtime import consumer, metrics
from realtime_runtime.app import App
from service_kit.timings import Histogram
from tests.runtime.conftest import Environ, RunningApp
from tests.runtime.market import Market, is_listening
from tests.runtime.site import Site, layer_config, poison
from tests.waiting import eventually

SKEW = "orderbook_skew"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(app: App) -> Samples:
    """All samples of /metrics, by name and labels."""
    url = f"http://127.0.0.1:{app.health.port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        families = text_string_to_metric_families(await response.text())
        return {
            (each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples
        }


def of(samples: Samples, name: str, **labels: str) -> float:
    """One sample of the runtime's."""
    return samples[f"realtime_runtime_{name}", frozenset(labels.items())]


async def test_metrics__of_a_running_app__tell_messages_signals_and_configuration(
    shared_servers: Environ, site: Site, running_app: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every message is measured.
    monkeypatch.setattr(consumer, "BATCHES_PER_SAMPLE", 1)
    monkeypatch.setattr(consumer, "MESSAGES_PER_CLOCK_READ", 0)
    await site.set_layer(SKEW, min_signal_interval_seconds=9.0)
    async with running_app(shared_servers) as app:
        await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
        market = await Market.connect(shared_servers)
        await is_listening(app)
        await eventually(lambda: app.runtime.config.live.sequence == 2)
        await site.publish({SKEW: poison(layer_config(SKEW, version=3, sequence=3), top_levels=-1)})
        await market.turn()
        await market.client.publish(shared_servers["NATS_CONSUMER_TOPIC"], b"no JSON")
        await eventually(lambda: market.signals and app.runtime.config.live.sequence == 3)
        await eventually(lambda: app.runtime.engine.counters.malformed and app.runtime.bus.signals_sent)
        await eventually(lambda: app.runtime.market.writes)
        samples = await scrape(app)
        assert of(samples, "market_metrics_failures_total") == 0
        assert of(samples, "messages_total", type="depth", outcome="decoded") == 2
        assert of(samples, "messages_total", type="", outcome="malformed") == 1
        assert of(samples, "messages_received_total") == 3
        assert of(samples, "signals_total", strategy=SKEW, action="buy") == of(samples, "signals_sent_total") == 1
        assert of(samples, "config_sequence") == 2
        assert of(samples, "config_events_total", event="rejected") == 1
        assert of(samples, "config_propagation_seconds_count") == 1
        assert of(samples, "message_wait_seconds_count") == 3
        assert of(samples, "decode_seconds_count") == of(samples, "decision_seconds_count") == 2
        assert of(samples, "nats_confirm_seconds_count") == 1
        assert of(samples, "redis_write_seconds_count") >= 1
        assert of(samples, "connected", to="nats") == of(samples, "connected", to="redis") == 1
        assert samples["process_resident_memory_bytes", frozenset()] > 0
        await market.close()


async def test_metrics__symbols__are_a_label_only_while_they_are_few(
    shared_servers: Environ, running_app: RunningApp
) -> None:
    def symbols_shown() -> int:
        return metrics.render(app.runtime).count(b"realtime_runtime_symbol_market_age_seconds{")

    async with running_app(shared_servers) as app:
        for number in range(metrics.MOST_SYMBOLS + 1):
            payload = b'{"stream":"s%03dusdt@trade","data":{"p":"1","q":"1","m":true}}' % number
            app.runtime.engine.market(payload, received_ms=1_700_000_000_000, is_replay=False)
            assert symbols_shown() == (number + 1 if number < metrics.MOST_SYMBOLS else 0)
        assert b"realtime_runtime_market_age_seconds " in metrics.render(app.runtime)


async def test_metrics__of_a_replay__tell_no_age(shared_servers: Environ, running_app: RunningApp) -> None:
    async with running_app(shared_servers) as app:
        payload = b'{"stream":"btcusdt@trade","data":{"p":"1","q":"1","m":true,"E":1700000000000}}'
        app.runtime.engine.market(payload, received_ms=0, is_replay=True)
        assert b"market_age_seconds" not in metrics.render(app.runtime)


def test_histogram__observations__are_cumulated_up_to_each_bound() -> None:
    histogram = Histogram((0.001, 0.01))
    for seconds in (0.0, 0.001, 0.0011, 5.0):
        histogram.observe(seconds)
    assert histogram.cumulated() == [("0.001", 2.0), ("0.01", 3.0), ("+Inf", 4.0)]
    assert histogram.count == 4
    assert histogram.total == pytest.approx(5.0021)

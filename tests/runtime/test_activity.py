"""The runtime's line a minute in the log, and the same under /info."""

import time

import pytest

from realtime_runtime.reporting import activity
from tests.runtime.conftest import Environ, RunningApp, get_json
from tests.runtime.market import Market, is_listening
from tests.runtime.site import Site
from tests.waiting import eventually

SKEW = "orderbook_skew"


async def test_activity__of_each_report__counts_only_what_came_since_the_one_before(
    shared_servers: Environ, site: Site, running_app: RunningApp, caplog: pytest.LogCaptureFixture
) -> None:
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with running_app(shared_servers) as app:
        reporter = app.runtime.activity
        market = await Market.connect(shared_servers)
        await is_listening(app)
        started = time.monotonic()
        reporter.report(started)
        await market.turn()
        await market.turn("ETHUSDT")
        await market.client.publish(shared_servers["NATS_CONSUMER_TOPIC"], b"no message")
        await site.set_layer(SKEW, base_confidence=0.9)
        await eventually(lambda: app.runtime.config.live.sequence == 2 and app.runtime.consumer.processed == 5)
        await eventually(lambda: app.runtime.bus.signals_sent == 2)
        await eventually(lambda: app.runtime.heartbeat.longest_lag_ms > 0.0)
        reporter.report(started + 60.0)
        _, info = await get_json(app, "/info")
        line = info["runtime"]["last_minute"]
        # The time that a message waited is whatever it was.
        assert line.pop("lag_ms") > 0.0
        assert line.pop("config_stale_seconds") < 60.0
        assert line == {
            "seconds": 60.0,
            "messages": 5,
            "messages_per_second": 0.1,
            "by_kind": {"depth": 4},
            "dropped": 0,
            "errors": 1,
            "signals": {f"{SKEW}:buy": 2},
            "signals_sent": 2,
            "signals_dropped": 0,
            "changes": 1,
            "queued": 0,
            "signals_waiting": 0,
            "symbols": 2,
            "sequence": 2,
            "market_source": "replay",
            "is_connected_to_nats": True,
        }
        assert f"'by_kind': {line['by_kind']}" in caplog.text
        reporter.report(started + 120.0)
        assert reporter.latest is not None
        assert (reporter.latest.messages, reporter.latest.signals, reporter.latest.changes) == (0, {}, 0)
        await market.close()


async def test_activity__before_the_first_report__tells_of_the_time_since_the_start(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    async with running_app(shared_servers) as app:
        market = await Market.connect(shared_servers)
        await is_listening(app)
        await market.turn()
        await eventually(lambda: app.runtime.consumer.processed == 2)
        _, info = await get_json(app, "/info")
        assert info["runtime"]["last_minute"]["messages"] == 2
        await market.close()


async def test_log__of_a_running_runtime__has_a_line_each_interval(
    shared_servers: Environ,
    site: Site,
    running_app: RunningApp,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert activity.INTERVAL_SECONDS == 60.0
    monkeypatch.setattr(activity, "INTERVAL_SECONDS", 0.05)
    caplog.set_level("INFO")
    async with running_app(shared_servers) as app:
        await eventually(lambda: caplog.text.count("runtime.heartbeat") >= 2)
        assert app.runtime.activity.latest is not None

"""What is tried again and again is told once an outage."""

from structlog.testing import capture_logs

from service_kit.outage import Outage
from tests.runtime.conftest import Environ, RunningApp
from tests.runtime.market import Market, is_listening
from tests.runtime.site import Site
from tests.waiting import eventually


def test_outage__failures_in_a_row__are_one_line() -> None:
    outage = Outage("something.failed")
    with capture_logs() as lines:
        for _ in range(3):
            outage.failed(OSError("away"))
        outage.worked()
        outage.worked()
        outage.failed(ValueError("odd"))
    assert [(line["event"], line["log_level"], line["error"]) for line in lines] == [
        ("something.failed", "warning", "OSError: away"),
        ("something.failed", "warning", "ValueError: odd"),
    ]


async def test_redis__refuses_what_the_runtime_writes__is_told_once_each_and_mended(
    shared_servers: Environ, site: Site, running_app: RunningApp
) -> None:
    await site.set_layer("orderbook_skew", min_signal_interval_seconds=0.0)
    await site.redis.set(site.keys.signals, "not a stream")
    with capture_logs() as lines:
        async with running_app(shared_servers) as app:
            market = await Market.connect(shared_servers)
            await is_listening(app)
            await market.turn()
            await eventually(lambda: any(line["event"] == "signals.history_failed" for line in lines))
            await site.redis.delete(site.keys.signals)
            await eventually(lambda: app.runtime.history.stored == 1)
            await market.close()
    (line,) = (line for line in lines if line["event"] == "signals.history_failed")
    assert line["error"].startswith("ResponseError")

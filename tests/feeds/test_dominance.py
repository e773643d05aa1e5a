"""Dominance from CoinGecko's own answer, over HTTP."""

import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from realtime_runtime.feeds.live import live_health, live_metrics, live_settings
from realtime_runtime.feeds.publishing import LivePublisher
from realtime_runtime.feeds.sources import dominance
from realtime_runtime.feeds.sources.dominance import DominanceSource
from strategy_core.market.event_kinds import DOMINANCE
from tests.feeds.conftest import Arrivals, Supervised
from tests.feeds.servers.http import JsonServer
from tests.waiting import eventually

PATH = "/api/v3/global"
Make = Callable[..., DominanceSource]


@pytest.fixture
async def server(market_data: Path) -> AsyncIterator[JsonServer]:
    """Answers as CoinGecko did, with the time of now."""
    document = json.loads((market_data / "payloads/coingecko_api_v3_global.json").read_text())
    document["data"]["updated_at"] = int(time.time())
    async with JsonServer() as running:
        running.answers[PATH] = document
        yield running


@pytest.fixture
def make(server: JsonServer, publisher: LivePublisher, nats_subject: str, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A source on the server, which publishes to a subject of the test's own."""
    monkeypatch.setattr(dominance, "DOMINANCE", replace(DOMINANCE, topic=nats_subject))

    def source(**environ: str) -> DominanceSource:
        settings = live_settings.read({"COINGECKO_URL": server.url, "DOMINANCE_INTERVAL_SECONDS": "0.1", **environ})
        return DominanceSource(settings.dominance, publisher)

    return source


@pytest.fixture
async def arrivals(listen: Callable[[str], Any], nats_subject: str) -> Arrivals:
    found: Arrivals = await listen(nats_subject)
    return found


async def test_dominance__recorded_answer__is_published_once_until_it_changes(
    make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    source = make()
    figure: Any = server.answers[PATH]
    first = figure["data"]["updated_at"]
    async with supervised(source):
        await eventually(lambda: server.asked(PATH) >= 3)
        figure["data"] |= {"updated_at": first + 60, "market_cap_percentage": {"btc": 61.5}}
        await eventually(lambda: len(arrivals.messages) == 2)
    assert arrivals.documents == [
        {"btc": pytest.approx(60.7086, abs=1e-4), "ts": first * 1000, "source": "coingecko"},
        {"btc": 61.5, "ts": (first + 60) * 1000, "source": "coingecko"},
    ]
    assert source.status.repeated >= 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b'{"data": {}}',
        b'{"data": {"updated_at": 1, "market_cap_percentage": {"btc": "x"}}}',
        b'{"data": {"updated_at": 1, "market_cap_percentage": {"btc": 101}}}',
        b'{"data": {"updated_at": 99999999999, "market_cap_percentage": {"btc": 50}}}',
        b"\xff",
    ],
)
async def test_dominance__garbage__is_not_published_and_asked_for_again(
    body: bytes, make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    server.refusals.append((200, {}, body))
    source = make()
    async with supervised(source):
        await eventually(lambda: len(arrivals.messages) == 1)
    assert source.status.failures == 1
    assert arrivals.documents[0]["btc"] == pytest.approx(60.7086, abs=1e-4)


@pytest.mark.parametrize("btc", [1.15e-29, 0.607, 99.5, 6.07])
async def test_dominance__figure_that_cannot_be__is_counted_and_not_published(
    btc: float, make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    source = make()
    figure: Any = server.answers[PATH]
    first = figure["data"]["updated_at"]
    async with supervised(source):
        await eventually(lambda: len(arrivals.messages) == 1)
        figure["data"] |= {"updated_at": first + 60, "market_cap_percentage": {"btc": btc}}
        await eventually(lambda: source.status.implausible == 1 and source.status.repeated >= 2)
        figure["data"] |= {"updated_at": first + 120, "market_cap_percentage": {"btc": 61.0}}
        await eventually(lambda: len(arrivals.messages) == 2)
    assert [document["ts"] for document in arrivals.documents] == [first * 1000, (first + 120) * 1000]
    assert (source.status.implausible, source.status.failures) == (1, 0)
    assert "cannot be" in source.status.last_error


@pytest.mark.parametrize("status", [429, 503])
async def test_dominance__refused__comes_back_when_it_may(
    status: int, make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    server.refusals.append((status, {"Retry-After": "1"}, b"{}"))
    source = make()
    began = time.monotonic()
    async with supervised(source):
        await eventually(lambda: len(arrivals.messages) == 1)
    assert f"answers {status}" in source.status.last_error
    assert status != 429 or time.monotonic() - began >= 1.0


async def test_dominance__silence__is_ended_by_the_watchdog(
    make: Make, server: JsonServer, supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dominance, "LEAST_SILENCE_SECONDS", 0.3)
    server.is_hanging = True
    source = make()
    async with supervised(source):
        await eventually(lambda: server.asked(PATH) == 2)
    assert "SilenceError" in source.status.last_error


@pytest.mark.parametrize(
    ("url", "header"),
    [("https://api.coingecko.com", "x-cg-demo-api-key"), ("https://pro-api.coingecko.com", "x-cg-pro-api-key")],
)
def test_dominance__key__goes_out_as_the_plan_wants_it(url: str, header: str) -> None:
    settings = live_settings.read({"COINGECKO_URL": url, "COINGECKO_API_KEY": "key"})
    assert dominance._key_header(settings.dominance) == {header: "key"}


async def test_dominance__stale_figure__is_sent_with_its_own_time_and_warned_of(
    make: Make, server: JsonServer, supervised: Supervised, arrivals: Arrivals
) -> None:
    old = int(time.time()) - 7_200
    figure: Any = server.answers[PATH]
    figure["data"]["updated_at"] = old
    source = make()
    with capture_logs() as logs:
        async with supervised(source):
            await eventually(lambda: len(arrivals.messages) == 1)
            report = live_health.source_report(source, now=time.monotonic())
    assert arrivals.documents[0]["ts"] == old * 1000
    assert any(entry["event"] == "feed.dominance_stale" and entry["age_seconds"] >= 7_200 for entry in logs)
    assert report["status"] == "degraded"
    assert report["figure_age_seconds"] >= 7_200
    [aged] = [each for each in live_metrics.supervision([source]) if each.name == "realtime_feed_figure_age_seconds"]
    assert [(sample.labels, sample.value >= 7_200) for sample in aged.samples] == [({"source": "dominance"}, True)]

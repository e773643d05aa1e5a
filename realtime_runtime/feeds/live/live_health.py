"""The live feed's service endpoints: /healthz, /ready and /metrics."""

import time
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from realtime_runtime.feeds.live import live_metrics
from realtime_runtime.feeds.live.live_feed import LiveFeed
from realtime_runtime.feeds.supervision import Source
from service_kit.http_server import HttpServer

Json = dict[str, Any]


class FeedHealthServer(HttpServer):
    """Answers for one feed; ``feed`` is None until NATS was there for the first time."""

    def __init__(self, port: int) -> None:
        self.feed: LiveFeed | None = None
        super().__init__(port, {"/ready": self._ready, "/metrics": self._metrics})

    async def _ready(self, request: web.Request) -> web.Response:
        report = readiness(self.feed, now=time.monotonic())
        return web.json_response(report, status=503 if report["status"] == "starting" else 200)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=live_metrics.render(self.feed), headers={"Content-Type": CONTENT_TYPE_LATEST})


def readiness(feed: LiveFeed | None, *, now: float) -> Json:
    """The body of /ready. "degraded" still feeds what it can; to start the process again would help nobody."""
    if feed is None:
        return {"status": "starting", "checks": {"nats": {"status": "degraded"}}}
    checks = {"nats": _nats_report(feed)}
    checks |= {source.status.name: source_report(source, now=now) for source in feed.sources}
    is_well = all(check["status"] == "ok" for check in checks.values())
    return {"status": "ok" if is_well else "degraded", "checks": checks}


def _nats_report(feed: LiveFeed) -> Json:
    if feed.client.is_connected:
        return {"status": "ok"}
    refusal = feed.client.refusal
    reason = f"NATS refuses this feed's credentials: {refusal}" if refusal else "NATS cannot be reached"
    return {"status": "degraded", "reason": reason}


def source_report(source: Source, *, now: float) -> Json:
    """How a source does, at the monotonic instant ``now``: well while it is heard and what it says is fresh."""
    status = source.status
    silent_seconds = now - status.heard_at
    figure_age = status.figure_age()
    is_fresh = silent_seconds <= source.silence_seconds and figure_age <= status.figure_limit_seconds
    is_well = not status.backoff_seconds and is_fresh
    return {
        "status": "ok" if is_well else "degraded",
        "messages": status.messages,
        "silent_seconds": round(silent_seconds, 1),
        "backoff_seconds": round(status.backoff_seconds, 1),
        **({"figure_age_seconds": round(figure_age, 1)} if status.figure_at else {}),
        "last_error": status.last_error,
    }

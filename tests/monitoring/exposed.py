"""Every metric that the product can show, with its labels, taken from the code that shows it."""

import asyncio
from collections.abc import Iterable
from functools import cache
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric

import configsite.metrics
import strategy_config.api.fast_reads  # noqa: F401  (its metrics register themselves)
import strategy_config.tasks.task_metrics  # noqa: F401  (its metrics register themselves)
from realtime_runtime import settings
from realtime_runtime.assembly import assemble
from realtime_runtime.feeds.live import live_feed, live_settings
from realtime_runtime.feeds.live.live_metrics import FeedCollector
from realtime_runtime.metrics import RuntimeCollector
from service_kit.nats_connection import CheckedClient

LIVE_TRADE = b'{"stream":"btcusdt@trade","data":{"p":"1","q":"1","m":true}}'
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
# What Prometheus itself adds to everything that it scrapes.
BY_PROMETHEUS = {"job", "instance"}


@cache
def metrics() -> dict[str, set[str]]:
    """By name of a sample: the labels that it may carry."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    shown = {
        **_named(
            (
                *asyncio.run(_runtime()),
                *asyncio.run(_feed()),
                *registry.collect(),
                *configsite.metrics.SharedState().collect(),
            )
        ),
        **_registered(),
    }
    return {"up": set(BY_PROMETHEUS), **{name: labels | BY_PROMETHEUS for name, labels in shown.items()}}


async def _runtime() -> list[Metric]:
    runtime = assemble(settings.read({}))
    runtime.engine.market(LIVE_TRADE, received_ms=1, is_replay=False)
    return list(RuntimeCollector(runtime).collect())


async def _feed() -> list[Metric]:
    return list(FeedCollector(live_feed.assemble(live_settings.read({}), CheckedClient())).collect())


def _named(families: Iterable[Metric]) -> dict[str, set[str]]:
    return {
        f"{family.name}{ending}": set(getattr(family, "_labelnames", ())) | ({"le"} if ending == "_bucket" else set())
        for family in families
        for ending in ENDINGS[family.type]
    }


def _registered() -> dict[str, set[str]]:
    """Those of the site that count where something happens; without labels' values there are no samples yet."""
    collectors: set[Any] = set(REGISTRY._names_to_collectors.values())
    return {
        f"{collector._name}{ending}": set(collector._labelnames) | ({"le"} if ending == "_bucket" else set())
        for collector in collectors
        if hasattr(collector, "_labelnames")
        for ending in ENDINGS[collector._type]
    }

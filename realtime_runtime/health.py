"""The runtime's service endpoints: /healthz, /ready, /metrics and /info, and POST /halt."""

import json
import time
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from realtime_runtime import metrics
from realtime_runtime.assembly import Runtime
from realtime_runtime.standby.share import Role
from service_kit.http_server import HttpServer
from service_kit.version import VERSION
from strategy_core.configuration.parameter_values import as_json
from strategy_core.engine.active import ActiveConfig

HALTS_SHOWN = 100
Json = dict[str, Any]
READY = frozenset({"ok", "degraded"})


class HealthServer(HttpServer):
    """Answers for one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        answers = {
            "/ready": self._ready,
            "/metrics": self._metrics,
            "/info": self._info,
        }
        posts = {"/halt": runtime.halt_paths.take_request}
        super().__init__(runtime.settings.health_check_port, answers, posts=posts)

    async def _ready(self, request: web.Request) -> web.Response:
        report = readiness(self._runtime)
        return web.json_response(report, status=200 if report["ready"] else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(self._runtime), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response(info(self._runtime), dumps=_dumps)


def readiness(runtime: Runtime) -> Json:
    """The body of /ready. "degraded" still trades, on the last good configuration or on what NATS has brought.

    ``not_trading`` are the layers that do not trade for another reason than a switch, by field.
    """
    config, bus = runtime.config, runtime.bus
    return {
        "status": runtime.status,
        "ready": runtime.status in READY,
        "checks": {
            "config": {
                "status": "ok" if config.degraded is None else "degraded",
                "reason": config.degraded,
                "sequence": config.live.sequence,
                "config_stale_seconds": round(config.stale_seconds, 3),
                "refused_documents": len(config.live.refused),
                "not_trading": config.live.held_back,
                "warnings": config.condition.warnings(config.live),
            },
            "nats": {
                "status": _nats_status(runtime),
                "reason": _nats_reason(runtime),
                "signals_waiting": bus.outbox_size,
            },
            "halts": _halts(runtime),
            "share": _share(runtime),
        },
    }


def _nats_status(runtime: Runtime) -> str:
    if runtime.bus.is_connected:
        return "ok"
    return "failed" if runtime.bus.is_lost else "degraded"


def _nats_reason(runtime: Runtime) -> str | None:
    if runtime.bus.is_connected:
        return None
    refusal = runtime.bus.refusal
    return f"NATS refuses this runtime's credentials: {refusal}" if refusal else "NATS cannot be reached"


def _halts(runtime: Runtime) -> Json:
    """What is halted, and whether a halt can come without site and Redis. Being halted is no fault."""
    halting, paths = runtime.halting, runtime.halt_paths
    nats = f"taken on {paths.subject}" if paths.is_nats_on else "off: set HALT_SECRET, or HALT_TRUST_BROKER=1"
    status = "halted" if halting.halts.held else "ok"
    if not halting.is_kept:
        status = "degraded"
    return {
        "status": status,
        "reason": None if halting.is_kept else "HALTS_PATH cannot be written: a restart without Redis may trade again",
        "halted": [
            {"id": halt.id, "what": str(halt.scope), "by": halt.by, "since": halt.at, "why": halt.reason}
            for halt in halting.halts.held[:HALTS_SHOWN]
        ],
        "nats": nats,
        "http": "taken on POST /halt" if paths.is_http_on else "off: set HALT_SECRET",
    }


def _share(runtime: Runtime) -> Json:
    """Who trades the share of this runtime."""
    keeper = runtime.standby.keeper
    reasons = {
        Role.UNDECIDED: "not known yet whether another runtime trades this share; signals wait",
        Role.STANDBY: "another runtime trades this share; this one takes over when it ends",
    }
    holder = None if keeper.holder is None else keeper.holder.instance_id
    return {"status": keeper.role.value, "holder": holder, "reason": reasons.get(keeper.role)}


def info(runtime: Runtime) -> Json:
    """The body of /info: the service, its endpoints, the configuration in force and what is done under it. No secret.

    ``last_minute`` is the latest line of the log's heartbeat; before there is one, what happened since the start.
    """
    live = runtime.config.live
    return {
        "service": {
            "name": "realtime-strategies-runtime",
            "version": VERSION,
            "description": "Trades the configured strategies on live market data",
        },
        "endpoints": {
            "health": "/healthz",
            "readiness": "/ready",
            "metrics": "/metrics",
            "info": "/info",
            "halt": "/halt",
        },
        "configuration": {
            "enabled_strategies": live.enabled_strategies(),
            "config": {
                "sequence": live.sequence,
                "strategies": _strategies(runtime),
                "refused_documents": [{"field": each.field, "reason": each.reason} for each in live.refused],
                "not_trading": live.held_back,
                "left_out_parameters": {field: list(names) for field, names in live.left_out.items()},
                "environment_problems": [
                    {"variable": problem.variable, "parameter": problem.field, "message": problem.message}
                    for problem in runtime.settings.environment_problems
                ],
                "unread_variables": [
                    {"variable": each.variable, "message": each.message} for each in runtime.settings.unread_variables
                ],
            },
        },
        "runtime": {
            "instance_id": runtime.settings.instance_id,
            "environment": runtime.settings.environment,
            "started_at": runtime.heartbeat.started_at.isoformat(timespec="milliseconds"),
            "replica": {"ordinal": runtime.settings.ordinal, "replicas": runtime.settings.replicas},
            "trading_symbols": sorted(runtime.settings.trading_symbols),
            "halts": [msgspec.to_builtins(halt) for halt in runtime.halting.halts.held],
            "paused_strategies": sorted(runtime.engine.paused),
            "last_minute": msgspec.to_builtins(runtime.activity.latest or runtime.activity.measure(time.monotonic())),
            "counters": _counters(runtime),
        },
    }


def _strategies(runtime: Runtime) -> Json:
    """By strategy: its global layer as resolved, and its symbol layers."""
    strategies: Json = {}
    active = runtime.config.live.active
    for strategy_id, symbol in sorted(active.layers, key=lambda key: (key[0], key[1] or "")):
        config = active.lookup(strategy_id, symbol)
        if symbol is None:
            strategies[strategy_id] = {**_config(config), "symbols": {}}
        else:
            strategies[strategy_id]["symbols"][symbol] = _config(config)
    return strategies


def _config(config: ActiveConfig) -> Json:
    return {
        "enabled": config.enabled,
        "parameters": as_json(config.parameters),
        "sequence": config.sequence,
        "global_version": config.global_version,
        "symbol_version": config.symbol_version,
    }


def _counters(runtime: Runtime) -> Json:
    counters = runtime.engine.counters
    return {
        "received": runtime.intake.received,
        "processed": runtime.consumer.processed,
        "dropped": runtime.intake.dropped,
        "decoded": dict(counters.decoded),
        "unused": dict(counters.unused),
        "unknown": dict(counters.unknown),
        "foreign": counters.foreign,
        "stale": counters.stale,
        "malformed": counters.malformed,
        "bad_input": counters.bad_input,
        "untimely": dict(counters.untimely),
        "out_of_order": dict(counters.out_of_order),
        "implausible": dict(counters.implausible),
        "no_market_trade": counters.no_market_trade,
        "depth_diff": counters.depth_diff,
        "observations_without_market": dict(counters.without_market),
        "unpriced": dict(counters.unpriced),
        "strategy_errors": dict(counters.strategy_errors),
        "signals": {f"{strategy_id}:{action}": value for (strategy_id, action), value in counters.signals.items()},
        "signals_sent": runtime.bus.signals_sent,
        "signals_dropped": runtime.bus.signals_dropped,
        "signals_withheld": runtime.consumer.withheld + runtime.bus.signals_withheld,
        "signals_expired": runtime.bus.signals_expired,
        "signals_halted": runtime.bus.signals_halted,
        "halts_taken": runtime.halting.taken,
        "halts_refused": runtime.halt_paths.refused,
    }


def _dumps(body: Any) -> str:
    return json.dumps(body, indent=2)

"""The catalogue of strategies, and operation: the shared cache and the runtimes."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from strategy_config.api import answers, strategy_list
from strategy_config.api.common import envelope, schema
from strategy_config.api.common.base import ApiView
from strategy_config.api.common.permissions import Permission
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.observed.runtimes import live_runtimes
from strategy_config.publication import refresh
from strategy_config.resolution import known_strategies
from strategy_config.selectors import cached_summaries
from strategy_core.configuration import layers, runtime_reports
from strategy_core.strategies.base import ParameterSpec

_ONLY_VIEW: Mapping[str, Permission] = {"GET": Permission.VIEW}


class StrategyListView(ApiView):
    """All strategies. To bearers of a token `hot_path` may have answered already."""

    permission_by_method = _ONLY_VIEW

    @schema.operation("listStrategies", tag="Strategies", summary="List the strategies", answer=answers.StrategyList)
    def get(self, request: Request) -> HttpResponse:
        """All strategies in catalogue order, with what is set for them and where."""
        try:
            found = strategy_list.read()
        except StoreUnavailableError:
            return _cached_list(request)
        metadata = {"total_count": found.count, "degraded": False}
        return envelope.success(request, msgspec.Raw(found.body), metadata=metadata)


def _cached_list(request: Request) -> HttpResponse:
    """Raises StoreUnavailableError where the shared cache does not know either."""
    try:
        summaries = cached_summaries.strategy_summaries(timezone.now())
    except RedisUnavailableError as exception:
        raise StoreUnavailableError("Neither the store nor the shared cache can be read right now.") from exception
    rendered = [strategy_list.render(summary) for summary in summaries]
    return envelope.success(request, rendered, metadata={"total_count": len(rendered), "degraded": True})


class ParameterSchemaView(ApiView):
    """What each parameter of a strategy means."""

    permission_by_method = _ONLY_VIEW

    @schema.operation(
        "getStrategySchema",
        tag="Strategies",
        summary="Describe the parameters of a strategy",
        answer=answers.ParameterSchema,
        path=("strategy_id",),
    )
    def get(self, request: Request, strategy_id: str) -> HttpResponse:
        """Type, range, default, unit, meaning and environment variables of each parameter, in declaration order."""
        strategy = known_strategies.strategy_class(strategy_id)
        described = [_describe(spec) for spec in strategy.specs()]
        problems = [
            {"variable": problem.variable, "message": problem.message}
            for problem in known_strategies.environment_of(strategy_id).problems
        ]
        metadata = {
            "total_count": len(described),
            "strategy_name": strategy.name,
            "environment_problems": problems,
        }
        return envelope.success(request, described, metadata=metadata)


def _describe(spec: ParameterSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "type": spec.type,
        "description": spec.description,
        "default": spec.default,
        "min": spec.minimum,
        "max": spec.maximum,
        "allowed_values": spec.allowed_values,
        "unit": spec.unit,
        "example": spec.example,
        "env": spec.environment,
    }


class DefaultsView(ApiView):
    """The parameters as the code declares them."""

    permission_by_method = _ONLY_VIEW

    @schema.operation(
        "getStrategyDefaults",
        tag="Strategies",
        summary="Read the defaults of a strategy",
        answer=answers.Defaults,
        path=("strategy_id",),
    )
    def get(self, request: Request, strategy_id: str) -> HttpResponse:
        """The default of each parameter: what holds where nobody has set anything."""
        strategy = known_strategies.strategy_class(strategy_id)
        return envelope.success(
            request, layers.as_json(strategy.parameters()), metadata={"strategy_name": strategy.name}
        )


class CacheRefreshView(ApiView):
    """The shared cache, rebuilt."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.REFRESH_CACHE}

    @schema.operation(
        "refreshCache",
        tag="Operation",
        summary="Rebuild the shared cache",
        answer=answers.CacheRefreshed,
        needs_cache=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Write every document anew from the store, and tell every runtime to read everything again."""
        refreshed = refresh.refresh_cache()
        held = f"{refreshed.entries} documents as of sequence {refreshed.sequence}"
        return envelope.success(
            request,
            {
                "message": f"Shared cache refreshed successfully: {held}.",
                "entries": refreshed.entries,
                "sequence": refreshed.sequence,
            },
            metadata={"action": "cache_refresh"},
        )


class RuntimesView(ApiView):
    """The runtimes that trade on the configuration."""

    permission_by_method = _ONLY_VIEW

    @schema.operation("listRuntimes", tag="Operation", summary="List the live runtimes", answer=answers.Runtimes)
    def get(self, request: Request) -> HttpResponse:
        """Each runtime instance that has reported within 15 seconds, or three of its intervals, and how far it got."""
        heartbeats: list[runtime_reports.Heartbeat] = []
        is_degraded = False
        try:
            heartbeats = live_runtimes()
        except RedisUnavailableError:
            is_degraded = True
        return envelope.success(request, heartbeats, metadata={"total_count": len(heartbeats), "degraded": is_degraded})

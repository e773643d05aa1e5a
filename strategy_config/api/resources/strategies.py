"""The catalogue: the list of strategies, and the parameters of each."""

from typing import Any, Literal

import msgspec
from django.http import HttpResponse
from django.utils import timezone
from pydantic import Field
from rest_framework.request import Request

from strategy_config.api import strategy_list
from strategy_config.api.common import envelope
from strategy_config.api.common.answer_models import (
    AnswerModel,
    CountMetadata,
    InstantText,
    Metadata,
    ParameterValue,
    ParameterValues,
    Success,
)
from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.permissions import READ_ONLY
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.resolution import known_strategies
from strategy_config.selectors import cached_summaries
from strategy_core.configuration import parameter_values
from strategy_core.strategies.base import ParameterSpec


class StrategySummary(AnswerModel):
    """One strategy of the list. ``symbol_overrides`` are the symbols that have a layer."""

    strategy_id: str
    name: str
    description: str
    category: str
    type: str
    enabled: bool
    has_global_config: bool
    symbol_overrides: list[str]
    parameter_count: int
    version: int
    updated_at: InstantText | None
    updated_by: str | None


class ListMetadata(CountMetadata):
    """``degraded``: the database is unreachable, and the list comes from Redis."""

    degraded: bool


class StrategyList(Success):
    data: list[StrategySummary]
    metadata: ListMetadata


class ParameterDescription(AnswerModel):
    """The declaration of a parameter. For a list, ``min`` is the minimum number of items."""

    name: str
    type: Literal["int", "float", "bool", "str", "list"]
    description: str
    default: ParameterValue
    min: float | None
    max: float | None
    allowed_values: list[ParameterValue] | None
    unit: str
    example: ParameterValue
    env: list[str] = Field(description="The environment variables that set the parameter; the first one set wins.")


class EnvironmentProblem(AnswerModel):
    """An environment variable that was ignored, and why."""

    variable: str
    message: str


class SchemaMetadata(CountMetadata):
    """Metadata of a strategy's schema."""

    strategy_name: str
    environment_problems: list[EnvironmentProblem]


class ParameterSchema(Success):
    data: list[ParameterDescription]
    metadata: SchemaMetadata


class DefaultsMetadata(Metadata):
    """Metadata of a strategy's defaults."""

    strategy_name: str


class Defaults(Success):
    data: ParameterValues
    metadata: DefaultsMetadata


class StrategyListView(ApiView):
    """All strategies. To bearers of a token `hot_path` may have answered already."""

    permission_by_method = READ_ONLY

    @operation("listStrategies", tag="Strategies", summary="List the strategies", answer=StrategyList)
    def get(self, request: Request) -> HttpResponse:
        """All strategies in catalogue order, with their state and the layers that exist for each."""
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
        raise StoreUnavailableError("The database and Redis are both unreachable; try again later.") from exception
    rendered = [strategy_list.render(summary) for summary in summaries]
    return envelope.success(request, rendered, metadata={"total_count": len(rendered), "degraded": True})


class ParameterSchemaView(ApiView):
    """What each parameter of a strategy means."""

    permission_by_method = READ_ONLY

    @operation(
        "getStrategySchema",
        tag="Strategies",
        summary="Describe the parameters of a strategy",
        answer=ParameterSchema,
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

    permission_by_method = READ_ONLY

    @operation(
        "getStrategyDefaults",
        tag="Strategies",
        summary="Read the defaults of a strategy",
        answer=Defaults,
        path=("strategy_id",),
    )
    def get(self, request: Request, strategy_id: str) -> HttpResponse:
        """The default of each parameter, which applies if no layer sets it."""
        strategy = known_strategies.strategy_class(strategy_id)
        return envelope.success(
            request, parameter_values.as_json(strategy.parameters()), metadata={"strategy_name": strategy.name}
        )

"""What a check of a change takes and answers."""

from typing import Any, Literal

from pydantic import Field

from strategy_config.api.common.answer_models import AnswerModel, Metadata, RefusedParameter, Success
from strategy_config.api.common.operations import EXAMPLE_STRATEGY, EXAMPLE_SYMBOL
from strategy_config.api.common.request_fields import OwnParameters, StrategyId, Symbol
from strategy_config.api.common.request_models import RequestBody
from strategy_config.api.resources.layers.models import Estimate

CHECK_EXAMPLES: dict[str, Any] = {
    "One symbol": {"strategy_id": EXAMPLE_STRATEGY, "symbol": EXAMPLE_SYMBOL, "parameters": {"buy_threshold": 1.5}},
    "All symbols": {"strategy_id": EXAMPLE_STRATEGY, "parameters": {"buy_threshold": 1.5, "sell_threshold": 0.7}},
}


class Impact(AnswerModel):
    """The estimated impact of the change."""

    risk_level: Literal["low", "medium", "high"]
    affected_scope: str
    parameter_count: int
    changes: list[Estimate]


class Conflict(AnswerModel):
    """An objection of another service to the change."""

    service: str
    conflict_type: str
    description: str
    resolution: str


class ServiceCheck(AnswerModel):
    """Whether another service answered the check; ``reason`` if it did not."""

    service: str
    status: Literal["answered", "no_answer", "not_asked"]
    reason: str | None


class CheckReport(AnswerModel):
    validation_passed: bool
    errors: list[RefusedParameter]
    warnings: list[str]
    suggested_fixes: list[str]
    estimated_impact: Impact
    conflicts: list[Conflict]
    services: list[ServiceCheck]


class ConfigCheck(Success):
    data: CheckReport
    metadata: Metadata


class Check(RequestBody):
    """A change to check in this service and in the other services configured for conflict checks."""

    strategy_id: StrategyId
    symbol: Symbol | None = None
    parameters: OwnParameters
    config_type: Literal["strategy"] = Field(
        default="strategy", description="What some services call this kind of configuration; always `strategy`."
    )

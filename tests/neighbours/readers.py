"""How the neighbours read what we send: the members that they need, with their types and bounds."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator


class Envelope(BaseModel):
    """Every answer of the configuration API, as clients of the original take it."""

    success: bool
    data: Any = None
    error: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class Config(BaseModel):
    """A configuration, as clients of the original take it."""

    strategy_id: str
    symbol: str | None
    parameters: dict[str, Any]
    version: int
    source: str
    is_override: bool
    created_at: str | None
    updated_at: str | None


class ListedStrategy(BaseModel):
    """One of the list of strategies."""

    strategy_id: str
    name: str
    description: str
    has_global_config: bool
    symbol_overrides: list[str]
    parameter_count: int


class SchemaItem(BaseModel):
    """One parameter of a strategy's schema."""

    name: str
    type: Literal["int", "float", "bool", "str", "list"]
    description: str
    default: Any
    min: float | None
    max: float | None
    allowed_values: list[Any] | None
    example: Any


class AuditRow(BaseModel):
    """One row of the history."""

    id: str
    strategy_id: str
    symbol: str | None
    action: str
    old_parameters: dict[str, Any] | None
    new_parameters: dict[str, Any] | None
    changed_by: str
    changed_at: str
    reason: str | None


class Validation(BaseModel):
    """What each of the services answers to `POST /api/v1/config/validate`."""

    class Problem(BaseModel):
        """A parameter that was refused."""

        field: str
        message: str
        code: str
        suggested_value: Any = None

    class Conflict(BaseModel):
        """Something that another service says against it."""

        service: str
        conflict_type: str
        description: str
        resolution: str

    validation_passed: bool
    errors: list[Problem]
    warnings: list[str]
    suggested_fixes: list[str]
    estimated_impact: dict[str, Any]
    conflicts: list[Conflict]


Fraction = Field(ge=0, le=1)


class TradeSignal(BaseModel):
    """A signal as order management and the CIO read it: both have the same contract."""

    id: str | None
    signal_id: str | None
    strategy_id: str
    strategy_mode: Literal["deterministic", "ml_light", "llm_reasoning"]
    symbol: str
    signal_type: Literal["buy", "sell", "hold", "close"] | None
    action: Literal["buy", "sell", "hold", "close"]
    confidence: float = Fraction
    strength: Literal["weak", "medium", "strong", "extreme"]
    price: float
    quantity: float
    current_price: float
    target_price: float | None
    source: str
    strategy: str
    metadata: dict[str, Any]
    timeframe: Literal["tick", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w"]
    order_type: Literal["market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit"]
    time_in_force: Literal["GTC", "IOC", "FOK", "GTX"]
    stop_loss: float | None
    stop_loss_pct: float | None = Fraction
    take_profit: float | None
    take_profit_pct: float | None = Fraction
    timestamp: datetime

    @field_validator("timestamp")
    @classmethod
    def _is_aware(cls, value: datetime) -> datetime:
        assert value.tzinfo is not None
        return value

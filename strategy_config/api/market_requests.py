"""Which order books the API is asked for: the query string of the list of all."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from strategy_config.api import requests
from strategy_config.symbols import normalise_symbol

MOST_SYMBOLS = 200
_SYMBOLS_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_]{3,23}(,[A-Za-z0-9][A-Za-z0-9_]{3,23})*$"


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _without_blanks(value: Any) -> Any:
    """An empty filter is none."""
    return None if isinstance(value, str) and not value.strip() else value


def _as_symbols(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(normalise_symbol(part.strip()) for part in value.split(",") if part.strip()) or None


AnyCase = BeforeValidator(_lowered)
Pressure = Annotated[float, Field(allow_inf_nan=False)]
Symbols = Annotated[
    tuple[str, ...],
    WithJsonSchema({"type": "string", "pattern": _SYMBOLS_PATTERN}),
    Field(description="Only these symbols, separated by commas, in any case.", examples=["BTCUSDT,ETHUSDT"]),
]


class AllMetricsQuery(BaseModel):
    """Which symbols, in which order, and which part of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbols: Annotated[Symbols | None, BeforeValidator(_as_symbols)] = None
    min_pressure: Annotated[Pressure | None, BeforeValidator(_without_blanks)] = Field(
        default=None, description="Net pressure of this or more, in percent."
    )
    max_pressure: Annotated[Pressure | None, BeforeValidator(_without_blanks)] = Field(
        default=None, description="Net pressure of this or less, in percent."
    )
    trend: Annotated[Literal["bullish", "bearish", "neutral"] | None, AnyCase, BeforeValidator(_without_blanks)] = None
    limit: Annotated[int, Field(ge=1, le=MOST_SYMBOLS, strict=True), requests.QueryNumber] = 50
    offset: Annotated[int, Field(ge=0, le=requests.MAX_VERSION, strict=True), requests.QueryNumber] = 0
    sort_by: Annotated[Literal["symbol", "pressure", "imbalance", "liquidity"], AnyCase] = "symbol"
    sort_order: Annotated[Literal["asc", "desc"], AnyCase] = "asc"

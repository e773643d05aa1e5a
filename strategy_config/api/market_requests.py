"""Which order books the API is asked for: the query string of the list of all."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from strategy_config.api import requests
from strategy_config.resolution.symbols import normalise_symbol

MOST_SYMBOLS = 200
_SYMBOLS_PATTERN = "^( *([A-Za-z0-9][A-Za-z0-9_]{3,23} *)?,)* *([A-Za-z0-9][A-Za-z0-9_]{3,23} *)?$"
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _or_none(value: Any) -> Any:
    """An empty filter is none."""
    return None if value == "" else value


def _as_decimal(value: Any) -> Any:
    return float(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else value


def _as_symbols(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = (part.strip(" ") for part in value.split(","))
    return tuple(normalise_symbol(part) for part in parts if part) or None


AnyCase = BeforeValidator(_lowered)
Pressure = Annotated[float, Field(strict=True, allow_inf_nan=False), BeforeValidator(_as_decimal)]
Symbols = Annotated[
    tuple[str, ...],
    WithJsonSchema({"type": "string", "pattern": _SYMBOLS_PATTERN}),
    Field(description="Only these symbols, separated by commas, in any case.", examples=["BTCUSDT,ETHUSDT"]),
]


class AllMetricsQuery(BaseModel):
    """Which symbols, in which order, and which part of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbols: Annotated[Symbols | None, BeforeValidator(_as_symbols)] = None
    min_pressure: Annotated[Pressure | None, BeforeValidator(_or_none)] = Field(
        default=None, description="Net pressure of this or more, in percent."
    )
    max_pressure: Annotated[Pressure | None, BeforeValidator(_or_none)] = Field(
        default=None, description="Net pressure of this or less, in percent."
    )
    trend: Annotated[Literal["bullish", "bearish", "neutral"] | None, AnyCase, BeforeValidator(_or_none)] = None
    limit: Annotated[int, Field(ge=1, le=MOST_SYMBOLS, strict=True), requests.QueryNumber] = 50
    offset: Annotated[int, Field(ge=0, le=requests.MAX_VERSION, strict=True), requests.QueryNumber] = 0
    sort_by: Annotated[Literal["symbol", "pressure", "imbalance", "liquidity"], AnyCase] = "symbol"
    sort_order: Annotated[Literal["asc", "desc"], AnyCase] = "asc"

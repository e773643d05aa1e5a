"""What a strategy is made of: declared parameters, market events in, decisions out.

A strategy is one file in this package. It declares its ``Parameters`` and its metadata, from which
validation, admin form, API schema, environment names and documentation derive, and it holds its rule.
Nothing here does I/O or reads a clock: time comes from the messages.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

ParameterType = Literal["int", "float", "bool", "str", "list"]
ParameterGroup = Literal["trigger", "filter", "timing", "confidence", "limit"]
Action = Literal["buy", "sell"]
MAX_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """Everything the product knows of one parameter, read off its declaration.

    ``is_addition``: the service that this one replaces did not have it, so its clients do not name it.
    ``group`` is what it is for: what makes a signal, what keeps one back, when, how sure, how much. ``environment``
    lists the variable names that set it, the first one wins. For a list, ``minimum`` is the least number of items.
    """

    name: str
    type: ParameterType
    group: ParameterGroup
    default: Any
    minimum: float | None
    maximum: float | None
    allowed_values: tuple[Any, ...] | None
    unit: str
    description: str
    example: Any
    environment: tuple[str, ...]
    is_addition: bool = False


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule between parameters that does not hold. ``field`` is the one to change first."""

    field: str
    fields: tuple[str, ...]
    message: str
    suggested_value: Any = None


def parameter(
    default: Any,
    *,
    group: ParameterGroup,
    description: str,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[Any, ...] | None = None,
    minimum_items: int | None = None,
    example: Any = None,
    legacy_environment: tuple[str, ...] = (),
    is_addition: bool = False,
) -> Any:
    """Declare a parameter: bounds are inclusive, ``example`` defaults to the default."""
    bounds: dict[str, Any] = {"ge": minimum, "le": maximum, "min_length": minimum_items}
    return Field(
        default=default,
        description=description,
        json_schema_extra={
            "group": group,
            "unit": unit,
            "minimum": minimum if minimum_items is None else minimum_items,
            "maximum": maximum,
            "choices": None if choices is None else list(choices),
            "example": default if example is None else example,
            "legacy_environment": list(legacy_environment),
            "is_addition": is_addition,
        },
        **{name: bound for name, bound in bounds.items() if bound is not None},
    )


class Parameters(BaseModel):
    """The typed, immutable parameters of one strategy. Strict: no coercion, no NaN, no unknown field."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    def broken_rules(self) -> Iterator[BrokenRule]:
        """The cross-field rules that do not hold. A strategy with such rules overrides this."""
        return iter(())

    @cached_property
    def record(self) -> Self:
        """The same values as the slots of a plain frozen object. For the hot path: pydantic's are slower to read.

        Nothing but the fields is there.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return cast(Self, _record_type(type(self))(**values))

    @model_validator(mode="after")
    def _refuse_broken_rules(self) -> "Parameters":
        broken = list(self.broken_rules())
        if broken:
            raise PydanticCustomError(
                "conflicting_values", "{message}", {"message": "; ".join(r.message for r in broken)}
            )
        return self


ParametersClass = type[Parameters]


@cache
def _record_type(model: ParametersClass) -> type[Any]:
    return make_dataclass(f"{model.__name__}Record", model.model_fields, frozen=True, slots=True)


@dataclass(slots=True)
class SymbolMarket:
    """What all strategies of one symbol share. ``last_price`` is 0 until the symbol has traded or quoted."""

    symbol: str
    last_price: float = 0.0
    seen: int = field(default=0, compare=False)


class Decision(NamedTuple):
    """What a strategy decided. ``details`` are the deciding numbers (JSON types only).

    ``stop_loss`` and ``take_profit`` are prices; None: the engine sets them from the confidence.
    """

    action: Action
    confidence: float
    price: float
    signal_type: str
    details: dict[str, Any]
    stop_loss: float | None = None
    take_profit: float | None = None


Decisions = Sequence[Decision]
NO_DECISION: Decisions = ()
ONE_INTERVAL = ""
P = TypeVar("P", bound=Parameters)


class Strategy(Generic[P]):
    """One strategy on one symbol: its state, and its reaction to each kind of market event.

    Subclasses set the metadata and have an ``on_<kind>(event, parameters) -> Decisions`` for each kind of event that
    they react to (`market.event_kinds`; a book comes as `Book`). Event times rise within a symbol.
    ``last_signals`` holds the event time of the last signal of each interval (`interval_of`), in milliseconds.
    """

    __slots__ = ("last_signals", "market")

    id: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str]
    category: ClassVar[Literal["Realtime Data", "Market Logic", "Microstructure"]]
    type: ClassVar[str]
    formula: ClassVar[str]
    enabled_by_default: ClassVar[bool] = True
    parameters: ClassVar[ParametersClass]
    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Parameters that had another name: {"old": "new"}. Stored values, variables and documents are carried over."""
    former_ids: ClassVar[tuple[str, ...]] = ()
    """Ids that the strategy had. The site takes its layers over; until it has, the strategy does not trade."""

    def __init__(self, market: SymbolMarket) -> None:
        self.market = market
        self.last_signals: dict[str, int] = {}

    @staticmethod
    def interval_of(details: Mapping[str, Any]) -> str:
        """Which interval a signal with these details uses up; most strategies have one a symbol."""
        return ONE_INTERVAL

    @classmethod
    def symbol_limit(cls, parameters: P) -> int:
        """Symbols to keep state for; the least recently seen goes first."""
        return 2_000

    @classmethod
    def specs(cls) -> tuple[ParameterSpec, ...]:
        """The declared parameters, in declaration order."""
        return parameter_specs(cls.id, cls.parameters)

    @classmethod
    def former_variables(cls, name: str) -> tuple[str, ...]:
        """The environment variables of a parameter's former names."""
        return tuple(f"{cls.id}_{old}".upper() for old, new in cls.renamed.items() if new == name)

    @classmethod
    def enabled_variable(cls) -> str:
        """The environment variable of the lowest layer of the enabled switch."""
        return cls.enabled_variables()[0]

    @classmethod
    def enabled_variables(cls) -> tuple[str, ...]:
        """The same, then those of former ids."""
        return tuple(f"STRATEGY_ENABLED_{each.upper()}" for each in (cls.id, *cls.former_ids))


def lift(base: float, strength: float) -> float:
    """Confidence at ``strength`` in [0, 1]: from ``base`` at 0 to 0.95 at 1, ``base`` itself from 0.95 up.

    A ``Decision`` may carry more than 0.95; the engine caps what goes out.
    """
    if base >= MAX_CONFIDENCE:
        return base
    return base + (MAX_CONFIDENCE - base) * strength


class EdgeTrigger:
    """Lets a decision through when the state turns to BUY or SELL from something else.

    An edge that comes less than the interval after the last signal is dropped and not made up for. ``last_signals``
    is the strategy's.
    """

    __slots__ = ("_last_signals", "_state")

    def __init__(self, last_signals: dict[str, int]) -> None:
        self._state = 0
        self._last_signals = last_signals

    def turns(self, state: int, now_ms: int, interval_seconds: float) -> bool:
        """``state`` is 1 (BUY), -1 (SELL) or 0 (neutral); true where a signal is to go out now."""
        if state == self._state:
            return False
        self._state = state
        if state == 0:
            return False
        last = self._last_signals.get(ONE_INTERVAL)
        # The distance, not the difference: a replay that starts over must not wait for the end of the one before.
        if last is not None and abs(now_ms - last) < interval_seconds * 1000:
            return False
        self._last_signals[ONE_INTERVAL] = now_ms
        return True


_TYPE_NAMES: dict[Any, ParameterType] = {bool: "bool", int: "int", float: "float", str: "str"}


@cache
def parameter_specs(strategy_id: str, model: type[Parameters]) -> tuple[ParameterSpec, ...]:
    """Read the declarations of ``model``. The general environment name comes first, then the legacy ones."""
    specs = []
    for name, info in model.model_fields.items():
        extra: Any = info.json_schema_extra
        choices = extra["choices"]
        specs.append(
            ParameterSpec(
                name=name,
                type=_TYPE_NAMES.get(info.annotation, "list"),
                group=extra["group"],
                default=list(info.default) if isinstance(info.default, tuple) else info.default,
                minimum=extra["minimum"],
                maximum=extra["maximum"],
                allowed_values=None if choices is None else tuple(choices),
                unit=extra["unit"],
                description=info.description or "",
                example=list(extra["example"]) if isinstance(extra["example"], tuple) else extra["example"],
                environment=(f"{strategy_id}_{name}".upper(), *extra["legacy_environment"]),
                is_addition=extra["is_addition"],
            )
        )
    return tuple(specs)

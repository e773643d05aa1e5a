"""From rows of the store to what holds: resolved configs, and documents of the shared cache. Asks the store nothing."""

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

import structlog
from django.conf import settings
from django.db import connection

from strategy_config.exceptions import NotFoundError
from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import item_failures
from strategy_core.configuration import layers, usable, wire
from strategy_core.configuration.layers import NOTHING, EnvironmentLayer, StrategyClass, Values
from strategy_core.strategies.registry import STRATEGIES

StoreKind = Literal["sqlite", "postgresql", "mongodb"]
EXPIRED_BY = "schedule"


class Expiring(Protocol):
    """A row of a symbol, whole or as much of it as was read."""

    @property
    def expires_at(self) -> datetime | None: ...


class FieldState(NamedTuple):
    """A field of the shared cache as of the last change that affected it.

    ``is_switch_unknown``: nobody has moved the switch, and only a version of the code that has the strategy knows its
    default.
    """

    sequence: int
    document: wire.Document
    is_switch_unknown: bool = False


logger = structlog.get_logger(__name__)
# Of a strategy that is not in the code nobody knows what it does by default: where nobody has switched it, it is off.
_NO_ENVIRONMENT = EnvironmentLayer(NOTHING, False, False, MappingProxyType({}), ())


def strategy_name(strategy_id: str) -> str:
    """What people call it; the id of one that the code no longer has."""
    return STRATEGIES[strategy_id].name if strategy_id in STRATEGIES else strategy_id


def is_known(strategy_id: str) -> bool:
    """Whether the code has the strategy. The store keeps the rows of one that was removed."""
    return strategy_id in STRATEGIES


def new_row(strategy_id: str) -> StrategyConfig:
    """The global layer of a strategy that has none yet. One that had another name is off until that is taken over.

    Raises NotFoundError.
    """
    strategy = strategy_class(strategy_id)
    return StrategyConfig(strategy_id=strategy.id, enabled=False if strategy.former_ids else None)


def strategy_class(strategy_id: str) -> StrategyClass:
    """The strategy's declaration; raises NotFoundError."""
    try:
        return STRATEGIES[strategy_id]
    except KeyError:
        raise unknown_strategy(strategy_id) from None


def unknown_strategy(strategy_id: str) -> NotFoundError:
    """The refusal of an id that the code does not have."""
    return NotFoundError(f"There is no strategy {strategy_id[:64]!r}. There are: {', '.join(STRATEGIES)}.")


def environment_of(strategy_id: str) -> EnvironmentLayer:
    """The environment layer that this process was started with; an empty one for a strategy not in the code."""
    found: EnvironmentLayer = settings.STRATEGY_ENVIRONMENT.get(strategy_id, _NO_ENVIRONMENT)
    return found


@cache
def store_kind() -> StoreKind:
    """What the store is, as ``source`` names it."""
    return (
        "sqlite" if connection.vendor == "sqlite" else "postgresql" if connection.vendor == "postgresql" else "mongodb"
    )


def to_milliseconds(instant: datetime) -> datetime:
    """The instant in UTC, cut to what every store keeps."""
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def iso(instant: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds: ``2024-08-08T10:00:00.000Z``."""
    return (
        None if instant is None else instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def is_due(row: Expiring, at: datetime) -> bool:
    """Whether the layer's parameters have expired by ``at`` and nobody has recorded it yet."""
    return row.expires_at is not None and row.expires_at <= at


def expired(row: SymbolOverride) -> SymbolOverride:
    """The row as it will be once its expiry is recorded (the sequence of that is not known before)."""
    after = copy.copy(row)
    after.parameters = None
    after.version += 1
    after.updated_at = row.expires_at
    after.updated_by = EXPIRED_BY
    after.reason = expiry_reason(row)
    after.expires_at = None
    return after


def expiry_reason(row: SymbolOverride) -> str:
    """The reason that the history gives for an expiry."""
    return f"expired at {iso(row.expires_at)}"


def has_layer(row: SymbolOverride) -> bool:
    """Whether the symbol differs from the global layer: by parameters of its own, or by being switched off."""
    return row.parameters is not None or not row.enabled


def may_run(row: StrategyConfig) -> bool:
    """Whether a runtime of any version may trade it: an older one may still have a strategy that this code lacks."""
    return is_enabled(row) if is_known(row.strategy_id) else row.enabled is not False


def is_enabled(row: StrategyConfig, override: SymbolOverride | None = None) -> bool:
    """The effective switch. A symbol's can only switch off."""
    enabled = environment_of(row.strategy_id).enabled if row.enabled is None else row.enabled
    return enabled and (override is None or override.enabled)


def own_values(row: StrategyConfig | SymbolOverride) -> Values:
    """What the layer itself sets, under the names that its parameters have now; nothing where it has no parameters."""
    stored = NOTHING if row.parameters is None else row.parameters
    strategy = STRATEGIES.get(row.strategy_id)
    return stored if strategy is None else layers.carried_over(strategy, stored)


def values_below(strategy_id: str, global_values: Values | None) -> Values:
    """What is set and in force below a symbol's layer, or below the global one where ``global_values`` is None."""
    environment = environment_of(strategy_id).values
    if global_values is None:
        return environment
    return usable.values_in_force(strategy_class(strategy_id), environment, global_values)


def refusal_warnings(config: wire.LayerConfig) -> tuple[str, ...]:
    """A sentence for each value that does not fit."""
    sentences = []
    for each in config.refused:
        sentence = f"The {each.layer} value of {each.parameter} is not in force: {each.message}"
        if each.parameter in config.parameters:
            sentence += f" In force: {layers.in_short(config.parameters[each.parameter])}."
        sentences.append(sentence)
    return tuple(sentences)


def global_config(row: StrategyConfig) -> wire.LayerConfig:
    """What the strategy runs on where a symbol has no layer of its own."""
    return _config(row, None, resolved(row, NOTHING))


def symbol_config(row: StrategyConfig, override: SymbolOverride) -> wire.LayerConfig:
    """What the strategy runs on for the symbol, whatever ``expires_at`` says."""
    return _config(row, override, resolved(row, own_values(override)))


def inherited_values(row: StrategyConfig, symbol: str | None) -> Values:
    """Every parameter as the layer of ``symbol``, or the global one, has it without values of its own."""
    below = row if symbol is not None else StrategyConfig(strategy_id=row.strategy_id)
    return resolved(below, NOTHING).parameters


def unstored_config(strategy_id: str, symbol: str | None) -> wire.LayerConfig:
    """What the environment and the defaults say, under version 0: what holds where nobody has set anything."""
    row = StrategyConfig(strategy_id=strategy_id)
    return (
        global_config(row)
        if symbol is None
        else symbol_config(row, SymbolOverride(strategy_id=strategy_id, symbol=symbol))
    )


def global_document(row: StrategyConfig) -> wire.Document:
    """The document of the global layer."""
    return wire.Document(config=global_config(row), global_version=row.version, symbol_version=0)


def symbol_document(row: StrategyConfig, override: SymbolOverride) -> wire.Document:
    """The document of a symbol's layer. One that is gone keeps it: its version is still to be named."""
    expires_at = override.expires_at
    return wire.Document(
        config=symbol_config(row, override),
        global_version=row.version,
        symbol_version=override.version,
        expires_at_ms=None if expires_at is None else round(expires_at.timestamp() * 1000),
        after=None if expires_at is None else symbol_config(row, expired(override)),
    )


def global_state(row: StrategyConfig) -> FieldState:
    """What the shared cache is to hold of the global layer."""
    return FieldState(row.sequence, global_document(row), _is_switch_unknown(row))


def symbol_state(row: StrategyConfig, override: SymbolOverride) -> FieldState:
    """What the shared cache is to hold of the symbol's layer."""
    is_switch_unknown = override.enabled and _is_switch_unknown(row)
    return FieldState(max(row.sequence, override.sequence), symbol_document(row, override), is_switch_unknown)


def states_of(row: StrategyConfig, overrides: Iterable[SymbolOverride]) -> dict[str, FieldState]:
    """What the shared cache is to hold of the strategy's global layer and of the given rows, by field.

    Nothing for a strategy that the code lacks and nobody has ever set: a runtime that has it knows its defaults.
    """
    found = {}
    if row.version or is_known(row.strategy_id):
        found[wire.field_name(row.strategy_id, None)] = global_state(row)
    for override in overrides:
        with item_failures.contained("document", strategy_id=row.strategy_id, symbol=override.symbol):
            found[wire.field_name(row.strategy_id, override.symbol)] = symbol_state(row, override)
    return found


def _is_switch_unknown(row: StrategyConfig) -> bool:
    return row.enabled is None and not is_known(row.strategy_id)


def etag(strategy_id: str, symbol: str | None, version: int, sequence: int) -> str:
    """The entity tag, quotes included. A fifth part stands for the variables that the process was started with."""
    environment = environment_of(strategy_id)
    parts = [strategy_id, symbol or "global", str(version), str(sequence)]
    if environment.values or environment.is_enabled_set:
        parts.append(_digest(environment))
    return f'"{":".join(parts)}"'


def _digest(environment: EnvironmentLayer) -> str:
    said = [dict(environment.values), environment.enabled if environment.is_enabled_set else None]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


class ResolvedValues(NamedTuple):
    """All parameters as JSON types, the layers that they come from, and the values that do not fit."""

    parameters: dict[str, Any]
    sources: dict[str, layers.Source]
    refused: tuple[usable.RefusedValue, ...] = ()


def resolved(row: StrategyConfig, symbol_own: Values) -> ResolvedValues:
    """What holds of environment, global layer and the own values of a symbol.

    Of a strategy that is not in the code these are the stored values, unjudged: a runtime of another version may have
    it, fills in what is missing, and judges them itself. Above all it is to learn of the switch.
    """
    own = own_values(row)
    strategy = STRATEGIES.get(row.strategy_id)
    if strategy is None:
        sources: dict[str, layers.Source] = {**dict.fromkeys(own, "global"), **dict.fromkeys(symbol_own, "symbol")}
        return ResolvedValues({**own, **symbol_own}, sources)
    found = usable.resolve(
        strategy,
        environment=environment_of(row.strategy_id).values,
        global_values=own,
        symbol_values=symbol_own,
    )
    return ResolvedValues(layers.as_json(found.parameters), found.sources, found.refused)


def _config(row: StrategyConfig, override: SymbolOverride | None, found: ResolvedValues) -> wire.LayerConfig:
    """Who wrote it and when are those of the layer that speaks: the global one where the symbol has none."""
    is_override = override is not None and has_layer(override)
    told_by: StrategyConfig | SymbolOverride = row if override is None or not is_override else override
    layer = row if override is None else override
    return wire.LayerConfig(
        strategy_id=row.strategy_id,
        symbol=None if override is None else override.symbol,
        enabled=is_enabled(row, override),
        parameters=found.parameters,
        version=layer.version,
        source=_source(found.sources),
        is_override=is_override,
        sources=found.sources,
        overrides=dict(own_values(layer)),
        created_at=iso(told_by.created_at),
        updated_at=iso(told_by.updated_at),
        updated_by=told_by.updated_by or None,
        reason=told_by.reason or None,
        expires_at=None if override is None else iso(override.expires_at),
        sequence=row.sequence if override is None else max(row.sequence, override.sequence),
        refused=_told(found.refused) if found.refused else [],
    )


def _told(refused: Iterable[usable.RefusedValue]) -> list[wire.RefusedValue]:
    return [
        wire.RefusedValue(parameter=each.parameter, layer=each.layer, value=each.value, message=each.message)
        for each in refused
    ]


def _source(sources: Mapping[str, layers.Source]) -> str:
    """The highest layer that contributes a parameter."""
    contributing = set(sources.values())
    if contributing & {"global", "symbol"}:
        return store_kind()
    return "environment" if "environment" in contributing else "default"

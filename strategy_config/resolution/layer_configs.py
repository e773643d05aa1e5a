"""From rows of the database to what holds: resolved configs. Asks the database nothing."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import structlog
from django.db import connection

from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution.instants import iso
from strategy_config.resolution.known_strategies import environment_of
from strategy_config.resolution.layer_rows import has_layer, is_enabled, own_values
from strategy_core.configuration import layers, parameter_values, usable, wire_documents
from strategy_core.configuration.parameter_values import NOTHING, Values
from strategy_core.strategies.registry import STRATEGIES

StoreKind = Literal["sqlite", "postgresql", "mongodb"]
log = structlog.get_logger(__name__)


@cache
def store_kind() -> StoreKind:
    """What the store is, as ``source`` names it."""
    return (
        "sqlite" if connection.vendor == "sqlite" else "postgresql" if connection.vendor == "postgresql" else "mongodb"
    )


def refusal_warnings(config: wire_documents.LayerConfig) -> tuple[str, ...]:
    """A sentence for each value that does not fit."""
    sentences = []
    for each in config.refused:
        sentence = f"The {each.layer} value of {each.parameter} is not in force: {each.message}"
        if each.parameter in config.parameters:
            sentence += f" In force: {parameter_values.in_short(config.parameters[each.parameter])}."
        sentences.append(sentence)
    return tuple(sentences)


def global_config(row: StrategyConfig) -> wire_documents.LayerConfig:
    """What the strategy runs on where a symbol has no layer of its own."""
    return _config(row, None, resolved(row, NOTHING))


def symbol_config(row: StrategyConfig, override: SymbolOverride) -> wire_documents.LayerConfig:
    """What the strategy runs on for the symbol, whatever ``expires_at`` says."""
    return _config(row, override, resolved(row, own_values(override)))


def inherited_values(row: StrategyConfig, symbol: str | None) -> Values:
    """Every parameter as the layer of ``symbol``, or the global one, has it without values of its own."""
    below = row if symbol is not None else StrategyConfig(strategy_id=row.strategy_id)
    return resolved(below, NOTHING).parameters


def unstored_config(strategy_id: str, symbol: str | None) -> wire_documents.LayerConfig:
    """What the environment and the defaults say, under version 0: the state in which nothing has been set."""
    row = StrategyConfig(strategy_id=strategy_id)
    return (
        global_config(row)
        if symbol is None
        else symbol_config(row, SymbolOverride(strategy_id=strategy_id, symbol=symbol))
    )


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
    return ResolvedValues(parameter_values.as_json(found.parameters), found.sources, found.refused)


def _config(row: StrategyConfig, override: SymbolOverride | None, found: ResolvedValues) -> wire_documents.LayerConfig:
    """Who wrote it and when are those of the layer that speaks: the global one where the symbol has none."""
    is_override = override is not None and has_layer(override)
    told_by: StrategyConfig | SymbolOverride = row if override is None or not is_override else override
    layer = row if override is None else override
    return wire_documents.LayerConfig(
        strategy_id=row.strategy_id,
        symbol=None if override is None else override.symbol,
        enabled=is_enabled(row, override),
        parameters=found.parameters,
        version=layer.version,
        source=_source(found.sources),
        is_override=is_override,
        sources=found.sources,
        own=dict(own_values(layer)),
        created_at=iso(told_by.created_at),
        updated_at=iso(told_by.updated_at),
        updated_by=told_by.updated_by or None,
        reason=told_by.reason or None,
        expires_at=None if override is None else iso(override.expires_at),
        sequence=row.sequence if override is None else max(row.sequence, override.sequence),
        refused=_told(found.refused) if found.refused else [],
    )


def _told(refused: Iterable[usable.RefusedValue]) -> list[wire_documents.RefusedValue]:
    return [
        wire_documents.RefusedValue(parameter=each.parameter, layer=each.layer, value=each.value, message=each.message)
        for each in refused
    ]


def _source(sources: Mapping[str, layers.Source]) -> str:
    """The highest layer that contributes a parameter."""
    contributing = set(sources.values())
    if contributing & {"global", "symbol"}:
        return store_kind()
    return "environment" if "environment" in contributing else "default"

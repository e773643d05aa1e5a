"""What a change would do: a dry run that writes nothing and refuses nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from service_kit.names import listed
from service_kit.tracing import traced
from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import expiry, known_strategies, layer_configs, layer_rows
from strategy_config.resolution.differences import ParameterChange, percent_of_range
from strategy_config.resolution.entity_tags import require_match
from strategy_config.resolution.expiry import check_expiry
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.selectors import strategy_rows
from strategy_config.services.layer_edits import SWITCH, edit_of, judge, propose
from strategy_config.store import transactions
from strategy_core.configuration import validation
from strategy_core.configuration.parameter_values import NOTHING, StrategyClass, Values
from strategy_core.configuration.validation import InvalidParametersError, ParameterError

RiskLevel = Literal["low", "medium", "high"]
MEDIUM_RISK_PERCENT = 20.0
HIGH_RISK_PERCENT = 50.0


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do, or why it would be refused.

    The symbols are those with a layer of their own, whose resolved parameters would change or not; for a change on
    one symbol, that symbol. ``kept`` names by changed parameter the symbols whose own values stand above it, and these
    values. ``risk_level`` goes by the greatest change relative to its range; what would be refused is
    "high". ``inherited`` names what was given and would stay inherited. The switch is among the changes as "enabled".
    """

    errors: tuple[ParameterError, ...]
    warnings: tuple[str, ...]
    changes: tuple[ParameterChange, ...]
    affected_symbols: tuple[str, ...]
    unaffected_symbols: tuple[str, ...]
    risk_level: RiskLevel
    kept: Mapping[str, Mapping[str, Any]]
    inherited: tuple[str, ...] = ()


@traced
@transactions.store_errors()
def check_change(
    *,
    strategy_id: str,
    symbol: str | None = None,
    parameters: Values,
    is_merge: bool = False,
    expires_at: datetime | None = None,
    at: datetime,
    if_match: str | None = None,
) -> Preview:
    """A dry run of ``set_layer``, or of ``merge_layer`` where ``is_merge``, at the instant ``at``.

    Raises NotFoundError, InvalidSymbolError, VersionConflictError, and InvalidRequestError for the expiry; refused
    parameters are in the answer.
    """
    row = strategy_rows.strategy_row(strategy_id)
    strategy = known_strategies.strategy_class(strategy_id)
    overrides = {override.symbol: override for override in SymbolOverride.objects.filter(strategy_id=strategy_id)}
    above = _live_parameters(overrides, at)
    layer: StrategyConfig | SymbolOverride = row
    own = layer_rows.own_values(row)
    below = layer_rows.values_below(strategy_id, None if symbol is None else own)
    if symbol is not None:
        symbol = normalise_symbol(symbol)
        layer = overrides.get(symbol) or SymbolOverride(strategy_id=strategy_id, symbol=symbol)
        own, above = above.get(symbol, NOTHING), {}
    require_match(if_match, row, layer, at)
    edit = edit_of("merge" if is_merge else "replace", parameters)
    proposal = propose(strategy, edit, own=own, below=lambda: layer_configs.inherited_values(row, symbol))
    try:
        accepted = judge(strategy, edit, proposal, below=below, above=above, stored=own)
    except InvalidParametersError as exception:
        return Preview(exception.errors, (), (), (), (), "high", {})
    check_expiry(expires_at, symbol=symbol, parameters=accepted, at=at)
    old, new = ({**below, **validation.check_values(strategy, values)[0]} for values in (own, accepted))
    changes = (*_changes(strategy, old, new), *_switch_changes(row, layer, edit.switch))
    if symbol is not None:
        affected = [symbol] if changes else []
    else:
        affected = [name for name, theirs in above.items() if _changes(strategy, {**old, **theirs}, {**new, **theirs})]
    return Preview(
        errors=(),
        warnings=tuple(_warnings(changes, above)),
        changes=changes,
        affected_symbols=tuple(affected),
        unaffected_symbols=tuple(name for name in above if name not in affected),
        risk_level=_risk(changes),
        kept={change.parameter: _kept(change.parameter, above) for change in changes},
        inherited=proposal.inherited,
    )


def _switch_changes(
    row: StrategyConfig, layer: StrategyConfig | SymbolOverride, switch: bool | None
) -> tuple[ParameterChange, ...]:
    is_on = layer.enabled if isinstance(layer, SymbolOverride) else layer_rows.is_enabled(row)
    return () if switch is None or switch == is_on else (ParameterChange(SWITCH, is_on, switch, None),)


def _live_parameters(overrides: Mapping[str, SymbolOverride], at: datetime) -> dict[str, Values]:
    return {
        symbol: layer_rows.own_values(override)
        for symbol, override in overrides.items()
        if override.parameters is not None and not expiry.is_due(override, at)
    }


def _changes(strategy: StrategyClass, old: Values, new: Values) -> tuple[ParameterChange, ...]:
    """The parameters whose resolved value differs; a layer that sets nothing leaves the default."""
    found = []
    for spec in strategy.specs():
        before, after = old.get(spec.name, spec.default), new.get(spec.name, spec.default)
        if before == after:
            continue
        found.append(ParameterChange(spec.name, before, after, percent_of_range(spec, before, after)))
    return tuple(found)


def _kept(parameter: str, above: Mapping[str, Values]) -> dict[str, Any]:
    return {symbol: theirs[parameter] for symbol, theirs in sorted(above.items()) if parameter in theirs}


def _warnings(changes: tuple[ParameterChange, ...], above: Mapping[str, Values]) -> list[str]:
    if not changes:
        return ["Nothing would change."]
    warnings = []
    for change in changes:
        hiding = [symbol for symbol, theirs in above.items() if change.parameter in theirs]
        if hiding:
            warnings.append(f"{change.parameter} is overridden for {listed(hiding)}: no change there.")
    return warnings


def _risk(changes: tuple[ParameterChange, ...]) -> RiskLevel:
    """A change of something without a range counts as medium."""
    greatest = max(
        (MEDIUM_RISK_PERCENT if c.percent_of_range is None else c.percent_of_range for c in changes), default=0.0
    )
    return "high" if greatest >= HIGH_RISK_PERCENT else "medium" if greatest >= MEDIUM_RISK_PERCENT else "low"

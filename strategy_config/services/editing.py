"""An edit made to an open layer: judged as a whole, recorded as one set, except that a stop holds whatever is refused.

A stop that comes with other things is recorded first and by itself, a switch to on last, so that no instant is open in
which the strategy trades on something that nobody asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strategy_config.exceptions import ConfigError, InvalidRequestError, NotFoundError, VersionConflictError
from strategy_config.history.origins import Origin
from strategy_config.models import SymbolOverride
from strategy_config.resolution import layer_rows
from strategy_config.resolution.expiry import check_expiry
from strategy_config.services.layer_edits import UNSET, LayerEdit, NotAllowedError, judge, propose
from strategy_config.services.open_layer import OpenLayer
from strategy_core.configuration.validation import InvalidParametersError

MAY_NOT_ENABLE = "Switching on is for operators. Leave enabled out, or ask an operator."
IF_MATCH_PASSED_OVER = "If-Match does not match the current layer. It was ignored, because a stop is never refused."
Refusal = ConfigError | InvalidParametersError


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the caller asks of an edit besides its content.

    ``may_enable``: the caller may switch on. ``is_forced``: record a version also where nothing would change.
    ``confirmed_sequence``: every expected runtime has applied the changes up to this one.
    """

    if_match: str | None = None
    may_enable: bool = True
    is_forced: bool = False
    confirmed_sequence: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an edit. ``stopped_by``: by whom the layer is off now, if it is by the edit.

    ``refusal``: why nothing but its stop was recorded.
    """

    inherited: tuple[str, ...] = ()
    stopped_by: Origin | None = None
    refusal: Refusal | None = None
    warnings: tuple[str, ...] = ()


NOTHING_MORE = Outcome()


@dataclass(frozen=True, slots=True)
class _Judged:
    parameters: dict[str, Any] | None
    expires_at: datetime | None
    inherited: tuple[str, ...]


def apply_edit(layer: OpenLayer, edit: LayerEdit, origin: Origin, conditions: Conditions) -> Outcome:
    """Record what the edit changes: no row, one, or one for the switch and one for the parameters.

    Raises InvalidParametersError, InvalidRequestError, VersionConflictError, NotAllowedError; not where the edit stops
    the layer: then the stop is recorded, and the refusal of the rest is in the outcome.
    """
    is_stop = edit.switch is False
    try:
        layer.require_match(conditions.if_match)
    except VersionConflictError as refusal:
        if not is_stop:
            raise
        _stop(layer, origin, conditions)
        if edit.is_stop_alone:
            return Outcome(stopped_by=origin, warnings=(IF_MATCH_PASSED_OVER,))
        return Outcome(stopped_by=origin, refusal=refusal)
    layer.record_due_expiry()
    try:
        judged = _judge(layer, edit, origin, conditions)
    except (InvalidParametersError, InvalidRequestError, NotFoundError, NotAllowedError) as refusal:
        if not is_stop:
            raise
        _stop(layer, origin, conditions)
        return Outcome(stopped_by=origin, refusal=refusal)
    if is_stop:
        _stop(layer, origin, conditions)
    # A stop alone forces nothing beside itself.
    is_forced = conditions.is_forced and not edit.is_stop_alone
    layer.record_parameters(judged.parameters, origin, expires_at=judged.expires_at, is_forced=is_forced)
    if edit.switch and not layer.is_own_switch_on:
        layer.record_switch(True, origin)
    return Outcome(inherited=judged.inherited, stopped_by=origin if is_stop else None)


def _judge(layer: OpenLayer, edit: LayerEdit, origin: Origin, conditions: Conditions) -> _Judged:
    """What the layer's parameters are to be; raises as `apply_edit`."""
    if edit.switch and not layer.is_own_switch_on and not conditions.may_enable:
        raise NotAllowedError(MAY_NOT_ENABLE)
    stored = layer.own.parameters
    expires_at = layer.own.expires_at if isinstance(layer.own, SymbolOverride) else None
    if edit.operation == "merge" and not edit.parameters and edit.switch_error is None and edit.expires_at is UNSET:
        return _Judged(stored, expires_at, ())
    own, strategy = layer_rows.own_values(layer.own), layer.strategy
    proposal = propose(strategy, edit, own=own, below=layer.inherited_values)
    below, above = layer.values_below(), layer.parameters_above()
    accepted = judge(strategy, edit, proposal, below=below, above=above, stored=own)
    if edit.expires_at is not UNSET:
        until = check_expiry(edit.expires_at, symbol=layer.symbol, parameters=accepted, at=origin.at)
    else:
        until = expires_at if accepted and edit.operation == "merge" else None
    is_still_none = stored is None and not accepted and edit.operation == "merge"
    return _Judged(None if is_still_none else accepted, until, proposal.inherited)


def _stop(layer: OpenLayer, origin: Origin, conditions: Conditions) -> None:
    """Switch off; a layer that is off is published again, unless every expected runtime has confirmed it."""
    is_confirmed = not layer.is_own_switch_on and layer.sequence <= conditions.confirmed_sequence
    if not is_confirmed or conditions.is_forced:
        layer.record_switch(False, origin)

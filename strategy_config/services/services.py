"""Every write, each one use case: judged, stored with its history in one transaction, then published.

Called through the module. All raise StoreUnavailableError where the store is away; what is refused changes nothing.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from service_kit.tracing import traced
from strategy_config.accounts.tokens import adopt_tokens, issue_token, revoke_token
from strategy_config.exceptions import InvalidRequestError, NotFoundError, StoreUnavailableError, VersionConflictError
from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin, checked_origin, reasoned_origin, stopping_origin
from strategy_config.models import ConfigAudit, RelayPosition, SymbolOverride
from strategy_config.observed import runtimes
from strategy_config.publication import publisher
from strategy_config.redis import redis_client
from strategy_config.resolution import item_failures, resolution
from strategy_config.resolution.expiry import check_expiry
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.services import misfit_history
from strategy_config.services.bulk_changes import copy_override, delete_overrides, switch_overrides
from strategy_config.services.catalogue import sync_catalogue
from strategy_config.services.dry_run import ParameterChange, Preview, check_change
from strategy_config.services.editing import IF_MATCH_PASSED_OVER, Conditions, Outcome, Refusal, apply_edit
from strategy_config.services.halts import (
    Halted,
    Resumed,
    cover_old_runtimes,
    halt,
    halt_without_store,
    resume,
    take_in_told,
)
from strategy_config.services.imports import apply_import, export_configuration, plan_import
from strategy_config.services.layer_edits import UNSET, LayerEdit, Unset, edit_of
from strategy_config.services.open_layer import OpenLayer
from strategy_config.services.renamed_strategies import stop_former, take_over_renamed
from strategy_config.store import transactions
from strategy_core.configuration import wire
from strategy_core.configuration.halts import EVERYTHING
from strategy_core.configuration.layers import Values

__all__ = [
    "UNSET",
    "Halted",
    "Origin",
    "ParameterChange",
    "Preview",
    "Refreshed",
    "Resumed",
    "Unset",
    "Written",
    "adopt_tokens",
    "apply_import",
    "check_change",
    "check_expiry",
    "copy_override",
    "cover_old_runtimes",
    "delete_layer",
    "delete_overrides",
    "expire_due",
    "export_configuration",
    "halt",
    "halt_without_store",
    "issue_token",
    "merge_layer",
    "normalise_symbol",
    "plan_import",
    "record_relayed",
    "refresh_cache",
    "resume",
    "revoke_token",
    "roll_back",
    "set_layer",
    "switch",
    "switch_off_all",
    "switch_overrides",
    "sync_catalogue",
    "take_over_renamed",
    "take_in_told",
]
T = TypeVar("T")
_SWITCHES = (ConfigAudit.Action.ENABLE, ConfigAudit.Action.DISABLE)


@dataclass(frozen=True, slots=True)
class Written:
    """An accepted change, and the layer right after it, whoever wrote since.

    ``action`` and ``sequence`` are those of its last row of history; None, and the layer's, where nothing was changed.
    ``published`` false: stored, the shared cache will be told as soon as it is back. ``inherited`` names what was given
    and stays inherited. ``is_stopped``: it was a stop. ``refusal``: why nothing but the stop was stored.
    """

    strategy_id: str
    symbol: str | None
    action: str | None
    version: int
    sequence: int
    published: bool
    warnings: tuple[str, ...]
    config: wire.LayerConfig
    inherited: tuple[str, ...] = ()
    is_stopped: bool = False
    refusal: Refusal | None = None

    @property
    def is_unchanged(self) -> bool:
        """Nothing was to be changed: there is no version of it."""
        return self.action is None


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The shared cache was rebuilt: documents there now, and the sequence that they stand at."""

    entries: int
    sequence: int


@traced
def set_layer(
    *,
    strategy_id: str,
    symbol: str | None = None,
    parameters: Values,
    origin: Origin,
    expires_at: datetime | None = None,
    if_match: str | None = None,
    may_enable: bool = True,
    is_forced: bool = False,
) -> Written:
    """Replace the layer's own parameters: CREATE where there was no layer, else UPDATE. ``enabled`` is the switch.

    What would change nothing makes no version unless ``is_forced``. ``if_match`` is the value of an If-Match header,
    ``may_enable``: the caller may switch on. Raises NotFoundError, InvalidSymbolError, InvalidRequestError,
    VersionConflictError, NotAllowedError, InvalidParametersError (with every error). ``enabled`` false is not refused:
    where the rest is, it is stored by itself, and ``Written.refusal`` says why.
    """
    edit = edit_of("replace", parameters, expires_at)
    return _edit(strategy_id, symbol, edit, origin, Conditions(if_match, may_enable, is_forced))


@traced
def merge_layer(
    *,
    strategy_id: str,
    symbol: str | None = None,
    parameters: Values,
    origin: Origin,
    expires_at: datetime | None | Unset = UNSET,
    if_match: str | None = None,
    may_enable: bool = True,
    is_forced: bool = False,
) -> Written:
    """Merge into the layer's own parameters; a value of None removes the parameter from the layer.

    ``expires_at`` UNSET keeps the one there is, while there is something to expire. What equals the inherited value
    does not become own where every parameter is named. The rest, and what it raises, as ``set_layer``.
    """
    edit = edit_of("merge", parameters, expires_at)
    return _edit(strategy_id, symbol, edit, origin, Conditions(if_match, may_enable, is_forced))


def _edit(strategy_id: str, symbol: str | None, edit: LayerEdit, origin: Origin, conditions: Conditions) -> Written:
    if edit.switch is False:
        origin = stopping_origin(origin)
        conditions = replace(conditions, confirmed_sequence=runtimes.confirmed_sequence())
    else:
        origin = checked_origin(origin)
    return _written(strategy_id, symbol, origin, lambda layer: apply_edit(layer, edit, origin, conditions))


@traced
def delete_layer(
    *, strategy_id: str, symbol: str | None = None, origin: Origin, if_match: str | None = None
) -> Written:
    """Remove the layer's parameters; the switch stays as it is.

    Raises as ``set_layer``, NotFoundError also where there are none.
    """

    def change(layer: OpenLayer, origin: Origin) -> None:
        if layer.own.parameters is None:
            raise NotFoundError(f"{_name(layer)} has no parameters of its own to delete.")
        layer.require_removable()
        layer.record("DELETE", None, origin)

    return _write(strategy_id, symbol, origin, if_match, change)


@traced
def roll_back(
    *,
    strategy_id: str,
    symbol: str | None = None,
    origin: Origin,
    target_version: int | None = None,
    rollback_id: uuid.UUID | str | None = None,
    if_match: str | None = None,
) -> Written:
    """Restore parameters that the layer had, as a new version. No layer is such a state too. No expiry is restored.

    To the state after ``target_version``, or after the row of history ``rollback_id``; without either, to the one
    before the last change that was no switch. Raises as ``set_layer``, NotFoundError also where this layer has no
    such version or row.
    """
    if target_version is not None and rollback_id is not None:
        raise InvalidRequestError("Give target_version or rollback_id, not both.", field="rollback_id")

    def change(layer: OpenLayer, origin: Origin) -> None:
        parameters = _former_parameters(layer, target_version, rollback_id)
        if parameters is None:
            layer.require_removable()
        else:
            parameters = layer.validated(parameters)
        layer.record("ROLLBACK", parameters, origin)

    return _write(strategy_id, symbol, origin, if_match, change)


@traced
def switch(
    *, strategy_id: str, symbol: str | None = None, enabled: bool, origin: Origin, if_match: str | None = None
) -> Written:
    """The kill switch, of the strategy or of one symbol of it. A symbol trades while neither is off.

    ``origin.reason`` is required to switch on. A stop is refused neither for its texts nor by ``if_match``. A strategy
    that the code no longer has can be switched off, and not on. Raises as ``set_layer``.
    """
    origin = reasoned_origin(origin) if enabled else stopping_origin(origin)

    def change(layer: OpenLayer) -> Outcome:
        warnings: tuple[str, ...] = ()
        if enabled:
            resolution.strategy_class(layer.strategy_id)
        try:
            layer.require_match(if_match)
        except VersionConflictError:
            if enabled:
                raise
            warnings = (IF_MATCH_PASSED_OVER,)
        layer.record_due_expiry()
        layer.record_switch(enabled, origin)
        return Outcome(is_stop=not enabled, warnings=warnings)

    return _written(strategy_id, symbol, origin, change)


@traced
def switch_off_all(*, origin: Origin) -> Halted:
    """The kill switch of everything: a halt, which holds until it is resumed. Raises as ``halt``."""
    return halt(scope=EVERYTHING, origin=origin)


@traced
def expire_due(*, at: datetime) -> int:
    """Record the expiry of every layer that is past its ``expires_at``, each by itself; answers how many."""
    at = resolution.to_milliseconds(at)
    with transactions.store_errors():
        due = list(SymbolOverride.objects.filter(expires_at__lte=at).order_by("expires_at"))
    recorded = 0
    for row in due:
        with item_failures.contained("expiry", strategy_id=row.strategy_id, symbol=row.symbol):
            layer, _, _, _ = _commit(row.strategy_id, row.symbol, at, OpenLayer.record_due_expiry)
            recorded += len(layer.changes)
    return recorded


def record_relayed(*, sequence: int) -> None:
    """Remember that other services were told of every change up to ``sequence``. The position never goes back."""

    def advance() -> None:
        with transactions.atomic():
            RelayPosition.objects.filter(pk=RelayPosition.ONLY_ID, sequence__lt=sequence).update(sequence=sequence)

    transactions.run(advance)


@traced
def refresh_cache() -> Refreshed:
    """Rewrite the shared cache from the store and tell every runtime.

    Raises StoreUnavailableError, also where it is Redis that cannot be reached.
    """
    try:
        rewritten = publisher.rewrite_all(is_forced=True)
    except redis_client.SharedCacheUnavailableError as exception:
        raise StoreUnavailableError("The shared cache cannot be reached right now.") from exception
    return Refreshed(rewritten.entries, rewritten.sequence)


def _write(
    strategy_id: str,
    symbol: str | None,
    origin: Origin,
    if_match: str | None,
    change: Callable[[OpenLayer, Origin], None],
) -> Written:
    """Run ``change``, which records one row of history, on the layer as it is then."""
    origin = checked_origin(origin)

    def matched_change(layer: OpenLayer) -> Outcome:
        layer.require_match(if_match)
        layer.record_due_expiry()
        change(layer, origin)
        return Outcome()

    return _written(strategy_id, symbol, origin, matched_change)


def _written(strategy_id: str, symbol: str | None, origin: Origin, change: Callable[[OpenLayer], Outcome]) -> Written:
    """Run ``change`` on the layer as it is then, and answer what became of it."""
    layer, states, is_published, outcome = _commit(strategy_id, symbol, origin.at, change)
    if outcome.is_stop:
        stop_former(strategy_id, layer.symbol, origin)
    # An expiry that was due is recorded by the way: it is not what was asked for.
    rows = [row for row in layer.changes if row.action != ConfigAudit.Action.EXPIRE]
    config = states[layer.field].document.config
    return Written(
        strategy_id=strategy_id,
        symbol=layer.symbol,
        action=rows[-1].action if rows else None,
        version=config.version,
        sequence=rows[-1].told_sequence if rows else config.sequence,
        published=is_published if rows else publisher.is_published(config.sequence),
        warnings=(
            *outcome.warnings,
            *_warnings(layer, rows[-1].action if rows else None),
            *resolution.refusal_warnings(config),
        ),
        config=config,
        inherited=outcome.inherited,
        is_stopped=outcome.is_stop,
        refusal=outcome.refusal,
    )


def _commit(
    strategy_id: str, symbol: str | None, at: datetime, change: Callable[[OpenLayer], T]
) -> tuple[OpenLayer, dict[str, resolution.FieldState], bool, T]:
    """Run ``change`` in a transaction, again where another writer was in the way; then publish what it recorded.

    Answers the layer, what the shared cache is to hold of all that was touched, whether it knows it now, and what
    ``change`` answered.
    """
    symbol = None if symbol is None else normalise_symbol(symbol)

    def use_case(end: Chain) -> tuple[OpenLayer, dict[str, resolution.FieldState], T]:
        layer = OpenLayer.read(end, strategy_id, symbol, at)
        answer = change(layer)
        return layer, layer.touched(), answer

    layer, states, answer = chain.write(use_case)
    return layer, states, not layer.changes or publisher.publish(layer.changes, states), answer


def _former_parameters(
    layer: OpenLayer, target_version: int | None, rollback_id: uuid.UUID | str | None
) -> dict[str, Any] | None:
    history = ConfigAudit.objects.filter(strategy_id=layer.strategy_id, symbol=layer.symbol or "")
    name = _name(layer)
    # What this transaction has recorded before (an expiry) is not in the store yet.
    recorded = layer.changes[-1] if layer.changes else None
    if target_version is not None:
        is_recorded = recorded is not None and recorded.version == target_version
        row = recorded if is_recorded else history.filter(version=target_version).first()
        if row is None:
            raise NotFoundError(f"{name} has never had a version {target_version}.")
        return row.new_parameters
    if rollback_id is not None:
        try:
            row = history.filter(pk=uuid.UUID(str(rollback_id))).first()
        except ValueError:
            row = None
        if row is None:
            raise NotFoundError(f"{name} has no such entry in its history.")
        return row.new_parameters
    rows = history.exclude(action__in=_SWITCHES).exclude(channel="schedule", changed_by=misfit_history.AUTHOR)
    row = recorded or rows.order_by("-version").first()
    if row is None:
        raise NotFoundError(f"{name} has never been changed: there is nothing to go back to.")
    return row.old_parameters


def _name(layer: OpenLayer) -> str:
    return f"{layer.strategy_id} {'as a whole' if layer.symbol is None else f'on {layer.symbol}'}"


def _warnings(layer: OpenLayer, action: str | None) -> tuple[str, ...]:
    """What the writer might not expect: that it is switched off what was just configured."""
    if action == ConfigAudit.Action.DISABLE:
        return ()
    warnings = []
    if layer.symbol is not None and not layer.own.enabled:
        warnings.append(f"{layer.strategy_id} stays switched off on {layer.symbol}.")
    if not layer.is_strategy_enabled:
        warnings.append(f"{layer.strategy_id} is switched off for all symbols.")
    return tuple(warnings)

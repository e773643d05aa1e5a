"""A layer is set, merged into or deleted."""

from dataclasses import replace
from datetime import datetime

from service_kit.tracing import traced
from strategy_config.exceptions import NotFoundError
from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin, checked_origin, stopping_origin
from strategy_config.observed import runtimes
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.services.editing import Conditions, Outcome, apply_edit
from strategy_config.services.layer_edits import UNSET, LayerEdit, Unset, edit_of
from strategy_config.services.layer_write import LayerWrite, layer_write
from strategy_config.services.open_batch import OpenBatch
from strategy_config.services.open_layer import OpenLayer
from strategy_core.configuration.parameter_values import Values


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
) -> LayerWrite:
    """Replace the layer's own parameters: CREATE where there was no layer, else UPDATE. ``enabled`` is the switch.

    What would change nothing makes no version unless ``is_forced``. ``if_match`` is the value of an If-Match header,
    ``may_enable``: the caller may switch on. Raises NotFoundError, InvalidSymbolError, InvalidRequestError,
    VersionConflictError, NotAllowedError, InvalidParametersError (with every error). ``enabled`` false is not refused:
    where the rest is, it is stored by itself, and ``LayerWrite.refusal`` says why.
    """
    edit = edit_of("replace", parameters, expires_at)
    return _edit(LayerKey.named(strategy_id, symbol), edit, origin, Conditions(if_match, may_enable, is_forced))


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
) -> LayerWrite:
    """Merge into the layer's own parameters; a value of None removes the parameter from the layer.

    ``expires_at`` UNSET keeps the one there is, while there is something to expire. What equals the inherited value
    does not become own where every parameter is named. The rest, and what it raises, as ``set_layer``.
    """
    edit = edit_of("merge", parameters, expires_at)
    return _edit(LayerKey.named(strategy_id, symbol), edit, origin, Conditions(if_match, may_enable, is_forced))


def _edit(key: LayerKey, edit: LayerEdit, origin: Origin, conditions: Conditions) -> LayerWrite:
    if edit.switch is False:
        origin = stopping_origin(origin)
        conditions = replace(conditions, confirmed_sequence=runtimes.confirmed_sequence())
    else:
        origin = checked_origin(origin)

    def attempt(end: Chain) -> tuple[OpenBatch, OpenLayer, Outcome]:
        with OpenBatch(end, origin.at) as batch:
            layer = batch.layer(key)
            outcome = apply_edit(layer, edit, origin, conditions)
        return batch, layer, outcome

    return layer_write(*chain.write(attempt))


@traced
def delete_layer(
    *, strategy_id: str, symbol: str | None = None, origin: Origin, if_match: str | None = None
) -> LayerWrite:
    """Remove the layer's parameters; the switch stays as it is.

    Raises as ``set_layer``, NotFoundError also where there are none.
    """

    key, origin = LayerKey.named(strategy_id, symbol), checked_origin(origin)

    def attempt(end: Chain) -> tuple[OpenBatch, OpenLayer]:
        with OpenBatch(end, origin.at) as batch:
            layer = batch.matched_layer(key, if_match)
            if layer.own.parameters is None:
                raise NotFoundError(f"{key.in_words} has no parameters of its own to delete.")
            layer.require_removable()
            layer.record("DELETE", None, origin)
        return batch, layer

    return layer_write(*chain.write(attempt))

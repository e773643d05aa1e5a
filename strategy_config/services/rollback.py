"""A layer goes back to parameters that it had."""

import uuid
from typing import Any

from service_kit.tracing import traced
from strategy_config.exceptions import InvalidRequestError, NotFoundError
from strategy_config.history import chain
from strategy_config.history.audit_rows import SWITCH_ACTIONS
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin, checked_origin
from strategy_config.models import ConfigAudit
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.services import misfit_history
from strategy_config.services.layer_write import LayerWrite, layer_write
from strategy_config.services.open_batch import OpenBatch
from strategy_config.services.open_layer import OpenLayer


@traced
def roll_back(
    *,
    strategy_id: str,
    symbol: str | None = None,
    origin: Origin,
    target_version: int | None = None,
    rollback_id: uuid.UUID | str | None = None,
    if_match: str | None = None,
) -> LayerWrite:
    """Restore parameters that the layer had, as a new version. No layer is such a state too. No expiry is restored.

    To the state after ``target_version``, or after the row of history ``rollback_id``; without either, to the one
    before the last change that was no switch. Raises as ``set_layer``, NotFoundError also where this layer has no
    such version or row.
    """
    if target_version is not None and rollback_id is not None:
        raise InvalidRequestError("Give target_version or rollback_id, not both.", field="rollback_id")

    key, origin = LayerKey.named(strategy_id, symbol), checked_origin(origin)

    def attempt(end: Chain) -> tuple[OpenBatch, OpenLayer]:
        with OpenBatch(end, origin.at) as batch:
            layer = batch.matched_layer(key, if_match)
            parameters = _former_parameters(layer, target_version, rollback_id)
            if parameters is None:
                layer.require_removable()
            else:
                parameters = layer.validated(parameters)
            layer.record("ROLLBACK", parameters, origin)
        return batch, layer

    return layer_write(*chain.write(attempt))


def _former_parameters(
    layer: OpenLayer, target_version: int | None, rollback_id: uuid.UUID | str | None
) -> dict[str, Any] | None:
    history = ConfigAudit.objects.filter(strategy_id=layer.strategy_id, symbol=layer.symbol or "")
    name = layer.key.in_words
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
    rows = history.exclude(action__in=SWITCH_ACTIONS).exclude(channel="schedule", changed_by=misfit_history.AUTHOR)
    row = recorded or rows.order_by("-version").first()
    if row is None:
        raise NotFoundError(f"{name} has never been changed: there is nothing to go back to.")
    return row.old_parameters

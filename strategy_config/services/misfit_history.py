"""The history says when a stored value stops being in force because it no longer fits, and when it is again.

Nobody changed the layer: an upgrade, a roll-back or other variables did. Its own parameters stay as they are stored.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin
from strategy_config.models import REASON_LENGTH, ConfigAudit, SymbolOverride
from strategy_config.resolution import item_failures, layer_rows
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.selectors import misfits
from strategy_config.selectors.misfits import MisfitLayer
from strategy_config.services.open_batch import OpenBatch, batch_write
from strategy_config.services.open_layer import OpenLayer
from strategy_config.store import transactions

AUTHOR = "catalogue"
"""Who the rows are by; ``request_id`` says which way."""
REFUSED, IN_FORCE = "catalogue:refused", "catalogue:in-force"
_recorded_for: object = None


def record(at: datetime) -> int:
    """Write the rows that are missing, one set a strategy, each by itself; answers how many.

    Once for a value: it is written again only after it has been in force meanwhile. Raises StoreUnavailableError.
    """
    global _recorded_for
    if misfits.state_key() == _recorded_for:
        return 0
    found = {layer.key: layer for layer in misfits.find(at).layers}
    known = _recorded()
    written = 0
    for strategy_id in sorted({layer.strategy_id for layer in (*found, *known)}):
        with item_failures.contained("document", strategy_id=strategy_id):
            written += _record_strategy(strategy_id, found, known, at)
    _recorded_for = misfits.state_key()
    return written


@transactions.store_errors()
def _recorded() -> dict[LayerKey, dict[str, Any]]:
    """By layer, the values that the history says to be refused."""
    found: dict[LayerKey, dict[str, Any]] = defaultdict(dict)
    for row in ConfigAudit.objects.filter(channel="schedule", changed_by=AUTHOR).order_by("position"):
        values = found[LayerKey(row.strategy_id, row.symbol or None)]
        for change in row.changes:
            if row.request_id == REFUSED:
                values[change["parameter"]] = change["old"]
            else:
                values.pop(change["parameter"], None)
    return {key: values for key, values in found.items() if values}


def _record_strategy(
    strategy_id: str, found: Mapping[LayerKey, MisfitLayer], known: Mapping[LayerKey, Mapping[str, Any]], at: datetime
) -> int:
    keys = [key for key in {**found, **known} if key.strategy_id == strategy_id]

    def attempt(end: Chain) -> OpenBatch:
        with OpenBatch(end, at) as batch:
            batch.read([strategy_id])
            for key in keys:
                _record_layer(batch, key, found.get(key), known.get(key, {}), at)
        return batch

    return len(batch_write(chain.write(attempt)))


def _record_layer(
    batch: OpenBatch, key: LayerKey, misfit: MisfitLayer | None, known: Mapping[str, Any], at: datetime
) -> None:
    """What a writer has changed since it was looked over is left to the next time."""
    layer = batch.layer(key)
    own = layer_rows.own_values(layer.own)
    layer_name = "global" if key.symbol is None else "symbol"
    refused = {} if misfit is None else {each.parameter: each for each in misfit.refused if each.layer == layer_name}
    new = [
        each
        for name, each in refused.items()
        if own.get(name) == each.value and (name not in known or known[name] != each.value)
    ]
    back = [name for name, value in known.items() if name not in refused and own.get(name) == value]
    if new and misfit is not None:
        rows = [{"parameter": e.parameter, "old": e.value, "new": misfit.in_force[e.parameter]} for e in new]
        reason = "No longer in force, the value does not fit: " + " ".join(each.message for each in new)
        _write(layer, rows, REFUSED, reason, at)
    if back:
        rows = [{"parameter": name, "old": None, "new": own[name]} for name in back]
        _write(layer, rows, IN_FORCE, f"In force again, the value fits: {', '.join(back)}.", at)


def _write(layer: OpenLayer, changes: list[dict[str, Any]], which: str, reason: str, at: datetime) -> None:
    own = layer.own
    origin = Origin(AUTHOR, AUTHOR, "schedule", request_id=which, at=at, reason=reason[:REASON_LENGTH])
    expires_at = own.expires_at if isinstance(own, SymbolOverride) else None
    layer.record("UPDATE", own.parameters, origin, expires_at=expires_at, changes=changes)

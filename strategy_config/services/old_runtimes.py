"""What is halted is switched off as well while a runtime of a version without halts is live."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.history import halt_rows
from strategy_config.history.audit_rows import SWITCH_ACTIONS
from strategy_config.history.origins import Origin, stopping_origin
from strategy_config.models import ConfigAudit, Halt
from strategy_config.observed import runtimes
from strategy_config.resolution import item_failures, known_strategies
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.selectors import known_halts, strategy_rows
from strategy_config.services import switches
from strategy_core.configuration.halts import Scope
from strategy_core.strategies.registry import STRATEGIES

_RUNTIME = "runtime"
_COVERED_BY = "halt:"
log = structlog.get_logger(__name__)


def cover_old_runtimes(*, at: datetime) -> int:
    """Switch off what is halted while a runtime of a version without halts is live; answers how many layers."""
    rows = known_halts.open_halts()
    if not rows:
        return 0
    first = rows[0]
    origin = Origin(first.by or _RUNTIME, _RUNTIME, "schedule", request_id="", at=at, reason=first.reason)
    return cover(rows, stopping_origin(origin))


def cover(rows: Sequence[Halt], origin: Origin) -> int:
    """Switch off what these halts stop where a live runtime knows no halts; what fails of that is logged only."""
    switched = 0
    try:
        if all(beat.halts is not None for beat in runtimes.live_runtimes()):
            return 0
        for row in rows:
            marked = replace(origin, request_id=f"{_COVERED_BY}{row.id}")
            with item_failures.contained("halt", id=str(row.id)):
                keys = _keys_of(halt_rows.scope_of(row))
                switched += len(switches.stop_layers(keys=keys, origin=marked))
    except (RedisUnavailableError, StoreUnavailableError) as exception:
        log.warning("halts.old_runtimes_uncovered", error=str(exception))
    return switched


def _keys_of(scope: Scope) -> list[LayerKey]:
    """The layers whose switch stops what the scope does."""
    ids = [*STRATEGIES, *strategy_rows.removed_strategies()] if scope.strategy_id is None else [scope.strategy_id]
    return [LayerKey(strategy_id, scope.symbol) for strategy_id in ids]


def covered_layers(rows: Sequence[Halt]) -> list[LayerKey]:
    """The layers that were switched off together with these halts, and not switched since."""
    marks = [f"{_COVERED_BY}{row.id}" for row in rows]
    keys = []
    later = ConfigAudit.objects.filter(sequence__gt=min(row.sequence for row in rows))
    for found in later.filter(request_id__in=marks, action=ConfigAudit.Action.DISABLE):
        layer = ConfigAudit.objects.filter(
            strategy_id=found.strategy_id, symbol=found.symbol, action__in=SWITCH_ACTIONS
        )
        newest = layer.order_by("-sequence").first()
        if newest is not None and newest.pk == found.pk and known_strategies.is_known(found.strategy_id):
            keys.append(LayerKey(found.strategy_id, found.symbol or None))
    return keys

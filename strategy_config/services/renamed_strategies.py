"""A strategy that had another id takes over its layers: parameters, switches, expiries, each as a version of its own.

The rows under the former id stay as they are: a runtime of the version before still trades by them.
"""

from datetime import datetime

from service_kit.tracing import traced
from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin
from strategy_config.models import StrategyConfig
from strategy_config.resolution import instants, item_failures, known_strategies
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.services.open_batch import OpenBatch, batch_write
from strategy_config.store import transactions
from strategy_core.strategies.registry import STRATEGIES

AUTHOR = "catalogue"


@traced
def take_over_renamed(*, at: datetime) -> int:
    """Take over what was set under former ids, once for a strategy; answers the rows of history that were written.

    A strategy without a row of its own is off until then. Raises StoreUnavailableError.
    """
    renamed = {strategy.id: strategy.former_ids for strategy in STRATEGIES.values() if strategy.former_ids}
    if not renamed:
        return 0
    with transactions.store_errors():
        stored = {row.strategy_id: row for row in StrategyConfig.objects.all()}
    written = 0
    for strategy_id, former_ids in renamed.items():
        own = stored.get(strategy_id)
        former = next((each for each in reversed(former_ids) if each in stored), None)
        if own is None or own.version == 0:
            written += _take_over(strategy_id, former, instants.to_milliseconds(at))
    return written


def stop_former(key: LayerKey, origin: Origin) -> None:
    """A stop is one of the former ids as well, which a runtime of the version before may still trade."""
    strategy = STRATEGIES.get(key.strategy_id)
    if strategy is None or not strategy.former_ids:
        return
    former_ids = strategy.former_ids

    def attempt(end: Chain) -> OpenBatch:
        with OpenBatch(end, origin.at) as batch:
            batch.read(former_ids)
            for row in batch.rows:
                layer = batch.layer(LayerKey(row.strategy_id, key.symbol))
                if layer.own.enabled is not False:
                    layer.record_due_expiry()
                    layer.record_switch(False, origin)
        return batch

    with item_failures.contained("document", strategy_id=key.strategy_id, symbol=key.symbol):
        chain.write(attempt).publish()


def _take_over(strategy_id: str, former_id: str | None, at: datetime) -> int:
    reason = f"renamed from {former_id}" if former_id else "new here, under its present name"
    origin = Origin(AUTHOR, AUTHOR, "schedule", request_id="", at=at, reason=reason)

    def attempt(end: Chain) -> OpenBatch:
        with OpenBatch(end, at) as batch:
            batch.read([strategy_id] if former_id is None else [strategy_id, former_id])
            if batch.layer(LayerKey(strategy_id, None)).own.version == 0:
                _record_taken_over(batch, strategy_id, former_id, origin)
        return batch

    return len(batch_write(chain.write(attempt)))


def _record_taken_over(batch: OpenBatch, strategy_id: str, former_id: str | None, origin: Origin) -> None:
    layer = batch.layer(LayerKey(strategy_id, None))
    former = None if former_id is None else next(row for row in batch.rows if row.strategy_id == former_id)
    is_on = known_strategies.environment_of(strategy_id).enabled
    if former is not None and former.enabled is not None:
        is_on = former.enabled
    layer.record("ENABLE" if is_on else "DISABLE", None, origin, enabled=is_on)
    if former is not None and former.parameters is not None:
        layer.record("CREATE", former.parameters, origin)
    for override in () if former_id is None else batch.overrides(former_id):
        own = batch.layer(LayerKey(strategy_id, override.symbol))
        if override.parameters is not None:
            own.record("CREATE", override.parameters, origin, expires_at=override.expires_at)
        if not override.enabled:
            own.record("DISABLE", override.parameters, origin, enabled=False, expires_at=override.expires_at)

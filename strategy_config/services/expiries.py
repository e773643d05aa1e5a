"""Expiries that are due are recorded."""

from datetime import datetime

from service_kit.tracing import traced
from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.models import SymbolOverride
from strategy_config.resolution import instants, item_failures
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.services.open_batch import OpenBatch, batch_write
from strategy_config.store import transactions


@traced
def expire_due(*, at: datetime) -> int:
    """Record the expiry of every layer that is past its ``expires_at``, each by itself; answers how many."""
    at = instants.to_milliseconds(at)
    with transactions.store_errors():
        due = list(SymbolOverride.objects.filter(expires_at__lte=at).order_by("expires_at"))
    recorded = 0
    for row in due:
        with item_failures.contained("expiry", strategy_id=row.strategy_id, symbol=row.symbol):
            recorded += _expire(LayerKey(row.strategy_id, row.symbol), at)
    return recorded


def _expire(key: LayerKey, at: datetime) -> int:
    def attempt(end: Chain) -> OpenBatch:
        with OpenBatch(end, at) as batch:
            batch.layer(key).record_due_expiry()
        return batch

    return len(batch_write(chain.write(attempt)))

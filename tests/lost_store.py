"""What the tests of a lost store do on each store: write, write once it is back, look that nothing is half-done."""

import time
from itertools import cycle

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import verification
from strategy_config.models import ConfigAudit, SymbolOverride
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.services import layers, switches
from strategy_config.services.layer_write import LayerWrite
from tests.factories import OriginFactory

BACK_SECONDS = 60.0


_LEVELS = cycle(range(1, 10))


def write() -> LayerWrite:
    """Forced: a value that is there already, from another thread or before the loss, would make no version."""
    return layers.set_layer(
        strategy_id="orderbook_skew",
        symbol="BTCUSDT",
        parameters={"top_levels": next(_LEVELS)},
        origin=OriginFactory(),
        is_forced=True,
    )


def switch_off_together() -> int:
    """The version of the same layer after it was switched off as one of many."""
    key = LayerKey("orderbook_skew", "BTCUSDT")
    return switches.switch_overrides(keys=[key], enabled=False, origin=OriginFactory()).changes[-1].layer_version


def write_once_back() -> LayerWrite:
    """Write as soon as the store is asked again: nobody restarts anything."""
    deadline = time.monotonic() + BACK_SECONDS
    while True:
        try:
            return write()
        except StoreUnavailableError:
            assert time.monotonic() < deadline, "the store was not asked again in time"


def assert_whole(rows: int) -> None:
    assert list(ConfigAudit.objects.order_by("sequence").values_list("version", flat=True)) == list(range(1, rows + 1))
    assert SymbolOverride.objects.get().version == rows
    assert verification.verify().bad is None

"""What the scripts call, where the call of then is another one today. To be imported after Django is set up."""

import uuid
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from strategy_config.history import halt_rows, positions
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin
from strategy_config.selectors import known_halts
from strategy_config.selectors import overviews as today_overviews
from strategy_config.services import halts, imports, layers, switches
from strategy_core.configuration.halts import EVERYTHING


def _switch_off_all(*, origin: Origin) -> list[Any]:
    """It was a switch of each strategy; today it is one halt, of everything."""
    return [halts.halt(scope=EVERYTHING, origin=origin)]


def _strategy_overviews(at: datetime) -> list[Any]:
    """Those that may trade: a halt is apart from their switches."""
    if any(halt_rows.scope_of(row) == EVERYTHING for row in known_halts.open_halts()):
        return []
    return list(today_overviews.strategy_overviews(at))


def _verify() -> SimpleNamespace:
    """What was asked of it: the last sequence."""
    return SimpleNamespace(sequence=positions.last_sequence())


services = SimpleNamespace(
    Origin=Origin,
    set_layer=layers.set_layer,
    merge_layer=layers.merge_layer,
    switch=switches.switch,
    apply_import=imports.apply_import,
    switch_off_all=_switch_off_all,
)
overviews = SimpleNamespace(strategy_overviews=_strategy_overviews)
audit = SimpleNamespace(Chain=lambda: Chain(uuid.uuid4()), verify=_verify)

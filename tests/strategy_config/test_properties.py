"""Laws that hold over any sequence of writes: versions, history, resolution."""

from itertools import count
from typing import Any

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from strategy_config.exceptions import NotFoundError
from strategy_config.history import positions, verification
from strategy_config.models import ConfigAudit
from strategy_config.selectors import stored_layers
from strategy_config.services import layers, rollback, switches
from strategy_config.services.layer_write import LayerWrite
from strategy_core.configuration.validation import InvalidParametersError
from tests.factories import NOON, OriginFactory

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
SKEW = "orderbook_skew"
FRESH_SYMBOLS = (f"COIN{number}USDT" for number in count())
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "top_levels": st.integers(-1, 25),
        "buy_threshold": st.floats(0.9, 3.0),
        "sell_threshold": st.floats(0.3, 1.0),
        "min_total_volume": st.floats(0.0001, 10.0),
    },
)
PATCHES = st.dictionaries(st.sampled_from(["top_levels", "buy_threshold"]), st.none() | st.just(1) | st.just(2.5))
OPERATIONS = st.one_of(
    st.tuples(st.just("set"), VALUES),
    st.tuples(st.just("merge"), PATCHES),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("roll_back"), st.none() | st.integers(1, 4)),
    st.tuples(st.just("switch"), st.booleans()),
)
REFUSALS = (InvalidParametersError, NotFoundError)


class Model:
    """What one layer should be: plain and slow."""

    def __init__(self) -> None:
        self.states: list[tuple[str, Any]] = []
        self.enabled = True

    @property
    def parameters(self) -> Any:
        return self.states[-1][1] if self.states else None

    def expected(self, kind: str, argument: Any) -> Any:
        """The parameters after the operation, if it is accepted."""
        if kind == "set":
            return argument
        if kind == "merge":
            both = {**(self.parameters or {}), **argument}
            return {name: value for name, value in both.items() if value is not None}
        if kind == "roll_back" and argument is not None:
            return self.states[argument - 1][1]
        if kind == "roll_back":
            last = max(index for index, (action, _) in enumerate(self.states) if action != "switch")
            return self.states[last - 1][1] if last else None
        return None if kind == "delete" else self.parameters


def run(kind: str, argument: Any, symbol: str) -> LayerWrite:
    layer = {"strategy_id": SKEW, "symbol": symbol, "origin": OriginFactory()}
    if kind == "set":
        return layers.set_layer(parameters=argument, **layer)
    if kind == "merge":
        return layers.merge_layer(parameters=argument, **layer)
    if kind == "delete":
        return layers.delete_layer(**layer)
    if kind == "switch":
        return switches.switch(enabled=argument, **layer)
    return rollback.roll_back(target_version=argument, **layer)


@budget(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(OPERATIONS, max_size=10))
def test_writes__any_sequence__version_and_history_follow_the_model(operations: list[tuple[str, Any]]) -> None:
    symbol, model = next(FRESH_SYMBOLS), Model()
    for kind, argument in operations:
        head = positions.chain_head()
        try:
            written = run(kind, argument, symbol)
        except REFUSALS:
            assert positions.chain_head() == head
            continue
        if written.is_unchanged:
            assert kind in {"set", "merge"}
            assert model.expected(kind, argument) == (model.parameters or {})
            assert positions.chain_head() == head
            continue
        model.states.append((kind, model.expected(kind, argument)))
        model.enabled = argument if kind == "switch" else model.enabled
        assert (written.version, written.sequence) == (len(model.states), head[0] + 1)
    config = stored_layers.layer_config(strategy_id=SKEW, symbol=symbol, at=NOON)
    assert (config.version, config.own) == (len(model.states), model.parameters or {})
    assert (config.enabled, config.is_override) == (model.enabled, model.parameters is not None or not model.enabled)
    for name, value in config.own.items():
        assert (config.parameters[name], config.sources[name]) == (value, "symbol")
    rows = ConfigAudit.objects.filter(strategy_id=SKEW, symbol=symbol).order_by("version")
    assert [row.new_parameters for row in rows] == [state for _, state in model.states]
    assert verification.verify().bad is None

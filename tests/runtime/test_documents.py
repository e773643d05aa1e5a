"""Documents from Redis: the switch of a layer is obeyed whatever the bytes, parameters only where they validate."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_runtime import settings
from realtime_runtime.config.documents import AcceptedLayer, Catalogue, RejectedDocumentError
from realtime_runtime.config.state import LiveConfig, Update
from tests.runtime.site import document, layer_config

SKEW = "orderbook_skew"
CONFIGURED = settings.read({"ORDERBOOK_SKEW_TOP_LEVELS": "7", "STRATEGY_ENABLED_TICKER_VELOCITY": "false"})
CATALOGUE = Catalogue(CONFIGURED.strategies, CONFIGURED.strategy_environment)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def accept(field: str, raw: bytes) -> AcceptedLayer | None:
    try:
        return CATALOGUE.accept(field, raw)
    except RejectedDocumentError:
        return None


@given(st.binary())
def test_document__of_any_bytes__switches_its_layer_off(raw: bytes) -> None:
    layer = accept(SKEW, raw)
    assert layer is not None
    assert layer.problem
    assert (layer.now.enabled, layer.after) == (False, None)


@given(st.sampled_from(["top_levels", "buy_threshold", "base_confidence"]), JSON)
def test_document__with_any_value__accepted_only_where_it_validates(name: str, value: Any) -> None:
    config = layer_config(SKEW)
    raw = json.loads(document(config))
    raw["config"]["parameters"][name] = value
    layer = accept(SKEW, json.dumps(raw).encode())
    assert layer is not None
    if layer.problem is None:
        assert getattr(layer.now.parameters, name) == value
    else:
        assert layer.now == replace(CATALOGUE.base_layers()[SKEW, None], enabled=False, held_back=layer.problem)


@given(JSON)
def test_document__with_an_unknown_parameter__left_out_and_the_rest_holds(value: Any) -> None:
    raw = json.loads(document(layer_config(SKEW, buy_threshold=1.9)))
    raw["config"]["parameters"]["surprise"] = value
    layer = accept(SKEW, json.dumps(raw).encode())
    assert layer is not None
    parameters: Any = layer.now.parameters
    assert (layer.now.enabled, parameters.buy_threshold) == (True, 1.9)
    assert (layer.problem, layer.left_out) == (None, ("surprise",))


@given(st.sampled_from(["config", "global_version", "expires_at_ms", "after", "format"]), JSON)
def test_document__with_any_member__never_raises_anything_else(name: str, value: Any) -> None:
    raw = json.loads(document(layer_config(SKEW)))
    raw[name] = value
    accept(SKEW, json.dumps(raw).encode())


def test_base_layers__without_documents__are_environment_over_defaults() -> None:
    layers = CATALOGUE.base_layers()
    parameters: Any = layers[SKEW, None].parameters
    assert (parameters.top_levels, parameters.buy_threshold) == (7, 1.2)
    assert layers[SKEW, None].enabled
    assert not layers["ticker_velocity", None].enabled


def test_document__lacking_a_parameter__takes_it_from_the_environment() -> None:
    raw = json.loads(document(layer_config(SKEW, buy_threshold=1.9)))
    del raw["config"]["parameters"]["top_levels"]
    layer = accept(SKEW, json.dumps(raw).encode())
    assert layer is not None
    parameters: Any = layer.now.parameters
    assert (parameters.top_levels, parameters.buy_threshold) == (7, 1.9)


@pytest.mark.parametrize(
    "members",
    [
        {"expires_at_ms": 5},
        {"after": layer_config(SKEW, "BTCUSDT")},
        {"expires_at_ms": 5, "after": layer_config(SKEW, "ETHUSDT")},
    ],
    ids=["no after", "no instant", "another layer's after"],
)
def test_document__with_half_an_expiry__does_not_trade(members: dict[str, Any]) -> None:
    layer = accept(f"{SKEW}:BTCUSDT", document(layer_config(SKEW, "BTCUSDT"), **members))
    assert layer is not None
    assert layer.problem
    assert layer.now.held_back == layer.problem
    assert not layer.in_force(0.0).enabled
    assert not layer.in_force(6.0).enabled


@pytest.mark.parametrize("is_enabled", [True, False])
def test_document__whose_after_is_out_of_range__trades_until_then(is_enabled: bool) -> None:
    after = layer_config(SKEW, "BTCUSDT", enabled=is_enabled)
    after = msgspec.structs.replace(after, parameters={**after.parameters, "top_levels": 999})
    raw = document(layer_config(SKEW, "BTCUSDT", buy_threshold=1.9), expires_at_ms=5, after=after)
    layer = accept(f"{SKEW}:BTCUSDT", raw)
    assert layer is not None
    assert "top_levels" in (layer.problem or "")
    parameters: Any = layer.in_force(4.0).parameters
    assert (layer.in_force(4.0).enabled, parameters.buy_threshold) == (True, 1.9)
    assert not layer.in_force(5.0).enabled
    assert (layer.in_force(5.0).held_back is None) is not is_enabled


@pytest.mark.parametrize("name", ["no_such_strategy", f"{SKEW}:a b", f"{SKEW}:", ""])
def test_document__under_a_field_of_no_layer__refused(name: str) -> None:
    assert accept(name, document(layer_config(SKEW))) is None


def test_merge__of_an_older_document__leaves_the_newer_in_force() -> None:
    live = LiveConfig(CATALOGUE)
    for sequence, threshold in ((5, 2.0), (4, 1.5)):
        update = Update()
        live.check(SKEW, document(layer_config(SKEW, sequence=sequence, buy_threshold=threshold)), update)
        live.merge(update, sequence=sequence, now_ms=0.0)
    parameters: Any = live.active.lookup(SKEW, None).parameters
    assert parameters.buy_threshold == 2.0


def test_replace__by_the_same_documents__changes_nothing() -> None:
    live = LiveConfig(CATALOGUE)
    raw = document(layer_config(SKEW))
    for expected in (True, False):
        update = Update()
        live.check(SKEW, raw, update)
        assert live.replace(update, sequence=1, now_ms=0.0) is expected
    assert live.active.generation == 1


def test_document__refused_then_back_as_it_was__no_longer_refused() -> None:
    live = LiveConfig(CATALOGUE)
    good = document(layer_config(SKEW))
    for raw, refused in ((good, 0), (b"rubbish", 1), (b"rubbish", 1), (good, 0)):
        update = Update()
        live.check(SKEW, raw, update)
        live.replace(update, sequence=1, now_ms=0.0)
        assert len(live.refused) == refused

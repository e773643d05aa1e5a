"""Documents from Redis: whatever the bytes, a document is accepted whole or refused."""

import json
from typing import Any

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
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def accept(field: str, raw: bytes) -> AcceptedLayer | None:
    try:
        return CATALOGUE.accept(field, raw)
    except RejectedDocumentError:
        return None


@given(st.binary())
def test_document__of_any_bytes__accepted_or_refused(raw: bytes) -> None:
    assert accept(SKEW, raw) is None


@given(st.sampled_from(["top_levels", "buy_threshold", "base_confidence", "surprise"]), JSON)
def test_document__with_any_value__accepted_only_where_it_validates(name: str, value: Any) -> None:
    config = layer_config(SKEW)
    raw = json.loads(document(config))
    raw["config"]["parameters"][name] = value
    layer = accept(SKEW, json.dumps(raw).encode())
    if layer is not None:
        assert getattr(layer.now.parameters, name) == value


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


@pytest.mark.parametrize("members", [{"expires_at_ms": 5}, {"after": layer_config(SKEW, "BTCUSDT")}])
def test_document__with_half_an_expiry__refused(members: dict[str, Any]) -> None:
    assert accept(f"{SKEW}:BTCUSDT", document(layer_config(SKEW, "BTCUSDT"), **members)) is None


def test_document__whose_after_is_another_layers__refused() -> None:
    other = layer_config(SKEW, "ETHUSDT")
    raw = document(layer_config(SKEW, "BTCUSDT"), expires_at_ms=5, after=other)
    assert accept(f"{SKEW}:BTCUSDT", raw) is None


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

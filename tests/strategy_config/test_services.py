"""Every write of a layer: what it answers, what it leaves in the store, what it refuses."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from strategy_config.exceptions import (
    ConfigError,
    InvalidRequestError,
    InvalidSymbolError,
    NotFoundError,
    VersionConflictError,
)
from strategy_config.history import chain, positions, verification
from strategy_config.models import ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.resolution import entity_tags
from strategy_config.services import layers, rollback, switches
from strategy_config.services.layer_write import LayerWrite
from strategy_core.configuration.validation import InvalidParametersError
from tests.factories import NOON, OriginFactory

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
SKEW = "orderbook_skew"
BTC = "BTCUSDT"
OWN = {"top_levels": 10}
LATER = NOON + timedelta(minutes=5)


WRITES: dict[str, Callable[..., LayerWrite]] = {
    service.__name__: service
    for service in (layers.set_layer, layers.merge_layer, layers.delete_layer, rollback.roll_back, switches.switch)
}


def write(action: str = "set_layer", *, symbol: str | None = BTC, **kwargs: Any) -> LayerWrite:
    origin = kwargs.pop("origin", None) or OriginFactory()
    return WRITES[action](strategy_id=SKEW, symbol=symbol, origin=origin, **kwargs)


def own(symbol: str | None = BTC) -> dict[str, Any] | None:
    if symbol is None:
        return StrategyConfig.objects.get(strategy_id=SKEW).parameters
    return SymbolOverride.objects.get(strategy_id=SKEW, symbol=symbol).parameters


def history(symbol: str = BTC) -> list[ConfigAudit]:
    return list(ConfigAudit.objects.filter(strategy_id=SKEW, symbol=symbol).order_by("sequence"))


@pytest.mark.parametrize("symbol", [None, BTC])
def test_set_layer__twice__creates_then_replaces(symbol: str | None) -> None:
    first = write(symbol=symbol, parameters={"top_levels": 10, "buy_threshold": 2})
    second = write(symbol=symbol, parameters={"top_levels": 7})
    assert (first.action, first.version) == ("CREATE", 1)
    assert (second.action, second.version, second.sequence) == ("UPDATE", 2, first.sequence + 1)
    assert own(symbol) == {"top_levels": 7}
    assert second.config.parameters["buy_threshold"] == 1.2


def test_set_layer__symbol_in_small_letters__is_the_same_layer() -> None:
    write(parameters={"top_levels": 10})
    assert write(symbol="btcusdt", parameters={"top_levels": 7}).version == 2


def test_set_layer__row_of_history__says_who_what_why() -> None:
    origin = OriginFactory(changed_by="bob", actor="alice", request_id="r-1", reason="volatile")
    write(parameters={"top_levels": 10}, origin=origin)
    write(parameters={"top_levels": 7, "buy_threshold": 2.0}, origin=origin)
    row = history()[-1]
    assert (row.changed_by, row.actor, row.channel, row.request_id, row.reason) == (
        "bob",
        "alice",
        "api",
        "r-1",
        "volatile",
    )
    assert (row.old_parameters, row.new_parameters) == ({"top_levels": 10}, {"top_levels": 7, "buy_threshold": 2.0})
    assert row.changes == [
        {"parameter": "top_levels", "old": 10, "new": 7},
        {"parameter": "buy_threshold", "old": None, "new": 2.0},
    ]
    assert row.changed_at == NOON


def test_set_layer__same_values_again__is_a_version_only_where_it_is_forced() -> None:
    write(parameters={"top_levels": 10})
    again = write(parameters={"top_levels": 10})
    assert (again.is_unchanged, again.version, again.sequence, len(history())) == (True, 1, 1, 1)
    assert write(parameters={"top_levels": 10}, is_forced=True).version == 2
    assert history()[-1].changes == []


def test_merge_layer__null__removes_only_that_parameter() -> None:
    write(parameters={"top_levels": 10, "buy_threshold": 2.0})
    written = write("merge_layer", parameters={"top_levels": None, "sell_threshold": 0.5, "base_confidence": None})
    assert written.action == "UPDATE"
    assert own() == {"buy_threshold": 2.0, "sell_threshold": 0.5}


def test_merge_layer__no_layer__creates_one() -> None:
    assert write("merge_layer", parameters={"top_levels": 10}).action == "CREATE"


def test_delete_layer__then_set__goes_on_counting() -> None:
    write(parameters={"top_levels": 10})
    deleted = write("delete_layer")
    assert (deleted.action, deleted.version, own()) == ("DELETE", 2, None)
    assert deleted.config.is_override is False
    again = write(parameters={"top_levels": 3})
    assert (again.action, again.version) == ("CREATE", 3)


@pytest.mark.parametrize("symbol", [None, BTC])
def test_delete_layer__none_there__is_not_found(symbol: str | None) -> None:
    with pytest.raises(NotFoundError):
        write("delete_layer", symbol=symbol)


def test_set_layer__global_change_that_breaks_an_override__is_refused_and_names_the_symbol() -> None:
    write(symbol=None, parameters={"buy_threshold": 3.0})
    write(parameters={"sell_threshold": 1.0})
    write(symbol=None, parameters={"buy_threshold": 2.0})
    write(symbol="ETHUSDT", parameters={"sell_threshold": 1.0, "buy_threshold": 1.1})
    with pytest.raises(InvalidParametersError) as refusal:
        write(symbol=None, parameters={"buy_threshold": 1.0})
    assert {error.symbol for error in refusal.value.errors} == {BTC}
    assert own(None) == {"buy_threshold": 2.0}


def test_set_layer__several_errors__reports_all_and_changes_nothing() -> None:
    write(parameters={"top_levels": 10})
    before = verification.verify()
    with pytest.raises(InvalidParametersError) as refusal:
        write(parameters={"top_levels": -5, "buy_threshold": "high", "nonsense": 1})
    assert {error.field: error.code for error in refusal.value.errors} == {
        "top_levels": "OUT_OF_RANGE",
        "buy_threshold": "INVALID_TYPE",
        "nonsense": "UNKNOWN_PARAMETER",
    }
    assert own() == {"top_levels": 10}
    assert verification.verify() == before


REFUSED: list[tuple[str, type[ConfigError], Callable[[], Any]]] = [
    (
        "unknown strategy",
        NotFoundError,
        lambda: layers.set_layer(strategy_id="x", parameters={}, origin=OriginFactory()),
    ),
    ("no symbol", InvalidSymbolError, lambda: write(symbol="BTC/USDT", parameters={})),
    ("not ASCII", InvalidSymbolError, lambda: write(symbol="BTCUSDſ", parameters={})),
    ("expiry of the global layer", InvalidRequestError, lambda: write(symbol=None, parameters={}, expires_at=NOON)),
    ("expiry in the past", InvalidRequestError, lambda: write(parameters=OWN, expires_at=NOON)),
    ("expiry without zone", InvalidRequestError, lambda: write(parameters=OWN, expires_at=NOON.replace(tzinfo=None))),
    ("expiry of nothing", InvalidRequestError, lambda: write(parameters={}, expires_at=LATER)),
    ("expiry merged into nothing", InvalidRequestError, lambda: write("merge_layer", parameters={}, expires_at=LATER)),
    ("nobody", InvalidRequestError, lambda: write(parameters={}, origin=OriginFactory(changed_by=" "))),
    ("NUL", InvalidRequestError, lambda: write(parameters={}, origin=OriginFactory(changed_by="a\0b"))),
    ("surrogate", InvalidRequestError, lambda: write(parameters={}, origin=OriginFactory(reason="\ud800"))),
    ("long reason", InvalidRequestError, lambda: write(parameters={}, origin=OriginFactory(reason="x" * 1_001))),
    ("two targets", InvalidRequestError, lambda: write("roll_back", target_version=1, rollback_id="x")),
    ("no reason", InvalidRequestError, lambda: write("switch", enabled=True, origin=OriginFactory(reason=" "))),
]


@pytest.mark.parametrize(("error", "call"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_write__refused__leaves_no_trace(error: type[ConfigError], call: Callable[[], Any]) -> None:
    with pytest.raises(error):
        call()
    assert positions.chain_head() == (0, chain.GENESIS)
    assert not SymbolOverride.objects.exists()


@pytest.mark.parametrize(
    ("if_match", "holds"),
    [
        ("*", True),
        ('"2"', True),
        (f'"{SKEW}:{BTC}:2:2"', True),
        (f'"{SKEW}:{BTC}:1:1", "{SKEW}:{BTC}:2:2"', True),
        ('"1"', False),
        (f'"{SKEW}:{BTC}:2:1"', False),
        (f'W/"{SKEW}:{BTC}:2:2"', False),
        (f'"{SKEW}:ETHUSDT:2:2"', False),
        ("nonsense", False),
    ],
)
def test_set_layer__if_match__decides(if_match: str, holds: bool) -> None:
    write(parameters={"top_levels": 10})
    write(parameters={"top_levels": 11})
    if holds:
        assert write(parameters={"top_levels": 12}, if_match=if_match).version == 3
        return
    with pytest.raises(VersionConflictError) as refusal:
        write(parameters={"top_levels": 12}, if_match=if_match)
    assert refusal.value.details == {"current_version": 2}
    assert own() == {"top_levels": 11}


def test_set_layer__if_match_of_an_answer__holds() -> None:
    written = write(parameters={"top_levels": 10})
    assert write(parameters={}, if_match=entity_tags.etag(written.config)).version == 2


def test_set_layer__queries__are_few(django_assert_max_num_queries: Any) -> None:
    write(parameters={"top_levels": 10})
    with django_assert_max_num_queries(9 if settings.IS_ON_MONGODB else 8):
        write(parameters={"top_levels": 11}, origin=OriginFactory(at=NOON + timedelta(seconds=1)))

"""Reads: resolution with the environment, the list, pages of history, the store away; and dry runs."""

from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError
from django.db.models import QuerySet
from pytest_django import Settings

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import entity_tags, layer_configs
from strategy_config.resolution.differences import ParameterChange
from strategy_config.selectors import stored_layers, summaries
from strategy_config.services import dry_run
from strategy_core.configuration.environment_layer import read_environment
from strategy_core.strategies.registry import STRATEGIES
from tests.factories import NOON
from tests.strategy_config.test_services import BTC, SKEW, write

pytestmark = pytest.mark.django_db(transaction=django_settings.IS_ON_MONGODB)


def config(symbol: str | None = None) -> Any:
    return stored_layers.layer_config(strategy_id=SKEW, symbol=symbol, at=NOON)


def use_environment(settings: Settings, **variables: str) -> None:
    layers = {name: read_environment(strategy, variables) for name, strategy in STRATEGIES.items()}
    settings.STRATEGY_ENVIRONMENT = MappingProxyType(layers)


def test_layer_config__nothing_set__is_the_default() -> None:
    found = config()
    assert (found.source, found.version, found.sequence, found.is_override, found.enabled) == (
        "default",
        0,
        0,
        False,
        True,
    )
    assert (found.parameters["top_levels"], set(found.sources.values())) == (5, {"default"})
    assert (found.created_at, found.updated_by) == (None, None)


def test_layer_config__all_layers__each_parameter_from_the_highest(settings: Settings) -> None:
    use_environment(settings, ORDERBOOK_SKEW_TOP_LEVELS="7", ORDERBOOK_SKEW_BASE_CONFIDENCE="0.6")
    assert config().source == "environment"
    write(symbol=None, parameters={"top_levels": 8, "buy_threshold": 2.0})
    write(parameters={"buy_threshold": 2.5})
    found = config(BTC)
    assert {name: source for name, source in found.sources.items() if source != "default"} == {
        "top_levels": "global",
        "base_confidence": "environment",
        "buy_threshold": "symbol",
    }
    assert (found.parameters["top_levels"], found.parameters["buy_threshold"]) == (8, 2.5)
    assert (found.source, found.sequence, found.version) == (layer_configs.store_kind(), 2, 1)


def test_layer_config__symbol_without_layer__shows_the_global_one() -> None:
    write(symbol=None, parameters={"top_levels": 8})
    found = config("ETHUSDT")
    assert what_it_tells(found) == what_it_tells(config())
    assert (found.version, found.own, found.is_override) == (0, {}, False)


def what_it_tells(found: Any) -> dict[str, Any]:
    return {
        name: getattr(found, name) for name in ("parameters", "enabled", "source", "updated_by", "updated_at", "reason")
    }


def test_layer_config__environment_that_no_longer_fits__is_left_out(settings: Settings) -> None:
    write(symbol=None, parameters={"buy_threshold": 1.0})
    use_environment(settings, ORDERBOOK_SKEW_SELL_THRESHOLD="1.0", ORDERBOOK_SKEW_TOP_LEVELS="7")
    found = config()
    assert (found.parameters["buy_threshold"], found.parameters["sell_threshold"]) == (1.0, 0.8)


def test_layer_config__stored_parameter_that_is_gone__leaves_out_that_value() -> None:
    write(parameters={"top_levels": 9})
    SymbolOverride.objects.update(parameters={"top_levels": 9, "former": 1})
    found = config(BTC)
    assert (found.parameters["top_levels"], found.sources["top_levels"]) == (9, "symbol")
    assert [(each.parameter, each.layer, each.value) for each in found.refused] == [("former", "symbol", 1)]


def test_etag__environment__has_its_part(settings: Settings) -> None:
    bare = entity_tags.etag(config())
    use_environment(settings, ORDERBOOK_SKEW_TOP_LEVELS="7")
    one = entity_tags.etag(config())
    use_environment(settings, STRATEGY_ENABLED_ORDERBOOK_SKEW="false")
    two = entity_tags.etag(config())
    assert bare == '"orderbook_skew:global:0:0"'
    assert len({bare, one, two}) == 3
    assert one.startswith('"orderbook_skew:global:0:0:')


def test_strategy_summaries__many_overrides__same_number_of_queries(django_assert_num_queries: Any) -> None:
    for number in range(5):
        write(symbol=f"COIN{number}USDT", parameters={})
    write(symbol="GONEUSDT", parameters={"top_levels": 3}, expires_at=NOON + timedelta(seconds=1))
    with django_assert_num_queries(2):
        found = summaries.strategy_summaries(NOON + timedelta(seconds=1))
    assert [summary.strategy_id for summary in found] == list(STRATEGIES)
    assert found[0].symbol_overrides == tuple(f"COIN{number}USDT" for number in range(5))
    assert {summary.strategy_id: summary.enabled for summary in found}["onchain_metrics"] is False


def test_layer_config__store_away__says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("connection refused") from ConnectionRefusedError()

    monkeypatch.setattr(QuerySet, "get", refuse)
    with pytest.raises(StoreUnavailableError):
        config()


def test_documents__layers_of_a_strategy__are_all_that_were_ever_set() -> None:
    write(parameters={"top_levels": 9})
    write(symbol="ETHUSDT", parameters={"top_levels": 9})
    write("delete_layer", symbol="ETHUSDT")
    found = stored_layers.documents(SKEW)
    assert set(found) == {SKEW, f"{SKEW}:{BTC}", f"{SKEW}:ETHUSDT"}
    assert found[f"{SKEW}:{BTC}"].config == config(BTC)
    assert found[f"{SKEW}:ETHUSDT"].config == config("ETHUSDT")


def test_check_change__global__tells_who_is_affected_and_writes_nothing() -> None:
    write(parameters={"top_levels": 9})
    write(symbol="ETHUSDT", parameters={"buy_threshold": 2.0})
    preview = dry_run.check_change(strategy_id=SKEW, parameters={"top_levels": 15}, at=NOON)
    assert (preview.affected_symbols, preview.unaffected_symbols) == (("ETHUSDT",), (BTC,))
    assert preview.changes == (ParameterChange("top_levels", 5, 15, 52.63),)
    assert (preview.risk_level, preview.errors) == ("high", ())
    assert preview.warnings == ("top_levels is overridden for BTCUSDT: no change there.",)
    assert StrategyConfig.objects.get(strategy_id=SKEW).version == 0


@pytest.mark.parametrize(
    ("parameters", "is_merge", "levels", "risk"),
    [
        ({"top_levels": 10}, False, [], "low"),
        ({"top_levels": 11}, True, ["top_levels"], "low"),
        ({"top_levels": 14}, True, ["top_levels"], "medium"),
        ({"top_levels": None}, True, ["top_levels"], "medium"),
        ({}, False, ["top_levels"], "medium"),
    ],
)
def test_check_change__symbol__compares_resolved_values(
    parameters: dict[str, Any], is_merge: bool, levels: list[str], risk: str
) -> None:
    write(parameters={"top_levels": 10})
    preview = dry_run.check_change(strategy_id=SKEW, symbol=BTC, parameters=parameters, is_merge=is_merge, at=NOON)
    assert ([change.parameter for change in preview.changes], preview.risk_level) == (levels, risk)


def test_check_change__refused__lists_every_error() -> None:
    preview = dry_run.check_change(strategy_id=SKEW, parameters={"top_levels": -5, "x": 1}, at=NOON)
    assert ({error.field for error in preview.errors}, preview.risk_level) == ({"top_levels", "x"}, "high")

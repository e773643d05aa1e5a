"""The configuration API, as the original's own HTTP tests and clients use it."""

from typing import Any

import pytest

from tests.neighbours.conftest import STRATEGIES, Neighbourhood
from tests.neighbours.readers import AuditRow, Config, Envelope, ListedStrategy, SchemaItem, Validation

SKEW = f"{STRATEGIES}/orderbook_skew"
ALL = {
    "orderbook_skew", "trade_momentum", "ticker_velocity", "btc_dominance", "cross_exchange_spread",
    "onchain_metrics", "iceberg_detector", "spread_liquidity",
}  # fmt: skip


def change(parameters: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The body of a change as clients of the original send it."""
    return {"parameters": parameters, "changed_by": "admin", "reason": "Test", **members}


def test_list__of_strategies__has_all_with_their_state(neighbourhood: Neighbourhood, symbol: str) -> None:
    neighbourhood.envelope("POST", f"{SKEW}/config/{symbol}", json=change({"top_levels": 9}))
    answer = neighbourhood.envelope("GET", STRATEGIES)
    listed = {item.strategy_id: item for item in map(ListedStrategy.model_validate, answer.data)}
    assert listed.keys() == ALL
    assert answer.metadata is not None
    assert answer.metadata["total_count"] == len(ALL)
    assert symbol in listed["orderbook_skew"].symbol_overrides
    assert listed["orderbook_skew"].parameter_count == 9


def test_schema__of_a_strategy__has_types_and_bounds(neighbourhood: Neighbourhood) -> None:
    schema = [SchemaItem.model_validate(each) for each in neighbourhood.envelope("GET", f"{SKEW}/schema").data]
    levels = next(item for item in schema if item.name == "top_levels")
    assert (levels.type, levels.min, levels.max, levels.default) == ("int", 1, 20, 5)


@pytest.mark.parametrize(
    ("strategy_id", "parameter", "kind"),
    [
        ("trade_momentum", "price_weight", "float"),
        ("ticker_velocity", "time_window", "int"),
        ("ticker_velocity", "volume_confirmation", "bool"),
        ("cross_exchange_spread", "exchanges", "list"),
    ],
)
def test_schema__of_each_kind_of_parameter__names_it(
    neighbourhood: Neighbourhood, strategy_id: str, parameter: str, kind: str
) -> None:
    schema = neighbourhood.envelope("GET", f"{STRATEGIES}/{strategy_id}/schema").data
    assert {item["name"]: item["type"] for item in schema}[parameter] == kind


def test_defaults__of_a_strategy__are_a_plain_object(neighbourhood: Neighbourhood) -> None:
    answer = neighbourhood.envelope("GET", f"{SKEW}/defaults")
    assert answer.data["top_levels"] == 5
    assert answer.data["buy_threshold"] == 1.2
    assert answer.metadata is not None
    assert answer.metadata["strategy_name"]


@pytest.mark.parametrize("resource", ["schema", "defaults", "config", "audit"])
def test_strategy__that_is_unknown__is_named_in_the_envelope(neighbourhood: Neighbourhood, resource: str) -> None:
    response = neighbourhood.ask("GET", f"{STRATEGIES}/nonexistent/{resource}")
    answer = Envelope.model_validate_json(response.content)
    assert response.status_code == 404
    assert not answer.success
    assert answer.error is not None
    assert answer.error["code"] == "NOT_FOUND"


def test_config__never_set__comes_from_below(neighbourhood: Neighbourhood) -> None:
    config = Config.model_validate(neighbourhood.envelope("GET", f"{STRATEGIES}/cross_exchange_spread/config").data)
    assert (config.symbol, config.version, config.source, config.is_override) == (None, 0, "default", False)
    assert config.parameters["spread_threshold_percent"]


def test_config__set_for_all_symbols__is_answered_and_read(neighbourhood: Neighbourhood) -> None:
    path = f"{STRATEGIES}/trade_momentum/config"
    answer = neighbourhood.envelope("POST", path, json=change({"buy_threshold": 0.8}))
    assert answer.success
    written = Config.model_validate(answer.data)
    read = Config.model_validate(neighbourhood.envelope("GET", path).data)
    assert written.parameters == read.parameters
    assert (read.parameters["buy_threshold"], read.is_override, read.version) == (0.8, False, written.version)
    assert read.updated_at


def test_config__set_for_one_symbol__is_an_override(neighbourhood: Neighbourhood, symbol: str) -> None:
    path = f"{SKEW}/config/{symbol.lower()}"
    written = Config.model_validate(neighbourhood.envelope("POST", path, json=change({"top_levels": 11})).data)
    assert (written.symbol, written.is_override, written.parameters["top_levels"]) == (symbol, True, 11)
    assert Config.model_validate(neighbourhood.envelope("GET", path).data).is_override
    other = Config.model_validate(neighbourhood.envelope("GET", f"{SKEW}/config/NONEUSDT").data)
    assert not other.is_override


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"buy_threshold": 0.1}, "must be"),
        ({"top_levels": "many"}, "must be"),
        ({"no_such_parameter": 1}, "no_such_parameter"),
        ({"top_levels": 21}, "must be"),
    ],
)
def test_change__that_does_not_validate__is_200_and_says_why(
    neighbourhood: Neighbourhood, symbol: str, parameters: dict[str, Any], words: str
) -> None:
    answer = neighbourhood.envelope("POST", f"{SKEW}/config/{symbol}", json=change(parameters))
    assert not answer.success
    assert answer.error is not None
    assert answer.error["code"] == "VALIDATION_ERROR"
    # The original listed texts here; ours are objects with that text in them.
    assert words in answer.error["details"]["errors"][0]["message"]
    assert neighbourhood.layer("orderbook_skew", symbol)["version"] == 0


def test_change__to_be_checked_only__changes_nothing(neighbourhood: Neighbourhood, symbol: str) -> None:
    body = change({"top_levels": 7}, validate_only=True)
    answer = neighbourhood.envelope("POST", f"{SKEW}/config/{symbol}", json=body)
    assert (answer.success, answer.data) == (True, None)
    assert answer.metadata is not None
    assert answer.metadata["validation"] == "passed"
    assert neighbourhood.layer("orderbook_skew", symbol)["version"] == 0


def test_delete__of_an_override__shows_what_is_below(neighbourhood: Neighbourhood, symbol: str) -> None:
    neighbourhood.envelope("POST", f"{SKEW}/config/{symbol}", json=change({"top_levels": 11}))
    answer = neighbourhood.envelope("DELETE", f"{SKEW}/config/{symbol}?changed_by=admin&reason=Test")
    assert answer.success
    assert "deleted successfully" in answer.data["message"]
    assert answer.metadata is not None
    assert answer.metadata["symbol"] == symbol
    assert not neighbourhood.layer("orderbook_skew", symbol)["is_override"]


def test_audit__of_a_layer__has_rows_newest_first(neighbourhood: Neighbourhood, symbol: str) -> None:
    for levels in (6, 7):
        neighbourhood.envelope("POST", f"{SKEW}/config/{symbol}", json=change({"top_levels": levels}))
    answer = neighbourhood.envelope("GET", f"{SKEW}/audit?symbol={symbol}&limit=50")
    rows = [AuditRow.model_validate(row) for row in answer.data]
    assert answer.metadata is not None
    assert answer.metadata["count"] == len(rows) == 2
    assert [row.action for row in rows] == ["UPDATE", "CREATE"]
    assert rows[0].new_parameters == {"top_levels": 7}
    assert rows[0].old_parameters == {"top_levels": 6}
    assert (rows[0].changed_by, rows[0].reason) == ("admin", "Test")


@pytest.mark.parametrize("name", ["rollback", "restore"])
@pytest.mark.parametrize("by", ["nothing", "version", "id"])
def test_rollback__to_an_earlier_state__restores_it_as_a_new_version(
    neighbourhood: Neighbourhood, symbol: str, name: str, by: str
) -> None:
    for levels in (6, 7):
        neighbourhood.envelope("POST", f"{SKEW}/config/{symbol}", json=change({"top_levels": levels}))
    first = neighbourhood.envelope("GET", f"{SKEW}/audit?symbol={symbol}").data[-1]
    target = {"nothing": {}, "version": {"target_version": 1}, "id": {"rollback_id": first["id"]}}[by]
    body = {"changed_by": "admin", "reason": "API test", **target}
    restored = Config.model_validate(neighbourhood.envelope("POST", f"{SKEW}/{name}?symbol={symbol}", json=body).data)
    assert (restored.parameters["top_levels"], restored.version) == (6, 3)


def test_rollback__to_a_row_of_another_strategy__is_refused(neighbourhood: Neighbourhood, symbol: str) -> None:
    neighbourhood.envelope("POST", f"{STRATEGIES}/ticker_velocity/config/{symbol}", json=change({"time_window": 70}))
    row = neighbourhood.envelope("GET", f"{STRATEGIES}/ticker_velocity/audit?symbol={symbol}").data[0]
    body = {"changed_by": "admin", "rollback_id": row["id"]}
    response = neighbourhood.ask("POST", f"{SKEW}/rollback?symbol={symbol}", json=body)
    assert not response.json()["success"]
    assert neighbourhood.layer("orderbook_skew", symbol)["version"] == 0


def test_refresh__of_the_cache__says_so(neighbourhood: Neighbourhood) -> None:
    # Of all that clients without a token asked for in the original, this alone needs a right of its own.
    assert neighbourhood.ask("POST", f"{STRATEGIES}/cache/refresh").status_code in {200, 403}
    answer = Envelope.model_validate_json(neighbourhood.site.post(f"{STRATEGIES}/cache/refresh").content)
    assert "refreshed successfully" in answer.data["message"]
    assert answer.metadata is not None
    assert answer.metadata["action"] == "cache_refresh"


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({"buy_threshold": 1.3, "sell_threshold": 0.75}, []),
        ({"buy_threshold": 0.1}, ["OUT_OF_RANGE"]),
        ({"top_levels": "x"}, ["INVALID_TYPE"]),
        ({"leverage": 3}, ["UNKNOWN_PARAMETER"]),
    ],
)
def test_validate__a_change__answers_in_the_form_of_all_services(
    neighbourhood: Neighbourhood, parameters: dict[str, Any], codes: list[str]
) -> None:
    body = {"strategy_id": "orderbook_skew", "symbol": "BTCUSDT", "parameters": parameters}
    answer = neighbourhood.envelope("POST", "/api/v1/config/validate", json=body)
    found = Validation.model_validate(answer.data)
    assert answer.success
    assert found.validation_passed is (not codes)
    assert [error.code for error in found.errors] == codes
    assert found.estimated_impact["parameter_count"] == len(parameters)

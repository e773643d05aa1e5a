"""The CIO: it modifies parameters and pauses strategies over HTTP, and looks at little but the status."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.live_site import LiveSite
from tests.neighbours.conftest import STRATEGIES, Neighbourhood
from tests.waiting import until

HEADERS = {"X-Petrosa-Issuer": "CIO", "X-Petrosa-Internal-Token": "of the CIO"}


def body(strategy_id: str, parameters: dict[str, Any], reason: str) -> dict[str, Any]:
    """What it posts, exactly."""
    return {
        "parameters": parameters,
        "changed_by": f"petrosa-cio:{strategy_id}",
        "reason": reason,
        "validate_only": False,
    }


def test_modify__one_parameter__is_done_in_its_name(neighbourhood: Neighbourhood, in_force: Callable[[], None]) -> None:
    sent = body("ticker_velocity", {"buy_threshold": 0.6}, "volatility regime: high, reduce exposure")
    path = f"{STRATEGIES}/ticker_velocity/config"
    response = neighbourhood.ask("POST", path, json=sent, headers=HEADERS)
    assert response.status_code < 400
    assert response.json()["success"]
    layer = neighbourhood.layer("ticker_velocity")
    assert (layer["parameters"]["buy_threshold"], layer["updated_by"]) == (0.6, "petrosa-cio:ticker_velocity")
    in_force()
    info = neighbourhood.runtime.answer("/info")
    assert info is not None
    traded = info.json()["configuration"]["config"]["strategies"]["ticker_velocity"]
    assert traded["parameters"]["buy_threshold"] == 0.6


@pytest.mark.parametrize("value", [0, "high"])
def test_modify__a_value_that_cannot_be__has_a_status_of_its_own_where_that_is_asked_for(
    neighbourhood: Neighbourhood, value: Any
) -> None:
    sent = body("spread_liquidity", {"lookback_ticks": value}, "CIO automated parameter adjustment")
    path = f"{STRATEGIES}/spread_liquidity/config"
    as_it_is = neighbourhood.ask("POST", path, json=sent, headers=HEADERS)
    assert (as_it_is.status_code, as_it_is.json()["success"]) == (200, False)
    strict = neighbourhood.ask("POST", path, json=sent, headers={**HEADERS, "Prefer": "handling=strict"})
    assert strict.status_code == 422
    assert neighbourhood.layer("spread_liquidity")["version"] == 0


def test_issuer_headers__without_a_token_of_ours__change_nothing(neighbourhood: Neighbourhood) -> None:
    assert neighbourhood.ask("GET", STRATEGIES, headers=HEADERS).status_code == 200


PAUSES = ["CIO_PAUSE: drawdown beyond the limit", "CRITICAL_FAIL_SAFE: system failure", "CIO_PAUSE: " + "x" * 3_000]


@pytest.mark.parametrize("reason", PAUSES, ids=["pause", "fail-safe", "long"])
def test_pause__of_a_strategy__stops_it(
    neighbourhood: Neighbourhood, in_force: Callable[[], None], reason: str
) -> None:
    path = f"{STRATEGIES}/btc_dominance/config"
    response = neighbourhood.ask("POST", path, json=body("btc_dominance", {"enabled": False}, reason), headers=HEADERS)
    assert response.status_code == 200
    assert response.json()["metadata"]["stopped"]
    layer = neighbourhood.layer("btc_dominance")
    assert not layer["enabled"]
    assert layer["reason"][:900] == reason[:900]
    in_force()
    info = neighbourhood.runtime.answer("/info")
    assert info is not None
    assert "btc_dominance" not in info.json()["configuration"]["enabled_strategies"]
    switch_on = {"changed_by": "tests", "reason": "on again"}
    assert neighbourhood.site.post(f"{STRATEGIES}/btc_dominance/enable", switch_on).json()["success"]


def test_pause__beside_what_is_refused__stops_all_the_same(neighbourhood: Neighbourhood) -> None:
    path = f"{STRATEGIES}/iceberg_detector/config"
    sent = body("iceberg_detector", {"enabled": False, "no_such_parameter": 1}, "CIO_PAUSE: automated pause")
    answer = neighbourhood.ask("POST", path, json=sent, headers=HEADERS).json()
    assert (answer["success"], answer["metadata"]["stopped"]) == (False, True)
    assert not neighbourhood.layer("iceberg_detector")["enabled"]
    neighbourhood.site.post(f"{STRATEGIES}/iceberg_detector/enable", {"changed_by": "tests", "reason": "on again"})


@pytest.mark.parametrize("parameters", [{}, {"buy_threshold": 1.54}], ids=["nothing", "one"])
def test_modify__what_others_have_set__leaves_it(
    neighbourhood: Neighbourhood, symbol: str, parameters: dict[str, Any]
) -> None:
    path = f"{STRATEGIES}/orderbook_skew/config/{symbol}"
    neighbourhood.ask("POST", path, json=body("orderbook_skew", {"top_levels": 7, "buy_threshold": 1.4}, "a trader's"))
    before = neighbourhood.layer("orderbook_skew", symbol)
    answer = neighbourhood.ask("POST", path, json=body("orderbook_skew", parameters, "CIO"), headers=HEADERS)
    assert answer.json()["success"]
    after = neighbourhood.layer("orderbook_skew", symbol)
    assert after["overrides"] == {"top_levels": 7, "buy_threshold": 1.4} | parameters
    assert after["version"] == before["version"] + (1 if parameters else 0)


def test_read_and_sent_back__with_one_value_changed__pins_that_one_alone(
    neighbourhood: Neighbourhood, symbol: str
) -> None:
    read = neighbourhood.layer("orderbook_skew", symbol)["parameters"]
    sent = body("orderbook_skew", {**read, "top_levels": 9}, "round trip")
    answer = neighbourhood.ask("POST", f"{STRATEGIES}/orderbook_skew/config/{symbol}", json=sent).json()
    assert answer["success"]
    assert neighbourhood.layer("orderbook_skew", symbol)["overrides"] == {"top_levels": 9}
    assert set(answer["metadata"]["inherited"]) == read.keys() - {"top_levels"}


def test_modify__with_floats_alone__takes_whole_ones_as_integers(neighbourhood: Neighbourhood, symbol: str) -> None:
    path = f"{STRATEGIES}/orderbook_skew/config/{symbol}"
    sent = body("orderbook_skew", {"top_levels": 8.0}, "CIO automated parameter adjustment")
    assert neighbourhood.ask("POST", path, json=sent, headers=HEADERS).json()["success"]
    assert neighbourhood.layer("orderbook_skew", symbol)["overrides"] == {"top_levels": 8}


def test_rate_limit__of_writes__says_in_the_body_how_long_to_wait_and_refuses_no_pause(
    live_site: Callable[..., LiveSite],
) -> None:
    limits = {"RATE_LIMIT_WRITES_PER_SECOND": "1", "RATE_LIMIT_WRITES_BURST": "1"}
    site = live_site(environment={"API_ANONYMOUS": "write", **limits})
    path = f"{STRATEGIES}/orderbook_skew/config"

    def post(parameters: dict[str, Any]) -> httpx.Response:
        return site.request("POST", path, token=None, json=body("orderbook_skew", parameters, "CIO"), headers=HEADERS)

    def refused() -> httpx.Response | None:
        response = post({"top_levels": 7})
        return response if response.status_code == 429 else None

    response = until(refused)
    # Where it finds none it waits for an hour.
    assert response.json()["retry_after"] == int(response.headers["Retry-After"]) == 1
    assert until(refused)
    assert post({"enabled": False}).status_code == 200
    assert not site.get(path).json()["data"]["enabled"]

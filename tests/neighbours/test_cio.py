"""The CIO: it modifies parameters and pauses strategies over HTTP, and looks at little but the status."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.neighbours.conftest import STRATEGIES, Neighbourhood

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

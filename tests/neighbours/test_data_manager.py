"""The data manager: it hands rollbacks and the history on to the service that they belong to."""

from typing import Any

import pytest

from tests.neighbours.conftest import STRATEGIES, Neighbourhood
from tests.neighbours.readers import AuditRow, Config

SKEW = f"{STRATEGIES}/orderbook_skew"


@pytest.mark.parametrize(("target", "levels"), [(None, 6), (1, 5), (2, 6)])
def test_rollback__handed_on__names_what_is_not_asked_for_as_null(
    neighbourhood: Neighbourhood, symbol: str, target: int | None, levels: int
) -> None:
    for number in (5, 6, 7):
        change = {"parameters": {"top_levels": number}, "changed_by": "admin"}
        neighbourhood.envelope("POST", f"{SKEW}/config/{symbol}", json=change)
    sent: dict[str, Any] = {"target_version": target, "changed_by": "operator", "reason": None}
    answer = neighbourhood.envelope("POST", f"{SKEW}/rollback", json=sent, params={"symbol": symbol})
    assert Config.model_validate(answer.data).parameters["top_levels"] == levels


def test_history__handed_on__is_limited(neighbourhood: Neighbourhood, symbol: str) -> None:
    for number in (5, 6, 7):
        change = {"parameters": {"top_levels": number}, "changed_by": "admin"}
        neighbourhood.envelope("POST", f"{SKEW}/config/{symbol}", json=change)
    answer = neighbourhood.envelope("GET", f"{SKEW}/audit", params={"limit": 2, "symbol": symbol})
    assert len([AuditRow.model_validate(row) for row in answer.data]) == 2


def test_rollback__to_nothing__has_a_status_that_it_hands_on(neighbourhood: Neighbourhood, symbol: str) -> None:
    sent = {"target_version": 9, "changed_by": "operator", "reason": None}
    response = neighbourhood.ask("POST", f"{SKEW}/rollback", json=sent, params={"symbol": symbol})
    # 200 with ROLLBACK_FAILED in the original, which the data manager took for a success.
    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")

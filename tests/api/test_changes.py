"""Following the changes of all strategies over HTTP."""

from collections.abc import Callable

import pytest

from strategy_config.api.resources.changes import Changes
from tests.live_site import LiveSite

CHANGES = "/api/v1/config/changes"
SKEW = "/api/v1/strategies/orderbook_skew"


def changes(site: LiveSite, **query: int) -> Changes:
    return Changes.model_validate_json(site.get(CHANGES, params=query).content)


def test_changes__followed_in_pages__each_once_in_order(live_site: Callable[..., LiveSite]) -> None:
    site = live_site()
    assert (changes(site).data, changes(site).metadata.latest) == ([], 0)
    for levels in (3, 4):
        site.post(f"{SKEW}/config", {"parameters": {"top_levels": levels}, "changed_by": "jane", "reason": "deeper"})
    site.post(f"{SKEW}/config/BTCUSDT", {"parameters": {"top_levels": 5}, "changed_by": "bob"})
    site.post("/api/v1/strategies/ticker_velocity/disable", {"changed_by": "jane", "reason": "halt"})
    first = changes(site, limit=3)
    assert [(row.sequence, row.strategy_id, row.symbol, row.action, row.version) for row in first.data] == [
        (1, "orderbook_skew", None, "CREATE", 1),
        (2, "orderbook_skew", None, "UPDATE", 2),
        (3, "orderbook_skew", "BTCUSDT", "CREATE", 1),
    ]
    assert (first.data[0].changed_by, first.data[0].reason, first.data[2].reason) == ("jane", "deeper", "")
    assert (first.metadata.count, first.metadata.latest) == (3, 4)
    second = changes(site, since=3)
    assert [(row.sequence, row.action, row.reason) for row in second.data] == [(4, "DISABLE", "halt")]
    assert (changes(site, since=4).data, changes(site, since=999).metadata.latest) == ([], 4)
    (audited,) = site.get("/api/v1/strategies/ticker_velocity/audit").json()["data"]
    assert audited["changed_at"] == second.data[0].changed_at


@pytest.mark.parametrize("query", [{"since": "-1"}, {"since": "x"}, {"limit": "0"}, {"limit": "1001"}])
def test_changes__impossible_page__is_refused(site: LiveSite, query: dict[str, str]) -> None:
    response = site.get(CHANGES, params=query)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "INVALID_REQUEST")

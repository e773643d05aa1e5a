"""The page of a layer and the kill switch as a browser without scripts meets them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from strategy_config import overviews, selectors, services, tokens
from strategy_config.models import ConfigAudit
from tests.factories import NOON, OriginFactory, UserFactory
from tests.strategy_config.conftest import CacheUnderTest, cache
from tests.strategy_config.test_services import BTC, SKEW, own, write

__all__ = ["cache"]  # a fixture of the neighbours
pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
PAGE = f"/admin/strategies/{SKEW}/"
Login = Callable[[str], Client]


def opened(client: Client, path: str = PAGE) -> dict[str, str]:
    """The form as it is opened: the values of all of its fields."""
    html = client.get(path).content.decode()
    found = {}
    for tag in re.findall(r"<input[^>]*>", html):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        name = attributes.get("name", "")
        if name.startswith(("was-", "p-", "base")):
            found[name] = attributes["value"].replace("&quot;", '"')
    return found


def test_save__same_change_over_api__leaves_the_same_row_but_for_the_channel(
    login: Login, cache: CacheUnderTest
) -> None:
    client = login("trader")
    fields = {**opened(client), "p-buy_threshold": "1,35", "p-top_levels": "7", "step": "save", "reason": "calm"}
    assert client.post(PAGE, fields).status_code == 302
    by_admin = ConfigAudit.objects.get(sequence=1)
    services.roll_back(strategy_id=SKEW, origin=OriginFactory())

    token = tokens.issue_token(user=UserFactory(username="api", groups=("trader",)), name="t", days=1)[1]
    answer = Client().patch(
        f"/api/v1/strategies/{SKEW}/config",
        {"parameters": {"top_levels": 7, "buy_threshold": 1.35}, "changed_by": "trader", "reason": "calm"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200
    by_api = ConfigAudit.objects.get(sequence=3)
    same = ("strategy_id", "symbol", "action", "old_parameters", "new_parameters", "changes", "changed_by", "reason")
    assert {name: getattr(by_admin, name) for name in same} == {name: getattr(by_api, name) for name in same}
    assert (by_admin.channel, by_api.channel) == ("admin", "api")
    assert re.fullmatch("[0-9a-f]{32}", by_admin.request_id)


@pytest.mark.parametrize(
    ("step", "reason", "status", "words"),
    [
        ("review", "", 200, "top_levels 5 → 7 (+40 %; 10.5 % of the range) for all symbols."),
        ("save", "   ", 422, "Say why"),
        ("edit", "", 200, 'value="7"'),
    ],
)
def test_post__short_of_a_save__changes_nothing(login: Login, step: str, reason: str, status: int, words: str) -> None:
    client = login("trader")
    answer = client.post(PAGE, {**opened(client), "p-top_levels": "7", "step": step, "reason": reason})
    assert (answer.status_code, words in answer.content.decode()) == (status, True)
    assert selectors.last_sequence() == 0


def test_post__refused_value__has_the_words_of_the_check(login: Login) -> None:
    client = login("trader")
    fields = {**opened(client), "p-sell_threshold": "1", "p-buy_threshold": "1"}
    checked = client.post(f"{PAGE}check.json", fields).json()["errors"]
    assert checked == {
        "sell_threshold": ["sell_threshold 1 must stay below buy_threshold 1. Lower it, or raise buy_threshold first."]
    }
    answer = client.post(PAGE, {**fields, "step": "save", "reason": "why"})
    assert answer.status_code == 422
    assert checked["sell_threshold"][0] in answer.content.decode()
    assert selectors.last_sequence() == 0


def test_save__somebody_was_faster__is_told_and_writes_nothing(login: Login) -> None:
    client = login("trader")
    fields = {**opened(client), "p-top_levels": "7"}
    write(symbol=None, parameters={"top_levels": 9, "buy_threshold": 1.4})
    answer = client.post(PAGE, {**fields, "step": "save", "reason": "why"})
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "alice has set this to 9 meanwhile." in html
    assert own(None) == {"top_levels": 9, "buy_threshold": 1.4}
    assert re.search(r'name="p-buy_threshold"[^>]*\s+value="1.4"', html)


@pytest.mark.parametrize(("group", "status"), [("viewer", 403), ("trader", 403), ("operator", 302)])
@pytest.mark.parametrize("path", [f"{PAGE}switch/", f"{PAGE}symbols/{BTC}/switch/"])
def test_switch__by_group__only_operators(login: Login, group: str, status: int, path: str) -> None:
    assert login(group).post(path, {"to": "off", "reason": "why"}).status_code == status
    assert selectors.last_sequence() == (1 if status == 302 else 0)


def test_switch_all__confirmed__is_one_change_for_each_that_was_on(login: Login) -> None:
    services.switch(strategy_id=SKEW, enabled=False, origin=OriginFactory())
    client = login("operator")
    answer: Any = client.post("/admin/switch-all/", {"reason": "exchange down", "confirmation": "ALL OFF"})
    assert answer.status_code == 302
    rows = ConfigAudit.objects.filter(reason="exchange down")
    assert {(row.action, row.channel) for row in rows} == {("DISABLE", "admin")}
    running = [each for each in overviews.strategy_overviews(NOON) if each.is_enabled]
    assert running == []
    assert SKEW not in {row.strategy_id for row in rows}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (PAGE, "Switched off by <strong>alice</strong>"),
        (f"{PAGE}symbols/{BTC}/", "is off for all symbols, so it is off here"),
        ("/admin/strategies/onchain_metrics/", "Off by default"),
    ],
)
def test_page__of_what_is_off__says_why(login: Login, path: str, words: str) -> None:
    services.switch(strategy_id=SKEW, enabled=False, origin=OriginFactory())
    html = login("viewer").get(path).content.decode()
    assert "state-off" in html
    assert words in html

"""The page of a layer and the kill switch as a browser without scripts meets them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from strategy_config.history import positions
from strategy_config.models import ConfigAudit
from strategy_config.resolution.expiry import NOTHING_TO_EXPIRE
from strategy_config.selectors import known_halts, stored_layers
from strategy_config.services import halts, switches
from strategy_core.configuration.halts import EVERYTHING, Scope
from tests.factories import NOON, OriginFactory
from tests.strategy_config.conftest import CacheUnderTest, cache
from tests.strategy_config.test_runtimes import beat
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
            found[name] = attributes.get("value", "").replace("&quot;", '"')
    return found


@pytest.mark.parametrize(
    ("step", "reason", "status", "words"),
    [
        ("review", "", 200, "top_levels 5 → 7 (+40 %; 10.5 % of the range) for all symbols."),
        ("save", "   ", 422, "Give a reason"),
        ("edit", "", 200, 'value="7"'),
    ],
)
def test_post__short_of_a_save__changes_nothing(login: Login, step: str, reason: str, status: int, words: str) -> None:
    client = login("trader")
    answer = client.post(PAGE, {**opened(client), "p-top_levels": "7", "step": step, "reason": reason})
    assert (answer.status_code, words in answer.content.decode()) == (status, True)
    assert positions.last_sequence() == 0


def test_post__saved__carries_the_request_s_id_into_the_history(login: Login) -> None:
    client = login("trader")
    fields = {**opened(client), "p-top_levels": "7", "step": "save", "reason": "why"}
    client.post(PAGE, fields, headers={"X-Request-ID": "of-a-browser"})
    assert ConfigAudit.objects.get().request_id == "of-a-browser"


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
    assert positions.last_sequence() == 0


def test_save__somebody_was_faster__is_told_and_writes_nothing(login: Login) -> None:
    client = login("trader")
    fields = {**opened(client), "p-top_levels": "7"}
    write(symbol=None, parameters={"top_levels": 9, "buy_threshold": 1.4})
    answer = client.post(PAGE, {**fields, "step": "save", "reason": "deeper book"})
    html = answer.content.decode()
    assert answer.status_code == 409
    assert '<input type="hidden" name="reason" value="deeper book">' in html
    assert "alice has set this to 9 in the meantime." in html
    assert own(None) == {"top_levels": 9, "buy_threshold": 1.4}
    assert re.search(r'name="p-buy_threshold"[^>]*\s+value="1.4"', html)


@pytest.mark.parametrize(("group", "status"), [("viewer", 403), ("trader", 302), ("operator", 302)])
@pytest.mark.parametrize("path", [f"{PAGE}switch/", f"{PAGE}symbols/{BTC}/switch/"])
@pytest.mark.parametrize("reason", ["why", "", "x" * 1_500])
def test_switch_off__by_group__for_traders_too_whatever_the_reason(
    login: Login, group: str, status: int, path: str, reason: str
) -> None:
    assert login(group).post(path, {"to": "off", "reason": reason}).status_code == status
    assert positions.last_sequence() == (1 if status == 302 else 0)


def test_switch_on__by_group__only_for_operators_and_with_a_reason(login: Login) -> None:
    switches.switch(strategy_id=SKEW, enabled=False, origin=OriginFactory())
    path = f"{PAGE}switch/"
    assert login("trader").post(path, {"to": "on", "reason": "why"}).status_code == 403
    operator = login("operator")
    assert operator.post(path, {"to": "on", "reason": " "}).status_code == 422
    assert positions.last_sequence() == 1
    assert operator.post(path, {"to": "on", "reason": "why"}).status_code == 302


def test_switch_all__confirmed__is_a_halt_of_everything_that_every_page_shows(login: Login) -> None:
    client = login("operator")
    answer: Any = client.post("/admin/switch-all/", {"reason": "exchange down", "confirmation": "ALL OFF"})
    assert (answer.status_code, answer.url) == (302, f"/admin/?saved={positions.last_sequence()}")
    assert 'id="progress"' in client.get(answer.url).content.decode()
    row = ConfigAudit.objects.get(reason="exchange down")
    assert (row.action, row.channel, row.object_kind) == ("HALT", "admin", "halt")
    for page in ("/admin/", PAGE, f"{PAGE}switch/", "/admin/switch-all/", "/admin/history/", "/admin/halts/"):
        html = client.get(page).content.decode()
        assert "Halted: everything" in html, page
        assert "exchange down" in html, page
    live = client.get("/admin/live.json").json()
    assert live["answer"].startswith("HALTED: everything, by ")
    assert {card["state"] for card in live["strategies"]} == {"Halted"}


def test_halts_page__resumes_exactly_the_chosen_ones__for_operators_with_a_reason(login: Login) -> None:
    first = halts.halt(scope=EVERYTHING, origin=OriginFactory())
    second = halts.halt(scope=Scope(symbol=BTC), origin=OriginFactory())
    answer: Any = {"id": [str(first.halt.id)], "reason": "checked"}
    assert login("trader").post("/admin/halts/", answer).status_code == 403
    client = login("operator")
    assert client.post("/admin/halts/", {"id": [str(first.halt.id)], "reason": " "}).status_code == 422
    assert client.post("/admin/halts/", {"reason": "checked"}).status_code == 422
    assert len(known_halts.open_halts()) == 2
    assert client.post("/admin/halts/", answer).status_code == 302
    assert [row.id for row in known_halts.open_halts()] == [second.halt.id]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (PAGE, "Switched off by <strong><bdi>alice</bdi></strong>"),
        (f"{PAGE}symbols/{BTC}/", "is off for all symbols, so it is off here"),
        ("/admin/strategies/onchain_metrics/", "Off by default"),
    ],
)
def test_page__of_what_is_off__says_why(login: Login, path: str, words: str) -> None:
    switches.switch(strategy_id=SKEW, enabled=False, origin=OriginFactory())
    html = login("viewer").get(path).content.decode()
    assert "state-off" in html
    assert words in html


def test_page__of_a_symbol_that_no_runtime_has_seen__warns_of_its_spelling(login: Login, cache: CacheUnderTest) -> None:
    client = login("viewer")
    misspelt = f"{PAGE}symbols/BTCUDST/"
    assert 'id="unseen"' not in client.get(misspelt).content.decode()  # nobody knows
    beat(cache, symbols=[BTC])
    assert "No runtime has seen BTCUDST" in client.get(misspelt).content.decode()
    assert 'id="unseen"' not in client.get(ON_BTC).content.decode()


def test_page__of_a_strategy__counts_the_overrides_that_keep_their_own(login: Login) -> None:
    write(symbol=BTC, parameters={"top_levels": 7})
    assert "1 override" in re.sub(r"\s+", " ", login("viewer").get(PAGE).content.decode())


def test_page__of_a_layer_with_a_long_reason__keeps_its_first_line_short(login: Login) -> None:
    write(symbol=None, parameters={"top_levels": 7}, origin=OriginFactory(reason="thin book " * 90))
    html = login("viewer").get(PAGE).content.decode()
    [answer] = re.findall(r'id="answer">(.*?)</p>', html, re.DOTALL)
    assert len(re.sub(r"<[^>]*>|\s+", " ", answer)) < 400
    assert f'title="{"thin book " * 90}'.rstrip() in answer


ON_BTC = f"{PAGE}symbols/{BTC}/"
FAR = datetime(2099, 1, 31, 12, tzinfo=UTC)
PAST = "expires_at must be in the future. Give a later time, or none."


def test_expiry__of_a_symbol__is_reviewed_saved_and_shown_wherever_the_layer_is(login: Login) -> None:
    client = login("trader")
    fields = {**opened(client, ON_BTC), "p-top_levels": "7", "p-expires_at": "2099-01-31T12:00"}
    review = client.post(ON_BTC, {**fields, "step": "review"}).content.decode()
    assert "apply until 2099-01-31 12:00 UTC (so far: no expiry), then the inherited values apply." in review
    assert client.post(ON_BTC, {**fields, "step": "save", "reason": "over noon"}).status_code == 302
    assert stored_layers.layer_config(strategy_id=SKEW, symbol=BTC, at=NOON).expires_at == "2099-01-31T12:00:00.000Z"
    for path in (ON_BTC, "/admin/overrides/", f"{ON_BTC}explain/", f"{ON_BTC}copy/", f"{ON_BTC}rollback/?version=1"):
        assert 'title="2099-01-31 12:00:00.000 UTC"' in client.get(path).content.decode(), path

    kept = {**opened(client, ON_BTC), "p-top_levels": "8", "step": "save", "reason": "more"}
    assert kept["p-expires_at"] == "2099-01-31T12:00"
    client.post(ON_BTC, kept)
    client.post(ON_BTC, {**opened(client, ON_BTC), "p-expires_at": "", "step": "save", "reason": "for good"})
    rows = ConfigAudit.objects.order_by("sequence")
    moved = [[(each["parameter"], each["new"]) for each in row.changes] for row in rows]
    assert moved == [
        [("top_levels", 7), ("expires_at", "2099-01-31T12:00:00.000Z")],
        [("top_levels", 8)],
        [("expires_at", None)],
    ]


def test_review__that_drops_the_last_own_value__says_that_the_expiry_goes_too(login: Login) -> None:
    write(parameters={"top_levels": 7}, expires_at=FAR)
    client = login("trader")
    review = client.post(ON_BTC, {**opened(client, ON_BTC), "p-top_levels": "", "step": "review"}).content.decode()
    assert "nothing would be left to expire (so far: until 2099-01-31 12:00 UTC)" in review


@pytest.mark.parametrize(
    ("typed", "own", "words"),
    [
        ("2020-01-31T12:00", "7", PAST),
        ("noon", "7", "expires_at must be a time in UTC such as 2030-01-31T12:00."),
        ("2099-01-31T12:00", "", NOTHING_TO_EXPIRE),
    ],
)
def test_expiry__that_cannot_be__is_refused_in_the_words_of_the_check(
    login: Login, typed: str, own: str, words: str
) -> None:
    client = login("trader")
    fields = {**opened(client, ON_BTC), "p-top_levels": own, "p-expires_at": typed}
    assert client.post(f"{ON_BTC}check.json", fields).json()["errors"] == {"expires_at": [words]}
    answer = client.post(ON_BTC, {**fields, "step": "save", "reason": "why"})
    assert (answer.status_code, words in answer.content.decode()) == (422, True)
    assert positions.last_sequence() == 0


@pytest.mark.parametrize(("reason", "status"), [("x" * 1_001, 422), ("line\r\n" * 198 + "größer 🚀", 302)])
def test_save__long_reason__counts_as_the_browser_counts(login: Login, reason: str, status: int) -> None:
    client = login("trader")
    fields = {**opened(client), "p-top_levels": "7", "step": "save", "reason": reason}
    answer = client.post(PAGE, fields)
    assert answer.status_code == status
    if status == 302:
        assert ConfigAudit.objects.get().reason == reason.replace("\r\n", "\n")
    else:
        assert 'name="p-top_levels" value="7"' in answer.content.decode()


@pytest.mark.parametrize("typed", ["NaN", "inf", "-Infinity", "1e999", "٣", "1,200", "0x5", "1 2"])
def test_number__that_is_none__is_refused_and_kept(login: Login, typed: str) -> None:
    client = login("trader")
    answer = client.post(PAGE, {**opened(client), "p-buy_threshold": typed, "step": "save", "reason": "why"})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert f'value="{typed}"' in html
    assert re.search(r'id="errors-buy_threshold"[^>]*><li>', html)
    assert positions.last_sequence() == 0


@pytest.mark.parametrize(("group", "is_there"), [("viewer", False), ("trader", True), ("operator", True)])
@pytest.mark.parametrize("layer", [PAGE, ON_BTC])
def test_kill_switch__of_a_layer__is_on_every_page_of_it_for_whoever_may_stop(
    login: Login, group: str, is_there: bool, layer: str
) -> None:
    write(symbol=None, parameters={"top_levels": 7})
    write(parameters={"top_levels": 8})
    client = login(group)
    other = f"{ON_BTC}copy/" if layer == ON_BTC else f"/admin/help/{SKEW}/"
    for page in (layer, f"{layer}explain/", f"{layer}versions/", f"{layer}rollback/?version=1", other):
        html = client.get(page).content.decode()
        assert (f'action="{layer}switch/"' in html) is is_there, page
    if group != "viewer":
        review = client.post(layer, {**opened(client, layer), "p-top_levels": "9", "step": "review"}).content.decode()
        assert (f'action="{layer}switch/"' in review) is is_there

"""What the console's pages refuse, record and export, by group; as a browser without scripts meets them."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from strategy_config.accounts import tokens
from strategy_config.admin import poll_document, strategy_cards
from strategy_config.admin.times import relative
from strategy_config.history import audit_rows, positions, verification
from strategy_config.models import ApiToken, ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.selectors import overviews
from strategy_config.services import switches
from strategy_core.strategies.registry import STRATEGIES
from tests.factories import NOON, OriginFactory, UserFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_runtimes import BEAT, ack, beat
from tests.strategy_config.test_services import BTC, SKEW, own, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
LAYER = f"/admin/strategies/{SKEW}"
ON_BTC = f"{LAYER}/symbols/{BTC}"
Login = Callable[[str], Client]
FOR_TRADERS = {
    "rollback": (f"{ON_BTC}/rollback/", {"version": 1, "reason": "why"}),
    "copy": (f"{ON_BTC}/copy/", {"symbols": "ETHUSDT", "reason": "why"}),
    "delete": ("/admin/overrides/bulk/", {"action": "delete", "key": f"{SKEW}:{BTC}", "reason": "y", "confirm": "1"}),
    "plan": ("/admin/transfer/plan/", {}),
    "apply": ("/admin/transfer/apply/", {"reason": "why"}),
}
FOR_OPERATORS = {
    name: ("/admin/overrides/bulk/", {"action": name, "key": f"{SKEW}:{BTC}", "reason": "why", "confirm": "1"})
    for name in ("disable", "enable")
}


def upload(client: Client, text: str, **fields: Any) -> Any:
    file = SimpleUploadedFile("config.yaml", text.encode())
    return client.post("/admin/transfer/plan/", {"file": file, **fields}, follow=True)


@pytest.mark.parametrize(
    ("group", "path", "fields"),
    [("viewer", *case) for case in (FOR_TRADERS | FOR_OPERATORS).values()] + [("trader", *FOR_OPERATORS["enable"])],
)
def test_post__not_allowed__is_403_and_changes_nothing(
    login: Login, group: str, path: str, fields: dict[str, Any]
) -> None:
    write(parameters={"top_levels": 7})
    assert login(group).post(path, fields).status_code == 403
    assert positions.last_sequence() == 1


def test_pages__viewer__shows_no_dead_buttons(login: Login) -> None:
    write(parameters={"top_levels": 7})
    client = login("viewer")
    for path in ("/admin/overrides/", "/admin/history/", f"{LAYER}/versions/", "/admin/transfer/"):
        page = client.get(path).content.decode()
        assert not any(
            word in page for word in ("rollback/", "/copy/", "Set override", 'name="action" value', "import-file")
        )


@pytest.mark.parametrize("verb", ["add", "change", "delete"])
@pytest.mark.parametrize("model", ["configaudit", "strategyconfig", "symboloverride", "changesequence"])
def test_history__superuser_by_url__cannot_be_touched(verb: str, model: str, client: Client) -> None:
    write(parameters={"top_levels": 7})
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    row = ConfigAudit.objects.get()
    tail = "add/" if verb == "add" else f"{row.pk}/{verb}/"
    for method in (client.get, client.post):
        assert method(f"/admin/strategy_config/{model}/{tail}").status_code == 404
    for path in ("/admin/history/", f"{ON_BTC}/versions/"):
        client.post(path, {"reason": "other"})
        client.delete(path)
    assert (verification.verify().bad, ConfigAudit.objects.get().reason) == (None, row.reason)


def test_history__filtered__shows_and_exports_only_that(login: Login) -> None:
    write(parameters={"top_levels": 7})
    write(symbol=None, parameters={"top_levels": 8}, origin=OriginFactory(changed_by="bob", reason="=HYPERLINK(1)"))
    client = login("viewer")
    page = client.get("/admin/history/?who=bob&symbol=global").content.decode()
    assert 'id="change-2"' in page
    assert 'id="change-1"' not in page
    assert "Filter: <strong>bob · global</strong>" in page
    lines = client.get("/admin/history/export.jsonl?symbol=btcusdt").getvalue().decode().splitlines()
    row = ConfigAudit.objects.get(sequence=1)
    assert [json.loads(line) for line in lines] == [audit_rows.as_json(row)]
    found = list(csv.DictReader(io.StringIO(client.get("/admin/history/export.csv").getvalue().decode())))
    assert [line["sequence"] for line in found] == ["2", "1"]
    assert found[0]["reason"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize("query", ["since=yesterday", "symbol=BTC/USDT", "until=2024-99-99T00:00"])
def test_history__filter_that_makes_no_sense__is_400_in_words(login: Login, query: str) -> None:
    answer = login("viewer").get(f"/admin/history/?{query}")
    assert answer.status_code == 400
    assert "This request was refused" in answer.content.decode()


def test_verify__in_steps__reaches_the_end_and_finds_what_was_tampered_with(
    login: Login, cache: CacheUnderTest
) -> None:
    write(parameters={"top_levels": 7})
    client = login("viewer")
    assert client.post("/admin/history/verify.json").json() == {
        "verified": 1,
        "head": 1,
        "bad": None,
        "is_done": True,
    }
    assert "1 of 1 changes verified" in client.get("/admin/history/").content.decode()
    write(parameters={"top_levels": 8})
    super(type(ConfigAudit.objects.all()), ConfigAudit.objects.filter(sequence=2)).update(reason="never said")
    assert client.post("/admin/history/verify.json").json()["bad"]["position"] == 2


def test_diff__any_two_versions__own_values(login: Login) -> None:
    for levels in (5, 6, 7):
        write(parameters={"top_levels": levels})
    viewer = login("viewer")
    page = viewer.get(f"{ON_BTC}/versions/?old=1&new=3").content.decode()
    assert "<del>5</del>" in page
    assert "<ins>7</ins>" in page
    assert "newly set" in viewer.get(f"{ON_BTC}/versions/?old=0&new=1").content.decode()
    assert login("trader").get(f"{ON_BTC}/versions/?old=1&new=9").status_code == 404


def test_roll_back__without_a_reason_or_after_a_change__asks_again(login: Login) -> None:
    write(parameters={"top_levels": 7})
    write(parameters={"top_levels": 8})
    client = login("trader")
    review = client.get(f"{ON_BTC}/rollback/?version=1")
    assert client.post(f"{ON_BTC}/rollback/", {"version": 1, "reason": " "}).status_code == 422
    write(parameters={"top_levels": 9})
    stale = {"version": 1, "reason": "why", "base": review.context["base"]}
    assert client.post(f"{ON_BTC}/rollback/", stale).status_code == 409
    assert own() == {"top_levels": 9}
    base = client.get(f"{ON_BTC}/rollback/?version=1").context["base"]
    assert client.post(f"{ON_BTC}/rollback/", {**stale, "base": base}).status_code == 302
    row = ConfigAudit.objects.order_by("-sequence").first()
    assert (row.action, row.channel, row.changed_by, row.actor) == ("ROLLBACK", "admin", "trader", "trader")
    assert own() == {"top_levels": 7}


def test_bulk__reason__changes_all_with_it(login: Login) -> None:
    write(parameters={"top_levels": 7})
    write(symbol="ETHUSDT", parameters={"top_levels": 7})
    fields = {"action": "disable", "key": [f"{SKEW}:{BTC}", f"{SKEW}:ETHUSDT"]}
    client = login("operator")
    assert client.post("/admin/overrides/bulk/", fields).status_code == 200
    answer = client.post("/admin/overrides/bulk/", {**fields, "confirm": "1"})
    assert answer.url == "/admin/overrides/?count=2&saved=4"
    assert not SymbolOverride.objects.filter(enabled=True).exists()
    fields["action"] = "enable"
    assert client.post("/admin/overrides/bulk/", {**fields, "confirm": "1"}).status_code == 422
    assert positions.last_sequence() == 4
    answer = client.post("/admin/overrides/bulk/", {**fields, "confirm": "1", "reason": "over"})
    assert answer.url == "/admin/overrides/?count=2&saved=6"


def test_copy__to_symbols__writes_each(login: Login) -> None:
    write(parameters={"top_levels": 7})
    client = login("trader")
    assert client.post(f"{ON_BTC}/copy/", {"symbols": "ETH/USDT", "reason": "why"}).status_code == 422
    assert client.post(f"{ON_BTC}/copy/", {"symbols": "ethusdt, SOLUSDT", "reason": "why"}).status_code == 302
    assert own("ETHUSDT") == own("SOLUSDT") == {"top_levels": 7}


def test_copy__before_it__names_whose_own_values_go(login: Login) -> None:
    write(parameters={"top_levels": 7})
    client = login("trader")
    assert "No other symbol has own values yet." in client.get(f"{ON_BTC}/copy/").content.decode()
    write(symbol="ETHUSDT", parameters={"sell_threshold": 0.7})
    assert "ETHUSDT has own values: a copy replaces them all." in client.get(f"{ON_BTC}/copy/").content.decode()


def test_explain__symbol__names_the_layer_that_won(login: Login) -> None:
    write(symbol=None, parameters={"top_levels": 8, "buy_threshold": 2.0})
    write(parameters={"top_levels": 7})
    values = login("viewer").get(f"{ON_BTC}/explain/").context["found"].values
    assert {value.spec.name: (value.value, value.source) for value in values[:3]} == {
        "top_levels": (7, "symbol"),
        "buy_threshold": (2.0, "global"),
        "sell_threshold": (0.8, "default"),
    }


def test_compare__symbols__marks_what_differs(login: Login) -> None:
    write(parameters={"top_levels": 7})
    page = login("viewer").get("/admin/compare/?symbols=btcusdt+ETHUSDT&different=1&parameter=top_levels")
    cells = page.context["groups"][0]["rows"][0]["cells"]
    assert cells == [
        {"symbol": BTC, "value": 7, "differs": True},
        {"symbol": "ETHUSDT", "value": 5, "differs": False},
    ]
    assert len(page.context["groups"]) == 1


def test_import__plan_then_reason__is_applied_as_import(login: Login) -> None:
    client = login("trader")
    text = "strategies: {orderbook_skew: {parameters: {top_levels: 9}}}"
    shown = upload(client, text)
    assert "<strong>1 to create</strong> · not applied yet" in shown.content.decode()
    plan = shown.context["plan"]
    assert client.post("/admin/transfer/apply/", {"fingerprint": plan.fingerprint}).status_code == 422
    fields = {"fingerprint": plan.fingerprint, "reason": "release"}
    assert client.post("/admin/transfer/apply/", fields).url == "/admin/transfer/?saved=1"
    row = ConfigAudit.objects.get()
    assert (row.channel, row.changed_by, row.reason, own(None)) == ("import", "trader", "release", {"top_levels": 9})
    assert client.post("/admin/transfer/apply/", fields).url == "/admin/transfer/"
    exported = client.get("/admin/transfer/export.yaml?strategy=orderbook_skew").content.decode()
    assert not upload(client, exported).context["plan"].changes


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("strategies: {orderbook_skew: {parameters: {top_levels: 99}}, ticker_velocity: {parameters: {}}}", 422),
        ("strategies: {orderbook_skew: {enabled: false}}", 422),
    ],
)
def test_import__refused_line_or_switch_of_a_trader__applies_nothing(login: Login, text: str, status: int) -> None:
    client = login("trader")
    page = upload(client, text)
    assert page.context["plan"].refusals
    fields = {"fingerprint": page.context["plan"].fingerprint, "reason": "why"}
    assert client.post("/admin/transfer/apply/", fields).status_code == status
    assert positions.last_sequence() == 0


def test_import__a_layer_that_is_off__is_switched_on_only_where_the_box_is_ticked(login: Login) -> None:
    switches.switch(strategy_id="orderbook_skew", enabled=False, origin=OriginFactory())
    client = login("operator")
    text = "strategies: {orderbook_skew: {enabled: true}}"
    kept_off = upload(client, text)
    assert not kept_off.context["plan"].changes
    assert 'id="kept-off"' in kept_off.content.decode()
    marked = upload(client, text, allow_enable="1")
    assert "<strong>Switches on:</strong>" in marked.content.decode()
    fields = {"fingerprint": marked.context["plan"].fingerprint, "reason": "release"}
    assert client.post("/admin/transfer/apply/", fields).status_code == 302
    assert StrategyConfig.objects.get(strategy_id="orderbook_skew").enabled


@pytest.mark.parametrize("text", ["strategies: [", "a: &a 1", "x" * 950_000])
def test_import__unusable_file__is_refused_at_once(login: Login, text: str) -> None:
    answer = upload(login("trader"), text)
    assert (answer.status_code, bool(answer.context["problem"])) == (422, True)


def test_tokens__issued__is_shown_once_and_can_be_revoked(login: Login) -> None:
    client = login("viewer")
    page = client.post("/admin/tokens/", {"name": "bot", "days": "30"})
    plaintext = page.context["plaintext"]
    token = ApiToken.objects.get()
    assert "no-store" in page["Cache-Control"]
    assert plaintext not in client.get("/admin/tokens/").content.decode()
    headers = {"Authorization": f"Bearer {plaintext}"}
    assert Client().get("/api/v1/strategies", headers=headers).status_code == 200
    assert "not revoked yet" in client.post("/admin/tokens/", {"revoke": str(token.pk)}).content.decode()
    assert ApiToken.objects.get().revoked_at is None
    client.post("/admin/tokens/", {"revoke": str(token.pk), "confirm": "1"})
    assert ApiToken.objects.get().revoked_at is not None


def test_tokens__of_somebody_else__cannot_be_revoked(login: Login) -> None:
    token, _ = tokens.issue_token(user=UserFactory(username="other"), name="theirs", days=1, at=timezone.now())
    client = login("admin")
    for confirmed in ({}, {"confirm": "1"}):
        assert client.post("/admin/tokens/", {"revoke": str(token.pk), **confirmed}).status_code == 404
    assert client.post("/admin/tokens/", {"revoke": "nonsense"}).status_code == 404
    assert "theirs" not in client.get("/admin/tokens/").content.decode()
    assert ApiToken.objects.get().revoked_at is None


@pytest.mark.parametrize(("name", "days"), [("", "30"), ("bot", "0"), ("bot", "x"), ("bot", "99999")])
def test_tokens__impossible__says_why(login: Login, name: str, days: str) -> None:
    answer = login("viewer").post("/admin/tokens/", {"name": name, "days": days})
    assert (answer.status_code, ApiToken.objects.count()) == (422, 0)


def test_users__admin_who_is_no_superuser__makes_none(login: Login) -> None:
    client = login("admin")
    victim = UserFactory(username="victim")
    boss = UserFactory(username="boss", is_superuser=True, is_staff=True)
    fields = {"username": "victim", "is_superuser": "on", "is_active": "on", "date_joined_0": "2024-01-01"}
    client.post(f"/admin/auth/user/{victim.pk}/change/", {**fields, "date_joined_1": "00:00:00"})
    assert not User.objects.get(pk=victim.pk).is_superuser
    assert client.post(f"/admin/auth/user/{boss.pk}/change/", fields).status_code == 403
    assert client.post(f"/admin/auth/user/{boss.pk}/password/", {}).status_code == 403
    assert client.post(f"/admin/auth/user/{boss.pk}/delete/", {"post": "yes"}).status_code == 403


def test_users__times__have_their_instant_in_utc(login: Login) -> None:
    client = login("admin")
    person = User.objects.get(username="admin")
    for path in ("/admin/auth/user/", f"/admin/auth/user/{person.pk}/change/"):
        html = client.get(path).content.decode()
        assert re.search(r'<time class="when"[^>]* title="[\d-]+ [\d:.]+ UTC">', html), path
    assert html.count('<time class="when"') == 2


def test_help__every_parameter__is_on_its_strategys_page(login: Login) -> None:
    client = login("viewer")
    for strategy in STRATEGIES.values():
        page = client.get(f"/admin/help/{strategy.id}/").content.decode().replace("<wbr>", "")
        for spec in strategy.specs():
            assert f'id="{spec.name}"' in page
            assert spec.environment[0] in page
    assert client.get("/admin/help/nonsense/").status_code == 404


@pytest.mark.parametrize("template", ["403.html", "403_csrf.html", "404.html", "500.html"])
def test_error_page__without_a_request_or_a_store__can_be_shown(template: str) -> None:
    assert "<h1>" in render_to_string(template)


def test_dashboard__something_off__names_it_first(login: Login) -> None:
    switches.switch(strategy_id=SKEW, enabled=False, origin=OriginFactory())
    answer = poll_document.document(NOON)["answer"]
    assert answer.startswith("6 of 8 strategies on, off: Order Book Skew, On-Chain Metrics · ")


def test_dashboard__answer_newer_than_the_heartbeat__counts(login: Login, cache: CacheUnderTest) -> None:
    write(parameters={"top_levels": 7})
    beat(cache, sequence=0)
    found = poll_document.document(NOON)
    assert "change 1 applied by 0 of 1 runtimes" in found["answer"]
    assert found["runtimes"][0]["applied"] == "nothing yet, 1 behind"
    ack(cache, 1)
    found = poll_document.document(NOON)
    assert "change 1 applied by 1 of 1 runtimes" in found["answer"]
    assert found["runtimes"][0]["applied"] == "change 1"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-172_799, "1 d ago"),
        (-3_599, "59 min ago"),
        (0.4, "now"),
        (40, "in 40 s"),
        (14_395, "in 4 h"),
        (14_280, "in 3 h 58 min"),
        (86_400, "in 1 d"),
        (7_775_999, "in 90 d"),
        (97_200, "in 1 d 3 h"),
    ],
)
def test_relative__what_lies_ahead__is_not_cut_short(seconds: float, text: str) -> None:
    assert relative(NOON + timedelta(seconds=seconds), NOON) == text


def test_scope__switched_off_symbol_that_no_runtime_trades__is_counted_as_neither(login: Login) -> None:
    write("switch", symbol="DOGEUSDT", enabled=False)
    write("switch", enabled=False)
    overview = overviews.strategy_overview(SKEW, NOON)
    beats = [msgspec.structs.replace(BEAT, symbols=[BTC, "ETHUSDT"])]
    assert strategy_cards.scope(overview, beats) == f"for 1 of 2 symbols, off for {BTC} · off and not traded: DOGEUSDT"
    assert strategy_cards.scope(overview, []) == f"for all symbols except {BTC}, DOGEUSDT"

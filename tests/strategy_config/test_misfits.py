"""Stored values that no longer fit: what holds, what is said, what the history says, and the way out."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from strategy_config.accounts import tokens
from strategy_config.history import verification
from strategy_config.models import ConfigAudit, SymbolOverride
from strategy_config.resolution import entity_tags
from strategy_config.selectors import misfits, stored_layers
from strategy_config.services import imports
from strategy_config.tasks import periodic
from strategy_core.strategies.base import parameter
from strategy_core.strategies.orderbook_skew import OrderbookSkew
from strategy_core.strategies.registry import STRATEGIES
from tests import catalogues
from tests.factories import NOON, UserFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_services import BTC, SKEW, own, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
PAGE = f"/admin/strategies/{SKEW}/"


class Narrower(OrderbookSkew.parameters):
    """The parameters of a version in which only 10 levels are allowed."""

    top_levels: int = parameter(5, group="trigger", description="Levels.", unit="levels", minimum=1, maximum=10)


@pytest.fixture
def narrowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of the version before, then the upgrade."""
    write(symbol=None, parameters={"top_levels": 15, "buy_threshold": 1.4})
    write(symbol="ETHUSDT", parameters={"buy_threshold": 1.7})
    write(symbol=BTC, parameters={"top_levels": 12, "buy_threshold": 1.5})
    catalogues.run_version(monkeypatch, catalogues.changed(OrderbookSkew, Narrower))


def config(symbol: str | None = None) -> Any:
    return stored_layers.layer_config(strategy_id=SKEW, symbol=symbol, at=NOON)


def values(symbol: str | None = None) -> tuple[int, float]:
    found = config(symbol).parameters
    return found["top_levels"], found["buy_threshold"]


@pytest.mark.usefixtures("narrowed")
def test_narrowed_range__only_the_value_outside_is_left_out() -> None:
    assert [values(), values("ETHUSDT"), values(BTC)] == [(5, 1.4), (5, 1.7), (5, 1.5)]
    assert config().sources["top_levels"] == "refused"
    assert [(each.layer, each.value) for each in config(BTC).refused] == [("global", 15), ("symbol", 12)]
    assert config("ETHUSDT").own == {"buy_threshold": 1.7}


@pytest.mark.usefixtures("narrowed")
@pytest.mark.parametrize("symbol", [None, "ETHUSDT", BTC])
def test_merge__over_a_value_that_does_not_fit__takes_effect_and_warns(symbol: str | None) -> None:
    written = write("merge_layer", symbol=symbol, parameters={"buy_threshold": 1.9})
    assert values(symbol) == (5, 1.9)
    assert any("top_levels" in warning and "not in force" in warning for warning in written.warnings)
    assert (own(symbol) or {}).get("top_levels") == {None: 15, "ETHUSDT": None, BTC: 12}[symbol]


@pytest.mark.usefixtures("narrowed")
def test_merge__repairs_or_drops_the_value__is_in_force() -> None:
    assert write("merge_layer", symbol=None, parameters={"top_levels": 8}).warnings == ()
    write("merge_layer", symbol=BTC, parameters={"top_levels": None})
    assert [values(), values(BTC)] == [(8, 1.4), (8, 1.5)]


@pytest.mark.usefixtures("narrowed")
def test_reconcile__after_an_upgrade__writes_one_version_each_and_once(cache: CacheUnderTest) -> None:
    assert periodic.reconcile() == "done"
    assert periodic.reconcile() == "done"
    rows = list(ConfigAudit.objects.filter(changed_by="catalogue").order_by("position"))
    assert [(row.symbol, row.action, row.channel, row.version) for row in rows] == [
        ("", "UPDATE", "schedule", 2),
        (BTC, "UPDATE", "schedule", 2),
    ]
    assert rows[0].changes == [{"parameter": "top_levels", "old": 15, "new": 5}]
    assert "top_levels 15 must be between 1 and 10" in rows[0].reason
    assert own(None) == {"top_levels": 15, "buy_threshold": 1.4}
    assert cache.document(SKEW).config.refused[0].value == 15
    assert cache.sequence() == 5
    assert verification.verify().bad is None


@pytest.mark.usefixtures("narrowed")
def test_reconcile__rolled_back__says_that_it_is_in_force_again(monkeypatch: pytest.MonkeyPatch) -> None:
    periodic.reconcile()
    write("merge_layer", symbol=BTC, parameters={"top_levels": 7})
    catalogues.run_version(monkeypatch, STRATEGIES)
    periodic.reconcile()
    assert values() == (15, 1.4)
    last = ConfigAudit.objects.filter(changed_by="catalogue").order_by("-position")[0]
    assert (last.symbol, last.changes) == ("", [{"parameter": "top_levels", "old": None, "new": 15}])
    periodic.reconcile()
    assert ConfigAudit.objects.filter(changed_by="catalogue").count() == 3
    catalogues.run_version(monkeypatch, catalogues.changed(OrderbookSkew, Narrower))
    periodic.reconcile()
    assert ConfigAudit.objects.filter(changed_by="catalogue").count() == 4


@pytest.mark.usefixtures("narrowed")
def test_roll_back__after_the_upgrade_s_own_row__goes_to_before_the_last_change_of_somebody() -> None:
    periodic.reconcile()
    write("merge_layer", symbol=None, parameters={"top_levels": 8})
    write("merge_layer", symbol="ETHUSDT", parameters={"buy_threshold": 1.8})
    write("roll_back", symbol="ETHUSDT")
    assert values("ETHUSDT") == (8, 1.7)


@pytest.mark.usefixtures("narrowed")
def test_check_catalogue__lists_what_does_not_fit(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("check_catalogue", "--json")
    assert refusal.value.returncode == 1
    report = json.loads(capsys.readouterr().out)
    assert [(each["symbol"], each["parameter"], each["value"], each["in_force"]) for each in report["refused"]] == [
        (None, "top_levels", 15, 5),
        (BTC, "top_levels", 12, 5),
    ]
    with pytest.raises(CommandError):
        call_command("check_catalogue")
    assert "top_levels 15 must be between 1 and 10" in capsys.readouterr().out
    SymbolOverride.objects.update(parameters=None)
    write("merge_layer", symbol=None, parameters={"top_levels": 8})
    call_command("check_catalogue")
    assert "Everything fits" in capsys.readouterr().out


@pytest.mark.usefixtures("narrowed")
def test_ready_info_and_metrics__name_what_is_not_in_force() -> None:
    client = Client()
    for answer in (
        client.get("/ready").json()["configuration"],
        client.get("/info").json()["configuration"]["config"]["misfits"],
    ):
        assert (answer["status"], answer["refused_count"]) == ("warning", 2)
        assert answer["refused"][0] == {
            "strategy_id": SKEW,
            "symbol": None,
            "parameter": "top_levels",
            "layer": "global",
        }
    assert b"configsite_refused_values 2.0" in client.get("/metrics").content


@pytest.mark.usefixtures("narrowed")
def test_api__read_and_change__warn_and_name_the_value() -> None:
    _, secret = tokens.issue_token(user=UserFactory(groups=["operator"]), name="t", days=1, at=timezone.now())
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    url = f"/api/v1/strategies/{SKEW}/config/ETHUSDT"
    read = client.get(url).json()
    assert read["data"]["refused"][0]["value"] == 15
    assert "top_levels" in read["metadata"]["warnings"][0]
    changed = client.patch(
        url,
        {"parameters": {"buy_threshold": 1.9}, "changed_by": "ann", "reason": "why"},
        content_type="application/json",
    ).json()
    assert changed["success"]
    assert changed["data"]["parameters"]["buy_threshold"] == 1.9
    assert "top_levels" in changed["metadata"]["warnings"][0]


@pytest.mark.usefixtures("narrowed")
def test_layer_page__shows_the_value_and_drops_it_in_one_press() -> None:
    client = Client()
    client.force_login(UserFactory(username="admin", groups=("admin",), is_staff=True))
    page = client.get(PAGE).content.decode()
    assert "top_levels 15 must be between 1 and 10" in page
    assert "2 stored but invalid, so not in force" in client.get("/admin/").content.decode()
    assert "top_levels 12 must be between" in client.get(f"{PAGE}symbols/{BTC}/explain/").content.decode()
    state = stored_layers.layer_config(strategy_id=SKEW, at=NOON)
    fields = {"base": entity_tags.etag(state), "base_sequence": state.sequence}
    changed = {
        **fields,
        "was-buy_threshold": "1.4",
        "p-buy_threshold": "1.6",
        "was-top_levels": "15",
        "p-top_levels": "15",
    }
    assert client.post(PAGE, {**changed, "step": "save", "reason": "why"}).status_code == 302
    assert own(None) == {"top_levels": 15, "buy_threshold": 1.6}
    fields = {"base": entity_tags.etag(config()), "base_sequence": config().sequence, "drop_refused": "1"}
    review = client.post(PAGE, fields)
    assert (review.status_code, b'name="drop_refused"' in review.content) == (200, True)
    assert client.post(PAGE, {**fields, "step": "save", "reason": "why"}).status_code == 302
    assert own(None) == {"buy_threshold": 1.6}
    for path in (
        f"{PAGE}explain/",
        f"{PAGE}symbols/{BTC}/explain/",
        f"{PAGE}symbols/{BTC}/",
        "/admin/compare/",
        "/admin/",
    ):
        assert client.get(path).status_code == 200


@pytest.mark.usefixtures("narrowed")
def test_export_and_import__of_values_that_do_not_fit__change_nothing() -> None:
    exported = imports.export_configuration(at=NOON)
    plan = imports.plan_import(content=exported.encode(), at=NOON)
    assert (plan.changes, plan.refusals) == ((), ())


def test_renamed_parameter__stored_under_its_former_name__is_in_force_and_written_under_the_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(symbol=None, parameters={"top_levels": 8, "buy_threshold": 1.4})
    renamed = type(
        "RenamedParameters",
        (OrderbookSkew.parameters,),
        {
            "__annotations__": {"levels": int},
            "levels": parameter(5, group="trigger", description="Levels.", minimum=1, maximum=20),
        },
    )
    catalogues.run_version(monkeypatch, catalogues.changed(OrderbookSkew, renamed, renamed={"top_levels": "levels"}))
    assert misfits.find(NOON).is_empty
    assert (config().parameters["levels"], config().own) == (8, {"levels": 8, "buy_threshold": 1.4})
    write("merge_layer", symbol=None, parameters={"buy_threshold": 1.5})
    assert own(None) == {"levels": 8, "buy_threshold": 1.5}

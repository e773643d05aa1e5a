"""The pages while a strategy is in the store and not in the code, and the reverse."""

import pytest
from django.conf import settings
from django.test import Client

from strategy_config.history import positions
from strategy_config.models import StrategyConfig
from strategy_config.services import layers
from tests import catalogues
from tests.admin.test_layer_pages import Login
from tests.factories import OriginFactory
from tests.strategy_config.test_services import BTC, SKEW

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
GONE = "iceberg_detector"
PAGES = (
    "/admin/",
    "/admin/live.json",
    "/admin/switch-all/",
    "/admin/overrides/",
    "/admin/compare/",
    "/admin/history/",
    "/admin/signals/",
    "/admin/market/",
    "/admin/transfer/",
    f"/admin/strategies/{SKEW}/",
    "/info",
    "/ready",
)


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> None:
    layers.set_layer(
        strategy_id=GONE, symbol=BTC, parameters={"min_refill_count": 4}, origin=OriginFactory(changed_by="bob")
    )
    layers.set_layer(strategy_id=GONE, parameters={"min_refill_count": 5}, origin=OriginFactory())
    catalogues.run_version(monkeypatch, catalogues.without(GONE))


def shown(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


@pytest.mark.usefixtures("removed")
def test_pages__a_strategy_was_removed__are_all_there_and_say_so(login: Login) -> None:
    client = login("admin")
    pages = {path: shown(client, path) for path in PAGES}
    for path in ("/admin/", "/admin/switch-all/", "/admin/overrides/", "/admin/history/"):
        assert "no longer in the code" in pages[path].lower(), path
    shown(client, f"/admin/strategies/{GONE}/versions/")
    shown(client, f"/admin/history/?strategy={GONE}")
    assert client.get(f"/admin/strategies/{GONE}/").status_code == 404


@pytest.mark.usefixtures("removed")
def test_kill_switch__of_a_removed_strategy__stops_it(login: Login) -> None:
    client = login("operator")
    page = f"/admin/strategies/{GONE}/switch/"
    assert "but not switched on" in shown(client, page)
    answer = client.post(page, {"to": "off", "reason": "why"})
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/?saved={positions.last_sequence()}")
    assert StrategyConfig.objects.get(strategy_id=GONE).enabled is False
    assert "now</button>" not in shown(client, page)
    assert client.post(page, {"to": "on", "reason": "why"}).status_code == 404


@pytest.mark.usefixtures("removed")
def test_bulk__switch_off_a_removed_strategy_s_override__is_done(login: Login) -> None:
    answer = login("operator").post(
        "/admin/overrides/bulk/", {"action": "disable", "key": f"{GONE}:{BTC}", "confirm": "1", "reason": "why"}
    )
    assert answer.status_code == 302
    assert positions.last_sequence() == 3


def test_pages__a_strategy_has_no_row_yet__are_all_there(login: Login) -> None:
    StrategyConfig.objects.filter(strategy_id=SKEW).delete()
    client = login("admin")
    for path in PAGES:
        shown(client, path)

"""A deadline for the work of one request: it names the limit, changes nothing, and holds no stop."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, RequestFactory

from configsite.work_limit import WorkLimit
from strategy_config.history import verification
from strategy_config.models import ConfigAudit
from strategy_config.resolution import work_limit
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.resolution.work_limit import TooMuchWorkError
from strategy_config.selectors import overviews, stored_layers
from strategy_config.services import imports, overrides, switches
from tests.factories import NOON, OriginFactory
from tests.strategy_config.test_services import BTC, SKEW, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
FILE = b"strategies: {orderbook_skew: {symbols: {ETHUSDT: {parameters: {top_levels: 9}}}}}"
KEYS = [LayerKey(SKEW, BTC)]
WORK: dict[str, Callable[[], Any]] = {
    "plan": lambda: imports.plan_import(content=FILE, at=NOON),
    "import": lambda: imports.apply_import(content=FILE, origin=OriginFactory()),
    "export": lambda: imports.export_configuration(at=NOON),
    "history": lambda: verification.verify(),
    "list": lambda: overviews.strategy_overviews(NOON),
    "copy": lambda: overrides.copy_override(
        strategy_id=SKEW, symbol=BTC, to_symbols=["ETHUSDT"], origin=OriginFactory()
    ),
    "enable many": lambda: switches.switch_overrides(keys=KEYS, enabled=True, origin=OriginFactory()),
    "delete many": lambda: overrides.delete_overrides(keys=KEYS, origin=OriginFactory()),
}


@pytest.mark.parametrize("name", WORK)
def test_work__past_its_limit__is_refused_by_name_and_changes_nothing(name: str) -> None:
    write(symbol=BTC, parameters={"top_levels": 7})
    rows = ConfigAudit.objects.count()
    with work_limit.limited(-1.0), pytest.raises(TooMuchWorkError, match="longer than 20 s, the limit for one request"):
        WORK[name]()
    assert ConfigAudit.objects.count() == rows
    assert stored_layers.layer_config(strategy_id=SKEW, symbol=BTC, at=NOON).own == {"top_levels": 7}


def test_stop__of_many__is_not_limited() -> None:
    write(symbol=BTC, parameters={"top_levels": 7})
    with work_limit.limited(-1.0):
        assert not switches.switch_overrides(keys=KEYS, enabled=False, origin=OriginFactory()).failures
    assert not stored_layers.layer_config(strategy_id=SKEW, symbol=BTC, at=NOON).enabled


def test_commit__within_the_limit__is_answered_whatever_comes_after() -> None:
    with work_limit.limited(-1.0):
        write(symbol=BTC, parameters={"top_levels": 7})
        work_limit.check()


@pytest.mark.parametrize(
    ("method", "path", "is_limited"),
    [
        ("get", "/admin/transfer/plan/", True),
        ("post", "/api/v1/strategies/orderbook_skew/config", True),
        ("post", "/api/v1/strategies/orderbook_skew/disable", False),
        ("post", "/api/v1/halt", False),
    ],
)
def test_request__of_each_kind__is_limited_unless_it_stops(
    method: str, path: str, is_limited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_limit, "LONGEST_SECONDS", -1.0)
    seen: list[bool] = []

    def view(request: object) -> HttpResponse:
        try:
            work_limit.check()
        except TooMuchWorkError:
            seen.append(True)
        else:
            seen.append(False)
        return HttpResponse()

    WorkLimit(view)(getattr(RequestFactory(), method)(path))
    assert seen == [is_limited]
    work_limit.check()


def test_page__past_its_limit__says_so(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    write(symbol=BTC, parameters={"top_levels": 7})
    monkeypatch.setattr(work_limit, "LONGEST_SECONDS", -1.0)
    answer = admin_client.get("/admin/transfer/export.yaml")
    assert answer.status_code == 400
    assert b"the limit for one request" in answer.content

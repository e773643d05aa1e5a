"""The kill switches of the admin while what their pages show cannot be read, and while the store takes no writes."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import chain, halt_rows
from strategy_config.selectors import known_halts, overviews, stored_layers
from strategy_config.tasks import periodic
from strategy_core.configuration.halts import EVERYTHING, Scope
from tests.factories import NOON
from tests.strategy_config.conftest import CacheUnderTest, cache
from tests.strategy_config.test_services import BTC, SKEW

__all__ = ["cache"]  # a fixture of the neighbours
pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
STOPS: dict[str, tuple[str, dict[str, str], Scope]] = {
    "all": ("/admin/switch-all/", {"confirmation": "ALL OFF"}, EVERYTHING),
    "one": (f"/admin/strategies/{SKEW}/symbols/{BTC}/switch/", {"to": "off"}, Scope(strategy_id=SKEW, symbol=BTC)),
}


@pytest.mark.parametrize("stop", STOPS)
def test_stop__what_the_page_shows_cannot_be_read__stands(
    login: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    def fails(*args: object) -> None:
        raise RuntimeError("a damaged row")

    for name in ("strategy_overview", "strategy_overviews"):
        monkeypatch.setattr(overviews, name, fails)
    path, body, _ = STOPS[stop]
    assert login("operator").post(path, body).status_code == 302
    is_on = stored_layers.layer_config(strategy_id=SKEW, symbol=BTC, at=NOON).enabled
    assert known_halts.open_halts() or not is_on


@pytest.mark.parametrize("stop", STOPS)
def test_stop__store_takes_no_writes__is_told_over_redis_said_and_stored_later(
    login: Callable[[str], Client], cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    client = login("operator")

    def away(change: object) -> Any:
        raise StoreUnavailableError("The store cannot be reached right now.")

    path, body, scope = STOPS[stop]
    with monkeypatch.context() as patch:
        patch.setattr(chain, "write", away)
        answer = client.post(path, body)
    assert answer.status_code == 202
    assert f"Halted: {scope}" in answer.content.decode()
    assert cache.client.xlen(cache.keys.told_halts) == 1
    assert periodic.reconcile() == "done"
    assert [halt_rows.scope_of(row) for row in known_halts.open_halts()] == [scope]

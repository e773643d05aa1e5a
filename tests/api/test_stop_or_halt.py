"""A stop that cannot be stored as it was asked for is a halt of the same; who has no name ends none."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from strategy_config.accounts import tokens
from strategy_config.history import halt_rows
from strategy_config.selectors import known_halts
from strategy_config.services.open_layer import OpenLayer
from strategy_core.configuration.halts import Scope
from tests.factories import UserFactory
from tests.live_site import LiveSite

SKEW = "orderbook_skew"
BASE = f"/api/v1/strategies/{SKEW}"
STOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "switch": (f"{BASE}/disable?symbol=BTCUSDT", {}),
    "among parameters": (f"{BASE}/config/BTCUSDT", {"parameters": {"enabled": False, "top_levels": 3}}),
    "with a refused rest": (f"{BASE}/config/BTCUSDT", {"parameters": {"enabled": False}, "colour": "red"}),
}


@pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
@pytest.mark.parametrize("stop", STOPS)
def test_stop__of_a_layer_that_cannot_be_written__is_a_halt_of_the_same(
    monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    def failing(layer: OpenLayer, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a damaged row")

    monkeypatch.setattr(OpenLayer, "record", failing)
    _, secret = tokens.issue_token(user=UserFactory(groups=["operator"]), name="t", days=1, at=timezone.now())
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    path, body = STOPS[stop]
    answer = client.post(path, {"changed_by": "ann", "reason": "why", **body}, content_type="application/json")
    assert (answer.status_code, answer.json()["metadata"]["action"]) == (200, "HALT")
    assert [halt_rows.scope_of(row) for row in known_halts.open_halts()] == [Scope(strategy_id=SKEW, symbol="BTCUSDT")]


def test_resume__by_nobody__is_refused_even_where_nobody_may_write(live_site: Callable[..., LiveSite]) -> None:
    site = live_site(environment={"API_ANONYMOUS": "write"})
    halted = site.post("/api/v1/halt", {"scope": {"symbol": "BTCUSDT"}}, token=None)
    assert halted.status_code == 200
    body = {"ids": [halted.json()["data"]["id"]], "reason": "why"}
    assert site.post("/api/v1/resume", body, token=None).status_code == 401
    assert site.get("/api/v1/halts", token=None).json()["data"] == [halted.json()["data"]]
    assert site.post("/api/v1/resume", body, token=site.tokens["operator"]).status_code == 200

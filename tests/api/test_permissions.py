"""Who may do what: every group at every endpoint, anonymous clients in every mode, tokens and sessions that end."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from embedded.servers import Valkey
from tests.live_site import LiveSite

BODY = {"parameters": {}, "changed_by": "jane"}
SWITCH = {"changed_by": "jane", "reason": "test"}
READERS = {"viewer", "trader", "operator", "admin"}
TRADERS = {"trader", "operator", "admin"}
OPERATORS = {"operator", "admin"}
BASE = "/api/v1/strategies/spread_liquidity"

ENDPOINTS: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "/api/v1/strategies", None, READERS),
    ("GET", f"{BASE}/schema", None, READERS),
    ("GET", f"{BASE}/defaults", None, READERS),
    ("GET", f"{BASE}/config", None, READERS),
    ("GET", f"{BASE}/config/BTCUSDT", None, READERS),
    ("GET", f"{BASE}/audit", None, READERS),
    ("GET", "/api/v1/runtimes", None, READERS),
    ("GET", "/api/v1/config/changes", None, READERS),
    ("GET", "/api/v1/signals", None, READERS),
    ("GET", "/api/v1/metrics/depth/BTCUSDT", None, READERS),
    ("GET", "/api/v1/metrics/pressure/BTCUSDT", None, READERS),
    ("GET", "/api/v1/metrics/summary", None, READERS),
    ("GET", "/api/v1/metrics/all", None, READERS),
    ("POST", "/api/v1/config/validate", {"strategy_id": "spread_liquidity", "parameters": {}}, READERS),
    ("POST", f"{BASE}/config", BODY, TRADERS),
    ("PATCH", f"{BASE}/config", BODY, TRADERS),
    ("DELETE", f"{BASE}/config?changed_by=jane", None, TRADERS),
    ("POST", f"{BASE}/config/BTCUSDT", BODY, TRADERS),
    ("PATCH", f"{BASE}/config/BTCUSDT", BODY, TRADERS),
    ("DELETE", f"{BASE}/config/BTCUSDT?changed_by=jane", None, TRADERS),
    ("POST", f"{BASE}/rollback", {"changed_by": "jane"}, TRADERS),
    ("POST", f"{BASE}/restore", {"changed_by": "jane"}, TRADERS),
    ("POST", f"{BASE}/enable", SWITCH, OPERATORS),
    ("POST", f"{BASE}/disable", SWITCH, OPERATORS),
    ("POST", "/api/v1/strategies/cache/refresh", None, OPERATORS),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"), ENDPOINTS, ids=[f"{method} {path}" for method, path, _, _ in ENDPOINTS]
)
@pytest.mark.parametrize("user", ["nobody", "viewer", "trader", "operator", "admin", None])
def test_endpoint__for_each_group__allowed_or_refused(
    site: LiveSite, method: str, path: str, body: Any, allowed: set[str], user: str | None
) -> None:
    response = site.request(method, path, json=body, token=site.tokens[user] if user else None)
    if user is None:
        assert response.status_code == 401
    elif user in allowed:
        assert response.status_code in {200, 404}
    else:
        assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize(("mode", "reading", "writing"), [("none", 401, 401), ("read", 200, 401), ("write", 200, 200)])
def test_anonymous__in_each_mode__reads_and_writes_as_set(
    live_site: Callable[..., LiveSite], mode: str, reading: int, writing: int
) -> None:
    site = live_site(environment={"API_ANONYMOUS": mode})
    for _ in range(2):
        assert site.get(f"{BASE}/config", token=None).status_code == reading
    assert site.get("/api/v1/strategies", token=None).status_code == reading
    written = site.post(f"{BASE}/config", BODY, token=None)
    assert written.status_code == writing
    assert site.get(f"{BASE}/config", token="rts_wrong").status_code == 401
    if writing == 200:
        (row,) = site.get(f"{BASE}/audit", token=None).json()["data"]
        assert (row["actor"], row["changed_by"]) == ("anonymous", "jane")


def test_actor__of_a_token__is_recorded_beside_the_claim(site: LiveSite, config_url: str, symbol: str) -> None:
    site.post(config_url, BODY, token=site.tokens["trader"])
    (row,) = site.get(f"/api/v1/strategies/orderbook_skew/audit?symbol={symbol}").json()["data"]
    assert (row["actor"], row["changed_by"], row["channel"]) == ("trader", "jane", "api")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "rts_x", "Bearer é"])
def test_authorization__of_another_form__401(site: LiveSite, header: str) -> None:
    response = httpx.get(f"{site.url}{BASE}/config", headers={"Authorization": header.encode("latin-1")}, timeout=30)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "UNAUTHENTICATED")


_REVOKE = """
import django, sys
django.setup()
from django.utils import timezone
from strategy_config import services
from strategy_config.models import ApiToken
token = ApiToken.objects.get(user__username="viewer")
services.revoke_token(token=token, at=timezone.now())
"""
_EXPIRE = """
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from strategy_config.models import ApiToken
token = ApiToken.objects.get(user__username="operator")
token.expires_at = timezone.now() - timedelta(seconds=1)
token.save()
"""
_LEAVE_GROUP = """
import django
django.setup()
from django.contrib.auth.models import User
User.objects.get(username="trader").groups.clear()
"""
_DEACTIVATE = """
import django
django.setup()
from django.contrib.auth.models import User
user = User.objects.get(username="admin")
user.is_active = False
user.save()
"""


@pytest.fixture(scope="module")
def two_workers(
    prepared_site: LiveSite, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    """A site of two worker processes, where each user's rights end once."""
    site = LiveSite(
        tmp_path_factory.mktemp("two-workers"),
        redis_url=valkey.url,
        prefix=f"two-{uuid.uuid4().hex[:8]}",
        workers=2,
        prepared=(prepared_site.store, prepared_site.tokens),
    )
    yield site.start()
    site.stop()


@pytest.mark.parametrize(
    ("script", "user", "status"),
    [(_REVOKE, "viewer", 401), (_EXPIRE, "operator", 401), (_DEACTIVATE, "admin", 401), (_LEAVE_GROUP, "trader", 403)],
    ids=["revoked", "expired", "deactivated", "left the group"],
)
def test_token__ended_elsewhere__refused_at_the_next_request_of_every_worker(
    two_workers: LiveSite, script: str, user: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {two_workers.tokens[user]}"}
    clients = [httpx.Client(base_url=two_workers.url, headers=headers, timeout=30) for _ in range(8)]
    urls = (f"{BASE}/config", "/api/v1/strategies")
    for _ in range(3):
        assert {client.get(url).status_code for client in clients for url in urls} == {200}
    two_workers.run_script(script)
    assert {client.get(url).status_code for client in clients for url in urls} == {status}


def test_admin_session__reads__and_writes_with_csrf_token_only(site: LiveSite, config_url: str, symbol: str) -> None:
    client = site.log_in("admin")
    assert client.get(config_url).status_code == 200
    refused = client.post(config_url, json=BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
    accepted = client.post(config_url, json=BODY, headers={"X-CSRFToken": client.cookies["csrftoken"]})
    assert (accepted.status_code, accepted.json()["success"]) == (200, True)
    (row,) = site.get(f"/api/v1/strategies/orderbook_skew/audit?symbol={symbol}").json()["data"]
    assert row["actor"] == "admin"


def test_session__of_nobody__401(site: LiveSite, config_url: str) -> None:
    assert httpx.get(site.url + config_url, cookies={"sessionid": "x" * 32}, timeout=30).status_code == 401

"""Who may do what: every group at every endpoint, anonymous clients in every mode, tokens and sessions that end."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.live_site import LiveSite
from tests.plain_http import NO_ROOTS

BODY = {"parameters": {"lookback_ticks": 21}, "changed_by": "jane"}
SKEW_BODY = {"parameters": {"top_levels": 6}, "changed_by": "jane"}
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
    ("PUT", f"{BASE}/config", BODY, TRADERS),
    ("PATCH", f"{BASE}/config", BODY, TRADERS),
    ("DELETE", f"{BASE}/config?changed_by=jane", None, TRADERS),
    ("POST", f"{BASE}/config/BTCUSDT", BODY, TRADERS),
    ("PATCH", f"{BASE}/config/BTCUSDT", BODY, TRADERS),
    ("DELETE", f"{BASE}/config/BTCUSDT?changed_by=jane", None, TRADERS),
    ("POST", f"{BASE}/rollback", {"changed_by": "jane"}, TRADERS),
    ("POST", f"{BASE}/restore", {"changed_by": "jane"}, TRADERS),
    ("POST", f"{BASE}/enable", SWITCH, OPERATORS),
    ("POST", f"{BASE}/disable", SWITCH, TRADERS),
    ("GET", "/api/v1/halts", None, READERS),
    ("POST", "/api/v1/halt", {"scope": {"symbol": "PERMISSIONS"}}, TRADERS),
    ("POST", "/api/v1/resume", {"scope": {"symbol": "PERMISSIONS"}, "reason": "test"}, OPERATORS),
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
    site.post(config_url, SKEW_BODY, token=site.tokens["trader"])
    (row,) = site.get(f"/api/v1/strategies/orderbook_skew/audit?symbol={symbol}").json()["data"]
    assert (row["actor"], row["changed_by"], row["channel"]) == ("trader", "jane", "api")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "rts_x", "Bearer é"])
def test_authorization__of_another_form__401(site: LiveSite, header: str) -> None:
    authorization = {"Authorization": header.encode("latin-1")}
    response = httpx.get(f"{site.url}{BASE}/config", headers=authorization, timeout=30, verify=NO_ROOTS)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "UNAUTHENTICATED")


_END_RIGHTS = """
import django
django.setup()
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from strategy_config.accounts import tokens
from strategy_config.models import ApiToken
tokens.revoke_token(token=ApiToken.objects.get(user__username="viewer"), at=timezone.now())
token = ApiToken.objects.get(user__username="operator")
token.expires_at = timezone.now() - timedelta(seconds=1)
token.save()
user = User.objects.get(username="admin")
user.is_active = False
user.save()
User.objects.get(username="trader").groups.clear()
"""
ENDED = {"viewer": 401, "operator": 401, "admin": 401, "trader": 403}


def test_tokens__revoked_expired_or_of_users_who_lost_their_rights__refused_at_the_next_request_of_every_worker(
    live_site: Callable[..., LiveSite],
) -> None:
    site = live_site(workers=2)

    def statuses(user: str) -> set[int]:
        return {
            client.get(url).status_code for client in clients[user] for url in (f"{BASE}/config", "/api/v1/strategies")
        }

    with ExitStack() as stack:
        clients = {user: [stack.enter_context(_client(site, user)) for _ in range(8)] for user in ENDED}
        for _ in range(3):
            assert {user: statuses(user) for user in ENDED} == dict.fromkeys(ENDED, {200})
        site.run_script(_END_RIGHTS)
        assert {user: statuses(user) for user in ENDED} == {user: {status} for user, status in ENDED.items()}


def _client(site: LiveSite, user: str) -> httpx.Client:
    authorization = {"Authorization": f"Bearer {site.tokens[user]}"}
    return httpx.Client(base_url=site.url, headers=authorization, timeout=30, verify=NO_ROOTS)


def test_admin_session__reads__and_writes_with_csrf_token_only(site: LiveSite, config_url: str, symbol: str) -> None:
    client = site.log_in("admin")
    assert client.get(config_url).status_code == 200
    refused = client.post(config_url, json=SKEW_BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
    accepted = client.post(config_url, json=SKEW_BODY, headers={"X-CSRFToken": client.cookies["csrftoken"]})
    assert (accepted.status_code, accepted.json()["success"]) == (200, True)
    (row,) = site.get(f"/api/v1/strategies/orderbook_skew/audit?symbol={symbol}").json()["data"]
    assert row["actor"] == "admin"


def test_session__of_nobody__401(site: LiveSite, config_url: str) -> None:
    response = httpx.get(site.url + config_url, cookies={"sessionid": "x" * 32}, timeout=30, verify=NO_ROOTS)
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("granted", "reading", "stopping", "changing"),
    [
        ("read@127.0.0.0/8", 200, 401, 401),
        ("stop@127.0.0.1", 401, 200, 401),
        ("read@10.0.0.0/8, stop@10.1.0.0/16, write@2001:db8::/32", 401, 401, 401),
        ("read, stop@127.0.0.0/8", 200, 200, 401),
        ("write@127.0.0.0/8", 200, 200, 200),
    ],
)
def test_anonymous__by_network_and_kind__may_what_is_granted(
    live_site: Callable[..., LiveSite], granted: str, reading: int, stopping: int, changing: int
) -> None:
    site = live_site(environment={"API_ANONYMOUS": granted})
    stop = {"parameters": {"enabled": False}}
    assert site.get(f"{BASE}/config", token=None).status_code == reading
    assert site.get("/api/v1/strategies", token=None).status_code == reading
    assert site.post(f"{BASE}/disable", token=None).status_code == stopping
    assert site.post(f"{BASE}/config/BTCUSDT", stop, token=None).status_code == stopping
    assert site.post(f"{BASE}/config", BODY, token=None).status_code == changing
    beside = site.post(f"{BASE}/config/ETHUSDT", {"parameters": {"enabled": False, "lookback_ticks": 22}}, token=None)
    assert beside.status_code == stopping
    if stopping == 200:
        assert beside.json()["success"] is (changing == 200)
        assert beside.json()["metadata"]["stopped"]


def test_token__in_a_header_of_the_setting__is_one(live_site: Callable[..., LiveSite]) -> None:
    site = live_site(environment={"API_TOKEN_HEADERS": "X-Petrosa-Internal-Token, X-Api-Key"})
    for header in ("X-Petrosa-Internal-Token", "X-Api-Key"):
        for value in (site.tokens["trader"], f"Bearer {site.tokens['trader']}"):
            for _ in range(2):
                assert site.get(f"{BASE}/config", token=None, headers={header: value}).status_code == 200
            assert site.post(f"{BASE}/config", BODY, token=None, headers={header: value}).status_code == 200
        assert site.get(f"{BASE}/config", token=None, headers={header: "rts_wrong"}).status_code == 401
    other = site.get(f"{BASE}/config", token=None, headers={"X-Other": site.tokens["trader"]})
    assert other.status_code == 401

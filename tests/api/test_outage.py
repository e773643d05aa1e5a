"""Redis away, the store away: what still works, and what says that it does not."""

from pathlib import Path

import httpx

from embedded.mongo import MongoWireServer
from embedded.servers import Valkey
from strategy_config.api.resources.layers import models as layers_models
from tests.live_site import LiveSite
from tests.plain_http import NO_ROOTS
from tests.waiting import until

CONFIG = "/api/v1/strategies/orderbook_skew/config"
BODY = {"parameters": {"top_levels": 10}, "changed_by": "jane"}


def test_redis_away__reads_and_writes_go_on_degraded(site_of_own_redis: LiveSite, own_valkey: Valkey) -> None:
    site = site_of_own_redis
    # A first request that met a Redis still starting has its breaker open for a moment.
    until(lambda: site.post(f"{CONFIG}?force=true", BODY).json()["metadata"]["published"])
    until(lambda: site.get(CONFIG).json()["metadata"]["cache_hit"])
    own_valkey.stop()
    read = layers_models.ConfigRead.model_validate_json(site.get(CONFIG).content)
    assert (read.metadata.cache_hit, read.metadata.degraded) == (False, True)
    written = site.post(f"{CONFIG}?wait_for_runtimes=5000", {**BODY, "parameters": {"top_levels": 3}}, timeout=5).json()
    assert (written["success"], written["metadata"]["published"], written["metadata"]["runtimes"]) == (True, False, [])
    assert site.get(CONFIG).json()["data"]["parameters"]["top_levels"] == 3
    assert site.get("/api/v1/runtimes").json()["metadata"]["degraded"] is True
    ready = site.get("/ready")
    assert (ready.status_code, ready.json()["status"], ready.json()["redis"]["status"]) == (
        200,
        "degraded",
        "unavailable",
    )
    refresh = site.post("/api/v1/strategies/cache/refresh")
    assert (refresh.status_code, int(refresh.headers["Retry-After"]) > 0) == (503, True)


def test_redis_frozen__answers_within_its_timeouts(site_of_own_redis: LiveSite, own_valkey: Valkey) -> None:
    site = site_of_own_redis
    site.post(CONFIG, BODY)
    own_valkey.pause()
    try:
        for _ in range(5):
            assert site.get(CONFIG, timeout=5).json()["metadata"]["degraded"] is True
        assert site.post(CONFIG, BODY, timeout=5).json()["metadata"]["published"] is False
    finally:
        own_valkey.resume()


def test_redis_back_empty__first_reads_fill_it(site_of_own_redis: LiveSite, own_valkey: Valkey) -> None:
    site = site_of_own_redis
    site.post(f"{CONFIG}/BTCUSDT", BODY)
    own_valkey.stop()
    own_valkey.start()
    found: list[int] = []

    def is_hit() -> bool:
        read = site.get(f"{CONFIG}/BTCUSDT").json()
        found.append(read["data"]["parameters"]["top_levels"])
        return bool(read["metadata"]["cache_hit"])

    until(is_hit)
    assert set(found) == {10}


def test_token_revoked_while_redis_is_away__refused(site_of_own_redis: LiveSite, own_valkey: Valkey) -> None:
    site = site_of_own_redis
    assert site.get(CONFIG, token=site.tokens["viewer"]).status_code == 200
    own_valkey.stop()
    site.run_script(
        "import django; django.setup()\n"
        "from django.utils import timezone\n"
        "from strategy_config.accounts import tokens\n"
        "from strategy_config.models import ApiToken\n"
        "tokens.revoke_token(token=ApiToken.objects.get(user__username='viewer'), at=timezone.now())"
    )
    assert site.get(CONFIG, token=site.tokens["viewer"]).status_code == 401
    own_valkey.start()
    assert site.get(CONFIG, token=site.tokens["viewer"]).status_code == 401


def test_store_away__known_tokens_and_sessions_read__writes_and_history_503(
    valkey: Valkey, redis_prefix: str, tmp_path: Path
) -> None:
    """On MongoDB, which can go away under a running site; one of two tokens was seen before, one session has ended."""
    with MongoWireServer(tmp_path / "mongo") as mongo:
        store = {"MONGODB_URI": mongo.url, "MONGODB_DATABASE": "away", "MONGODB_TIMEOUT_MS": "1000"}
        site = LiveSite(tmp_path / "site", redis_url=valkey.url, prefix=redis_prefix, environment=store).start()
        expiring = {**BODY, "expires_at": "2099-01-01T00:00:00Z"}
        assert site.post(f"{CONFIG}/EXPIRING", expiring).json()["success"]
        stayed, left = site.log_in("admin"), site.log_in("admin")
        assert left.get(CONFIG).status_code == 200
        cookies = dict(left.cookies)
        left.post("/admin/logout/", data={"csrfmiddlewaretoken": cookies["csrftoken"]}, headers={"Referer": site.url})
        for _ in range(2):
            assert site.get(CONFIG).json()["success"]
            assert stayed.get(CONFIG).status_code == 200
        assert site.get("/ready").json()["status"] == "ready"
    try:
        assert site.get(CONFIG).json()["metadata"]["cache_hit"] is True
        assert site.get(f"{CONFIG}/NEVERSET").status_code == 200
        assert site.get(f"{CONFIG}/EXPIRING").json()["data"]["parameters"]["top_levels"] == 10
        assert stayed.get(CONFIG).status_code == 200
        assert httpx.get(site.url + CONFIG, cookies=cookies, timeout=30, verify=NO_ROOTS).status_code in {401, 503}
        for response in (
            site.post(CONFIG, BODY),
            site.get("/api/v1/strategies/orderbook_skew/audit"),
            site.get(CONFIG, token=site.tokens["viewer"]),
        ):
            assert (response.status_code, response.json()["error"]["code"]) == (503, "STORE_UNAVAILABLE")
            assert int(response.headers["Retry-After"]) > 0
            assert str(mongo.port) not in response.text
        ready = site.get("/ready")
        assert (ready.status_code, ready.json()["store"]["status"]) == (200, "unavailable")
    finally:
        site.stop()

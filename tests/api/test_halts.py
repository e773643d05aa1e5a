"""Halting and resuming over the API: who may, what is answered, and what still works without the database."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import redis

from embedded.mongo import MongoWireServer
from embedded.servers import NatsServer, Valkey
from strategy_config.api.resources.halts import models as halts_models
from strategy_config.api.resources.layers import models as layers_models
from strategy_core.configuration import redis_keys
from tests.live_site import LiveSite
from tests.runtime.conftest import Environ, RunningApp, environ, running_app
from tests.runtime.market import is_listening
from tests.waiting import until

__all__ = ["environ", "running_app"]  # fixtures of the runtime's tests
CONFIG = "/api/v1/strategies/orderbook_skew/config"
DISABLE = "/api/v1/strategies/orderbook_skew/disable"
WHY = {"changed_by": "jane", "reason": "test"}


def halt(site: LiveSite, **body: Any) -> halts_models.Halted:
    response = site.post("/api/v1/halt", body, token=site.tokens["trader"])
    assert response.status_code == 200
    return halts_models.Halted.model_validate_json(response.content)


def test_halt_and_resume__of_a_symbol__list_exactly_that(site: LiveSite, symbol: str) -> None:
    answer = halt(site, scope={"symbol": symbol.lower()}, reason="odd books", changed_by="jane")
    assert (answer.data.scope.symbol, answer.data.by, answer.data.reason) == (symbol, "jane", "odd books")
    assert (answer.metadata.recorded, answer.metadata.published) == (True, True)
    listed = halts_models.HaltList.model_validate_json(site.get("/api/v1/halts").content)
    assert answer.data in listed.data
    (change,) = site.get(f"/api/v1/config/changes?since={(answer.metadata.sequence or 0) - 1}&limit=1").json()["data"]
    assert (change["action"], change["symbol"], change["halt_id"]) == ("HALT", symbol, answer.data.id)
    body = {"ids": [answer.data.id], "reason": "books are fine"}
    resumed = halts_models.Resumed.model_validate_json(site.post("/api/v1/resume", body).content)
    assert [each.id for each in resumed.data.ended] == [answer.data.id]
    again = site.post("/api/v1/resume", body)
    assert (again.status_code, again.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_halt__without_anything__halts_everything_in_the_callers_name(site: LiveSite) -> None:
    answer = halt(site)
    assert (answer.data.scope.strategy_id, answer.data.scope.symbol) == (None, None)
    assert (answer.data.by, answer.data.channel) == ("trader", "api")
    site.post("/api/v1/resume", {"scope": {}, "reason": "test"})


def test_halt__asked_for_twice_under_one_id__is_one_halt_and_never_halts_after_its_resume(
    site: LiveSite, symbol: str
) -> None:
    body = {"id": str(uuid.uuid4()), "scope": {"symbol": symbol}}
    assert halt(site, **body).metadata.sequence == halt(site, **body).metadata.sequence
    site.post("/api/v1/resume", {"ids": [body["id"]], "reason": "test"})
    refused = site.post("/api/v1/halt", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_REQUEST")


def test_halt__with_texts_that_are_too_long_or_no_texts__stands(site: LiveSite, symbol: str) -> None:
    answer = halt(site, scope={"symbol": symbol}, reason="x" * 5_000, changed_by=7)
    assert len(answer.data.reason) == 1_000
    assert answer.data.by == "trader"


@pytest.mark.parametrize(
    "scope", [{"strategy": "orderbook_skew"}, {"strategy_id": ""}, {"symbol": "BTC-USDT"}, "everything", []]
)
def test_halt__whose_scope_is_misspelt__is_refused_by_name(site: LiveSite, scope: Any) -> None:
    assert site.post("/api/v1/halt", {"scope": scope}).status_code == 400


@pytest.fixture
def lost(valkey: Valkey, redis_prefix: str, tmp_path: Path, nats_server: NatsServer, environ: Environ) -> Any:
    """A site whose store went away after the trader and a session of the admin were seen."""
    with MongoWireServer(tmp_path / "mongo") as mongo:
        environment = {
            "MONGODB_URI": mongo.url,
            "MONGODB_DATABASE": "away",
            "MONGODB_TIMEOUT_MS": "1000",
            "NATS_URL": nats_server.url,
            "HALT_SECRET": "a secret for tests alone",
        }
        site = LiveSite(tmp_path / "site", redis_url=valkey.url, prefix=redis_prefix, environment=environment).start()
        try:
            for _ in range(2):
                assert site.get(CONFIG, token=site.tokens["trader"]).json()["success"]
                assert site.get(CONFIG, token=site.tokens["operator"]).json()["success"]
            mongo.stop()
            yield site, mongo
        finally:
            site.stop()


async def test_stops__while_the_database_is_away__reach_the_runtime_and_are_recorded_later(
    lost: tuple[LiveSite, MongoWireServer],
    environ: Environ,
    valkey: Valkey,
    nats_server: NatsServer,
    redis_prefix: str,
    running_app: RunningApp,
) -> None:
    site, mongo = lost
    variables = environ | {
        "REDIS_URL": valkey.url,
        "NATS_URL": nats_server.url,
        "HALT_SECRET": "a secret for tests alone",
    }
    async with running_app(variables) as app:
        await is_listening(app)
        stops = {
            "/api/v1/halt": {"scope": {"symbol": "ETHUSDT"}, **WHY},
            f"{DISABLE}?symbol=BTCUSDT": WHY,
            f"{CONFIG}/SOLUSDT": {"parameters": {"enabled": False, "top_levels": 3}, **WHY},
        }
        for path, body in stops.items():
            response = await asyncio.to_thread(site.post, path, body, token=site.tokens["operator"])
            assert response.status_code == 202, response.text
            answer = halts_models.Halted.model_validate_json(response.content)
            assert (answer.metadata.recorded, answer.metadata.sequence) == (False, None)
            assert answer.metadata.told_over == ["redis", "nats"]
            assert app.runtime.halting.halts.holds(answer.data.id)
        assert app.runtime.halting.halts.is_halted("orderbook_skew", "BTCUSDT")
        assert not app.runtime.halting.halts.is_halted("trade_momentum", "BTCUSDT")
        for user, status in (("viewer", 503), ("nobody", 503), (None, 401)):
            token = site.tokens[user] if user else None
            refused = await asyncio.to_thread(site.post, "/api/v1/halt", WHY, token=token)
            assert refused.status_code == status
        resume = {"scope": {}, **WHY}
        refused = await asyncio.to_thread(site.post, "/api/v1/resume", resume, token=site.tokens["operator"])
        assert refused.status_code == 503
        assert len(app.runtime.halting.halts.held) == len(stops)
    mongo.start()
    until(lambda: site.get("/ready").json()["status"] == "ready")
    site.run_script(
        "import django; django.setup()\n"
        "from strategy_config.tasks import periodic\nassert periodic.reconcile() == 'done'"
    )
    listed = halts_models.HaltList.model_validate_json(site.get("/api/v1/halts").content).data
    assert {(each.scope.strategy_id, each.scope.symbol, each.by) for each in listed} == {
        (None, "ETHUSDT", "jane"),
        ("orderbook_skew", "BTCUSDT", "jane"),
        ("orderbook_skew", "SOLUSDT", "jane"),
    }
    with redis.Redis.from_url(valkey.url) as client:
        assert client.hlen(redis_keys.Keys(redis_prefix).halts) == len(stops)
    assert layers_models.ConfigRead.model_validate_json(site.get(CONFIG).content).data.enabled


def test_halt__while_database_and_redis_are_away__says_what_to_do(tmp_path: Path, redis_prefix: str) -> None:
    with MongoWireServer(tmp_path / "mongo") as mongo, Valkey(tmp_path / "valkey") as own:
        store = {"MONGODB_URI": mongo.url, "MONGODB_DATABASE": "away", "MONGODB_TIMEOUT_MS": "1000"}
        site = LiveSite(tmp_path / "site", redis_url=own.url, prefix=redis_prefix, environment=store).start()
        for _ in range(2):
            assert site.get(CONFIG).json()["success"]
        own.stop()
    try:
        response = site.post("/api/v1/halt", WHY)
        assert response.status_code == 503
        assert "POST /halt" in json.loads(response.content)["error"]["message"]
    finally:
        site.stop()

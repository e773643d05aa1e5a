"""The store killed, hanging, and gone together with Redis, under a running site that nobody restarts."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx
import pytest

from embedded.mongo import MongoWireServer
from embedded.servers import Valkey
from tests.faults.conftest import PREFIX, SKEW
from tests.live_site import LiveSite
from tests.plain_http import NO_ROOTS
from tests.waiting import until

TIMEOUT_SECONDS = 2.0
AUDIT = "/api/v1/strategies/orderbook_skew/audit"
WRITE = {"parameters": {"top_levels": 9}, "changed_by": "faults", "reason": "never"}
LOG_IN = """
import django
django.setup()
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
user, session = User.objects.get(username="admin"), SessionStore()
session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session.create()
print(session.session_key)
"""


@dataclass
class Stored:
    """A site whose store and Redis can be taken away. ``session`` is the cookie of a logged-in admin."""

    site: LiveSite
    mongo: MongoWireServer
    valkey: Valkey
    session: dict[str, str]

    def write(self, number: int) -> httpx.Response:
        body = {"parameters": {"top_levels": 3}, "changed_by": "faults", "reason": f"write {number}"}
        return self.site.post(f"{SKEW}?force=true", body)

    def heal(self) -> None:
        """Start what is away, and wait until the site has noticed by itself."""
        self.mongo.start()
        self.valkey.start()
        until(lambda: self.site.get("/ready").json()["status"] == "ready")
        until(lambda: self.site.get(SKEW).json()["metadata"]["degraded"] is False)

    def history(self) -> list[str]:
        """The reasons of all accepted changes, oldest first."""
        rows = self.site.get(AUDIT, params={"limit": 1000}).json()["data"]
        return [row["reason"] for row in reversed(rows)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """On MongoDB: a file cannot go away under a site, nor hang."""
    directory = tmp_path_factory.mktemp("stored")
    with MongoWireServer(directory / "mongo") as mongo, Valkey(directory / "valkey") as valkey:
        store = {
            "MONGODB_URI": mongo.url,
            "MONGODB_DATABASE": "faults",
            "MONGODB_TIMEOUT_MS": str(int(TIMEOUT_SECONDS * 1000)),
        }
        site = LiveSite(directory / "site", redis_url=valkey.url, prefix=PREFIX, environment=store).start()
        try:
            yield Stored(site, mongo, valkey, {"sessionid": site.run_script(LOG_IN).strip()})
        finally:
            site.stop()


@pytest.fixture(autouse=True)
def _healed(stored: Stored) -> Iterator[None]:
    stored.heal()
    yield
    stored.heal()


def test_store__killed_while_writing__what_was_answered_is_there_and_nothing_else(stored: Stored) -> None:
    before = stored.history()
    answered, refused, unknown = [], [], []
    for number in range(200):
        killer = threading.Thread(target=stored.mongo.kill)
        if number in {40, 90, 140}:
            killer.start()
        response = stored.write(number)
        if response.status_code == 200:
            answered.append(f"write {number}")
        elif "lost while it committed" in response.json()["error"]["message"]:
            unknown.append(f"write {number}")
        else:
            assert (response.status_code, response.json()["error"]["code"]) == (503, "STORE_UNAVAILABLE")
            refused.append(f"write {number}")
        if number in {40, 90, 140}:
            killer.join()
        if number in {45, 95, 145}:
            stored.heal()
    written = stored.history()[len(before) :]
    assert len(refused) >= 3 * 4
    assert len(unknown) <= 3
    assert [reason for reason in written if reason not in unknown] == answered
    # Raises where the chain does not hold.
    stored.site.run_script(
        "import django; django.setup(); from django.core.management import call_command; call_command('verify_audit')"
    )


def test_store__hanging__known_callers_read_within_a_second(stored: Stored) -> None:
    stored.write(1)
    with httpx.Client(base_url=stored.site.url, cookies=stored.session, timeout=30, verify=NO_ROOTS) as browser:
        assert browser.get(SKEW).status_code == 200
        readers = [partial(stored.site.get, SKEW, timeout=1.0), partial(browser.get, SKEW, timeout=1.0)] * 10
        stored.mongo.pause()
        try:
            with ThreadPoolExecutor(len(readers)) as pool:
                for _ in range(2):
                    answers = [future.result() for future in [pool.submit(read) for read in readers]]
                    assert {answer.status_code for answer in answers} == {200}
            until(lambda: stored.site.get(SKEW).json()["metadata"]["degraded"])
            assert browser.get(SKEW).json()["metadata"]["degraded"] is True
        finally:
            stored.mongo.resume()


def test_store__hanging__writes_and_history_are_refused_in_time_and_leave_nothing(stored: Stored) -> None:
    before = stored.history()
    patience = TIMEOUT_SECONDS + 1
    stored.mongo.pause()
    try:
        with ThreadPoolExecutor(12) as pool:
            writes = [pool.submit(partial(stored.site.post, timeout=patience), SKEW, WRITE) for _ in range(12)]
        for response in (
            *(future.result() for future in writes),
            stored.site.get(AUDIT, timeout=patience),
            stored.site.get(SKEW, token="unknown", timeout=patience),
        ):
            assert (response.status_code, response.json()["error"]["code"]) == (503, "STORE_UNAVAILABLE")
            assert int(response.headers["Retry-After"]) > 0
        ready = stored.site.get("/ready", timeout=patience)
        assert (ready.status_code, ready.json()["store"]["status"]) == (200, "unavailable")
        listed = stored.site.get("/api/v1/strategies", timeout=patience).json()
        assert (len(listed["data"]), listed["metadata"]["degraded"]) == (8, True)
        for path in ("schema", "defaults"):
            assert stored.site.get(f"/api/v1/strategies/orderbook_skew/{path}").status_code == 200
        admin = httpx.get(f"{stored.site.url}/admin/", cookies=stored.session, timeout=patience, verify=NO_ROOTS)
        assert (admin.status_code, admin.headers["Retry-After"]) == (503, "2")
    finally:
        stored.mongo.resume()
    until(lambda: stored.write(2).status_code == 200)
    assert stored.history() == [*before, "write 2"]


def test_store__killed_together_with_redis__known_callers_read_environment_and_defaults(stored: Stored) -> None:
    stored.write(4)
    defaults = stored.site.get("/api/v1/strategies/orderbook_skew/defaults").json()["data"]
    stored.mongo.kill()
    stored.valkey.kill()
    for path in (SKEW, f"{SKEW}/BTCUSDT"):
        body = stored.site.get(path, timeout=10).json()
        assert (body["data"]["parameters"], body["data"]["source"]) == (defaults, "default")
        assert (body["data"]["version"], body["metadata"]["degraded"]) == (0, True)
    assert stored.site.get("/ready").status_code == 503
    assert stored.site.get("/api/v1/strategies").status_code == 503
    assert stored.site.get(SKEW, token=stored.site.tokens["viewer"]).status_code == 503
    stored.heal()
    assert stored.site.get(SKEW).json()["data"]["parameters"]["top_levels"] == 3

"""The whole product for a browser: web, Valkey, nats-server, two runtimes and the simulated feed."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import redis

from embedded.servers import NatsServer, Valkey, die_with_parent, free_port
from strategy_core.configuration import redis_keys
from strategy_core.strategies.registry import STRATEGIES
from tests.clean_environment import clean_environment
from tests.conftest import PROJECT_ROOT
from tests.live_site import LiveSite

START_SECONDS = 90.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.5
RUNTIMES = 2
SIGNALS_LOOKED_AT = 500
_MAKE_STAFF = """
import django
django.setup()
from django.contrib.auth.models import Group, User
User.objects.exclude(username="nobody").update(is_staff=True)
second = User.objects.create_user("trader2", password="trader2", is_staff=True)
second.groups.set(Group.objects.filter(name="trader"))
"""


class Stack:
    """A running product. Every user's password is the user's name."""

    def __init__(self, directory: Path, valkey: Valkey, nats: NatsServer, prepared: LiveSite) -> None:
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self._sessions: dict[str, str] = {}
        self._redis = redis.Redis.from_url(valkey.url)
        self._environ = clean_environment() | {
            "REDIS_URL": valkey.url,
            "REDIS_KEY_PREFIX": "e2e",
            "NATS_URL": nats.url,
            "LOG_LEVEL": "WARNING",
            "HEARTBEAT_INTERVAL_SECONDS": "1",
            "STRATEGY_ENABLED_ONCHAIN_METRICS": "true",
        }
        self.site = LiveSite(
            directory / "site",
            redis_url=valkey.url,
            prefix="e2e",
            prepared=(prepared.store, prepared.tokens),
            environment={
                "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
                "STRATEGY_ENABLED_ONCHAIN_METRICS": "true",
                "RATE_LIMIT_WRITES_PER_SECOND": "0",
            },
        )

    @property
    def url(self) -> str:
        return self.site.url

    def start(self, stack: ExitStack) -> "Stack":
        """Return when every runtime has reported and market data reaches them."""
        stack.callback(self._stop)
        self.site.run_script(_MAKE_STAFF)
        self.site.start()
        stack.callback(self.site.stop)
        self.site.post("/api/v1/strategies/cache/refresh")
        for number in range(RUNTIMES):
            port = str(free_port())
            snapshot = str(self._directory / f"snapshot-{number}.json")
            names = {"HEALTH_CHECK_PORT": port, "CONFIG_SNAPSHOT_PATH": snapshot, "HOSTNAME": f"runtime-{number}"}
            shares = {"RUNTIME_REPLICAS": str(RUNTIMES), "RUNTIME_ORDINAL": str(number)}
            self._spawn(f"runtime-{number}", ["-m", "realtime_runtime", "run"], names | shares)
        self._spawn("feed", ["-m", "realtime_runtime", "feed", "simulate"], {})
        self.until(lambda: len(self.runtimes()) == RUNTIMES and all(each["symbols"] for each in self.runtimes()))
        return self

    def session_of(self, user: str) -> str:
        """The session of a user who has logged in, once for all tests."""
        if user not in self._sessions:
            with closing(self.site.log_in(user)) as client:
                self._sessions[user] = client.cookies["sessionid"]
        return self._sessions[user]

    def get(self, path: str) -> Any:
        """The data of an answer of the API, as admin."""
        return self.site.get(path).json()["data"]

    def runtimes(self) -> list[dict[str, Any]]:
        """The runtimes that are alive."""
        found: list[dict[str, Any]] = self.get("/api/v1/runtimes")
        return found

    def runtimes_current(self) -> list[dict[str, Any]]:
        """The runtimes, once each has reported that it is at the last change; until then none."""
        latest = max(each["sequence"] for each in self.changes())
        found = self.runtimes()
        return found if all(each["sequence"] >= latest for each in found) else []

    def changes(self) -> list[dict[str, Any]]:
        """The last change of every strategy."""
        rows = (self.get(f"/api/v1/strategies/{strategy_id}/audit?limit=1") for strategy_id in STRATEGIES)
        return [row for page in rows for row in page]

    def signals(
        self, strategy_id: str, *, version: int | None = None, symbol: str | None = None, symbol_version: int = 0
    ) -> list[dict[str, Any]]:
        """The latest signals that the strategy has decided under this version of its global layer (None: any).

        With ``symbol``: on that symbol, under this version of its own layer.
        """
        entries: Any = self._redis.xrevrange(redis_keys.Keys("e2e").signals, count=SIGNALS_LOOKED_AT)
        found = [json.loads(fields[redis_keys.STREAM_FIELD.encode()]) for _, fields in entries]
        return [
            signal
            for signal in found
            if signal["strategy_id"] == strategy_id
            and version in {None, signal["metadata"]["config"]["global_version"]}
            and (symbol is None or _is_under(signal, symbol, symbol_version))
        ]

    def until(self, condition: Callable[[], Any]) -> Any:
        """The first true answer; fails with the processes' logs after a while without one."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if answer := condition():
                    return answer
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, self.logs()
            time.sleep(POLL_SECONDS)

    def logs(self) -> str:
        """The last words of every process."""
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in self._directory.rglob("*.log"))

    def _spawn(self, name: str, arguments: list[str], environ: dict[str, str]) -> None:
        with (self._directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=PROJECT_ROOT,
                env=self._environ | environ,
                preexec_fn=die_with_parent,
            )
        self._processes.append(process)

    def _stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_under(signal: dict[str, Any], symbol: str, symbol_version: int) -> bool:
    return bool(signal["symbol"] == symbol and signal["metadata"]["config"]["symbol_version"] == symbol_version)

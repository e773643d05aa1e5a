"""Secrets that are planted in every variable: none comes out of web, worker, runtime or feed, whatever goes wrong."""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured

from embedded.servers import HOST, NatsServer, Server, Valkey, die_with_parent, free_port
from realtime_runtime.command_line import main
from tests.conftest import PROJECT_ROOT
from tests.live_site import LiveSite
from tests.plain_http import NO_ROOTS
from tests.settings_reader import read_settings
from tests.waiting import until

SECRET = "pl4nt3d"
KEY = f"{SECRET}-secret-key-of-the-site"
CONFIG = "/api/v1/strategies/orderbook_skew/config"
PAGES = ["/info", "/ready", "/healthz", "/metrics", "/api/schema/", "/docs", "/redoc", "/admin/login/", CONFIG]
PAGES += ["/nowhere", "/api/v1/nowhere", "/api/v1/strategies", "/api/v1/runtimes", f"{CONFIG}/B%00D"]
RUNTIME_PAGES = ["/info", "/ready", "/healthz", "/metrics", "/nowhere"]


def planted(server: Server, name: str) -> str:
    """The server's URL with a password in it, a made-up user's."""
    return server.url.replace("://", f"://{name}:{SECRET}-of-{name}@")


@pytest.fixture
def guarded_valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(
        tmp_path / "valkey", arguments=("--user", "redis", "on", f">{SECRET}-of-redis", "~*", "&*", "+@all")
    ) as it:
        yield it


@pytest.fixture
def guarded_nats(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats", arguments=("--user", "nats", "--pass", f"{SECRET}-of-nats")) as it:
        yield it


@pytest.fixture
def variables(guarded_valkey: Valkey, guarded_nats: NatsServer) -> dict[str, str]:
    """The environment with a secret wherever one fits."""
    return {
        "SECRET_KEY": KEY,
        "REDIS_URL": planted(guarded_valkey, "redis"),
        "NATS_URL": planted(guarded_nats, "nats"),
        "CONFLICT_CHECK_URLS": f"risk=http://risk:{SECRET}-of-risk@127.0.0.1:1/check",
        "LOG_LEVEL": "DEBUG",
        "HEALTH_CHECK_PORT": str(free_port()),
        "HEARTBEAT_INTERVAL_SECONDS": "0.2",
    }


class Processes:
    """Processes of the product whose whole output is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, environment: dict[str, str], *command: str) -> Path:
        log_path = self._folder / f"{name}.log"
        with log_path.open("wb") as log:
            self._started.append(
                subprocess.Popen(
                    [sys.executable, "-m", *command],
                    cwd=PROJECT_ROOT,
                    env=environment,
                    stdout=log,
                    stderr=log,
                    preexec_fn=die_with_parent,
                )
            )
        return log_path

    def stop(self) -> None:
        for process in self._started:
            process.terminate()
        for process in self._started:
            process.wait(30)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.stop()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, verify=NO_ROOTS).status_code == 200
    except httpx.TransportError:
        return False


def everything_said(base: str, pages: list[str], headers: dict[str, str]) -> str:
    said = []
    with httpx.Client(base_url=base, headers=headers, timeout=30, verify=NO_ROOTS) as client:
        for page in pages:
            for response in (client.get(page), client.post(page, json={"parameters": None})):
                said.append(f"{response.headers}{response.text}")
    return "".join(said)


def break_file(path: Path) -> None:
    """Make a SQLite file unreadable, also for those who have it open."""
    for part in path.parent.glob(f"{path.name}*"):
        part.unlink()
    path.mkdir()


def test_secrets__planted_everywhere__come_out_nowhere(
    live_site: Callable[..., LiveSite],
    variables: dict[str, str],
    guarded_valkey: Valkey,
    guarded_nats: NatsServer,
    processes: Processes,
    tmp_path: Path,
) -> None:
    site = live_site(environment=variables, redis_url=variables["REDIS_URL"])
    environment = {**os.environ, **site.environment, "CONFIG_SNAPSHOT_PATH": str(tmp_path / "snapshot.json")}
    runtime_url = f"http://{HOST}:{variables['HEALTH_CHECK_PORT']}"
    logs = [
        site.log_path,
        processes.start("runtime", environment, "realtime_runtime", "run"),
        processes.start(
            "worker", environment, "celery", "--app", "configsite", "worker", "--pool", "threads", "-l", "INFO"
        ),
        processes.start("feed", environment, "realtime_runtime", "feed", "simulate"),
    ]
    until(lambda: answers(f"{runtime_url}/ready"), what="the runtime did not start")
    until(lambda: "ready" in logs[2].read_text(), what="the worker did not start")
    bearer = {"Authorization": f"Bearer {site.token}"}
    check = {"strategy_id": "orderbook_skew", "parameters": {"buy_threshold": 1.3}}
    said = [everything_said(site.url, PAGES, bearer), everything_said(runtime_url, RUNTIME_PAGES, {})]
    said.append(site.post("/api/v1/config/validate", check).text)
    for server in (guarded_valkey, guarded_nats):
        server.kill()
    until(lambda: "config.redis_lost" in logs[1].read_text(), what="the runtime did not miss Redis")
    until(lambda: "nats.disconnected" in logs[1].read_text(), what="the runtime did not miss NATS")
    said.append(everything_said(site.url, PAGES, bearer))
    if site.db_path.exists():
        break_file(site.db_path)
    said += [everything_said(site.url, PAGES, bearer), everything_said(runtime_url, RUNTIME_PAGES, {})]
    processes.stop()
    site.stop()
    said += [path.read_text() for path in logs]
    assert "runtime.stopped" in said[-3]
    for text in said:
        found = text.find(SECRET)
        assert found < 0, text[max(0, found - 300) : found + 100]
        assert site.token not in text


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", f"postgresql://u:{SECRET}@127.0.0.1:bad/x"),
        ("DATABASE_URL", f"mysql://u:{SECRET}@127.0.0.1/x"),
        ("MONGODB_URI", f"mongodb://u:{SECRET}@127.0.0.1:bad/x"),
        ("CONFLICT_CHECK_URLS", f"http://risk:{SECRET}@127.0.0.1/"),
    ],
)
def test_settings__with_an_unusable_url__refuse_it_without_showing_it(variable: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=variable) as refusal:
        read_settings("base", {"SECRET_KEY": KEY, variable: value})
    assert SECRET not in "".join(traceback.format_exception(refusal.value))


def test_site__with_an_unusable_redis__stops_without_showing_it(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "configsite.settings.base",
        "SECRET_KEY": KEY,
        "DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite3",
        "REDIS_URL": f"http://u:{SECRET}@127.0.0.1/0",
    }
    ask = "from strategy_config.redis import redis_client\nredis_client.run(lambda c: c.ping())"
    script = f"import django; django.setup()\n{ask}"
    started = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True
    )
    assert started.returncode != 0
    assert SECRET not in started.stdout + started.stderr


@pytest.mark.parametrize("variable", ["REDIS_URL", "NATS_URL"])
def test_runtime__with_an_unusable_url__stops_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], variable: str
) -> None:
    monkeypatch.setenv(variable, f"http://u:{SECRET}@127.0.0.1/0")
    assert main(["run"]) == 2
    said = capfd.readouterr()
    assert said.err.split()[0] == variable
    assert SECRET not in said.out + said.err


_USE_A_STORE_THAT_IS_AWAY = """
import django
django.setup()
from django.core.management import call_command
from django.test import Client
client = Client(raise_request_exception=False, headers={"host": "localhost", "authorization": "Bearer rts_x"})
for path in ("/ready", "/info", "/api/v1/strategies", "/api/v1/strategies/orderbook_skew/audit", "/admin/login/"):
    answer = client.get(path)
    print(answer.status_code, answer.headers, answer.content)
print(client.post("/admin/login/", {"username": "x", "password": "y"}).content)
call_command("reconcile")
"""


@pytest.mark.parametrize(
    "store",
    [
        {"MONGODB_URI": f"mongodb://mongo:{SECRET}@127.0.0.1:1/", "MONGODB_TIMEOUT_MS": "200"},
        {"DATABASE_URL": f"postgresql://pg:{SECRET}@127.0.0.1:1/x"},
    ],
    ids=["mongodb", "postgresql"],
)
def test_site__with_a_store_that_is_away__does_not_show_its_password(store: dict[str, str]) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "configsite.settings.base",
        "SECRET_KEY": KEY,
        "REDIS_URL": f"redis://redis:{SECRET}@127.0.0.1:1/0",
        "LOG_LEVEL": "DEBUG",
        **store,
    }
    used = subprocess.run(
        [sys.executable, "-c", _USE_A_STORE_THAT_IS_AWAY],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "STORE_UNAVAILABLE" in used.stdout, used.stderr[-2000:]
    assert SECRET not in used.stdout + used.stderr

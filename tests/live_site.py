"""The site as it runs: granian worker processes on a free port, a migrated store of its own, a real Valkey.

site = live_site(workers=1)       # fixture of the same name
site.get("/api/v1/strategies")    # as admin; token=None: as nobody, or site.tokens["viewer"]
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from embedded.servers import HOST, die_with_parent, free_port
from tests.plain_http import NO_ROOTS
from tests.site_store import SiteStore

PROJECT_ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120.0
STOP_SECONDS = 15.0
LOGIN = "/admin/login/"
_PREPARE = """
import json, django
django.setup()
from django.core.management import call_command
from django.contrib.auth.models import Group, User
from django.utils import timezone
from strategy_config.accounts.tokens import issue_token
call_command("migrate", verbosity=0)
tokens = {}
for name in ("viewer", "trader", "operator", "admin", "nobody"):
    user = User.objects.create_user(name, password=name, is_staff=name == "admin", is_superuser=name == "admin")
    user.groups.set(Group.objects.filter(name=name))
    tokens[name] = issue_token(user=user, name="test", days=1, at=timezone.now())[1]
print(json.dumps(tokens))
"""


class LiveSite:
    """A running site. ``token`` is the admin's, ``tokens`` are those of all users by name."""

    def __init__(
        self,
        directory: Path,
        *,
        redis_url: str,
        prefix: str,
        workers: int = 1,
        prepared: "tuple[SiteStore, dict[str, str]] | None" = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.redis_url = redis_url
        self.prefix = prefix
        self.store = SiteStore(directory)
        self.db_path = self.store.path
        self.log_path = directory / "site.log"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.live_settings",
            "SECRET_KEY": "of a test",
            **self.store.environment,
            "REDIS_URL": redis_url,
            "REDIS_KEY_PREFIX": prefix,
            "LOG_LEVEL": "WARNING",
            # Counted as in production, and never reached by a test or a measurement that is not about it.
            "RATE_LIMIT_READS_PER_SECOND": "1000000",
            "RATE_LIMIT_WRITES_PER_SECOND": "1000000",
            "RATE_LIMIT_READS_BURST": "1000000",
            "RATE_LIMIT_WRITES_BURST": "1000000",
            **(environment or {}),
        }
        directory.mkdir(parents=True, exist_ok=True)
        if prepared is None:
            self.store.create()
            self.tokens = prepare_database(self.environment)
        else:
            template, self.tokens = prepared
            self.store.copy(template)
        self.token = self.tokens["admin"]
        self._workers = workers
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(base_url=self.url, timeout=60, verify=NO_ROOTS)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process that its workers are children of."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> "LiveSite":
        """Return when every worker has started and /healthz answers."""
        with self.log_path.open("ab") as log:
            begins = log.tell()
            self._process = subprocess.Popen(
                [PROJECT_ROOT / "docker-entrypoint.sh", "web"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=PROJECT_ROOT,
                env=self.environment | self._own(),
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            # Until then a worker would not hear that it is to end, and a test of "every worker" would ask some of them.
            if self.log_path.read_bytes().count(b"Started worker-", begins) >= self._workers and self._answers():
                return self
            time.sleep(0.02)
        log_text = self.log_path.read_text()[-3000:]
        self.stop()
        raise RuntimeError(f"the site did not start:\n{log_text}")

    def _own(self) -> dict[str, str]:
        """What the command of the Procfile reads."""
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "WEB_HOST": HOST,
            "WEB_PORT": str(self.port),
            "WEB_WORKERS": str(self._workers),
        }

    def _answers(self) -> bool:
        """Whether /healthz does; a worker says that it has started a moment before it listens."""
        try:
            return httpx.get(f"{self.url}/healthz", timeout=30, verify=NO_ROOTS).status_code == 200
        except httpx.ConnectError:
            return False

    def stop(self) -> None:
        """End all of its processes."""
        self.client.close()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def wait_until_ready(self) -> None:
        """Return when the site finds its Redis and its store."""
        deadline = time.monotonic() + START_SECONDS
        while (ready := self.get("/ready").json())["status"] != "ready":
            assert time.monotonic() < deadline, ready
            time.sleep(0.02)

    def run_script(self, script: str) -> str:
        """Run Python in a process of the site's own environment: what it prints."""
        return _run_python(script, self.environment)

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """A request as admin, or with ``token`` (None: without credentials)."""
        credentials = {} if token is None else {"Authorization": f"Bearer {token or self.token}"}
        return self.client.request(method, path, headers={**credentials, **(headers or {})}, **options)

    def log_in(self, user: str) -> httpx.Client:
        """A client with the session of a user, who has logged in as a browser does."""
        client = httpx.Client(base_url=self.url, headers={"Referer": self.url}, timeout=60, verify=NO_ROOTS)
        client.get(LOGIN)
        fields = {"username": user, "password": user, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        assert client.post(LOGIN, data=fields).status_code == 302
        return client

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return self.request("POST", path, json=json, **options)


def prepare_database(environment: Mapping[str, str]) -> dict[str, str]:
    """Migrate, and make a user with a token in each group, one in none: the tokens by the user's name."""
    tokens: dict[str, str] = json.loads(_run_python(_PREPARE, environment).splitlines()[-1])
    return tokens


def _run_python(script: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout

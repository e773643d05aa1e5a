"""The containers' commands with the containers' environment, run as processes: no container engine is needed.

The files are those that the Dockerfile copies, the variables those of Kubernetes or Compose; only addresses, ports and
the mounted folders are this machine's. What stays unproved is the image (its base, its user, its read-only root).
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pymongo import MongoClient

from embedded.servers import HOST, NatsServer, Valkey, die_with_parent, free_port
from tests.deploy.dockerfile import image_environment, unpack
from tests.deploy.manifests import WRITABLE, Container, compose_containers, containers
from tests.deploy.test_hardening import RUNTIME_ENDS_WITHIN_SECONDS
from tests.plain_http import NO_ROOTS

SOURCES: dict[str, Callable[[], list[Container]]] = {
    "kubernetes": lambda: containers("production"),
    "compose": compose_containers,
}
PORTS = {"web": "WEB_PORT", "runtime": "HEALTH_CHECK_PORT"}
PATHS = ("/healthz", "/ready", "/metrics", "/info")
START_SECONDS = 90.0
POLL_SECONDS = 0.2


class Stack:
    """The processes of one way to deploy, started one by one and ended together."""

    def __init__(self, source: str, directory: Path, addresses: dict[str, str]) -> None:
        self.containers = {container.name: container for container in SOURCES[source]()}
        self.directory = directory
        self.app = unpack(directory / "app")
        self.ports = {name: free_port() for name in PORTS}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._addresses = addresses
        self._run(["manage", "collectstatic", "--noinput"], {"SECRET_KEY": "x", "DJANGO_SETTINGS_MODULE": BASE})

    def environment(self, name: str) -> dict[str, str]:
        """The container's, with this machine's addresses, ports and folders in it."""
        given = {"POD_IP": HOST, "POD_NAMESPACE": "petrosa-apps", "HOSTNAME": f"realtime-strategies-{name}-0"}
        for key, value in self.containers[name].environment.items():
            given[key] = self._addresses.get(key, value or given.get(key, ""))
        for key in ("POD_IP", "POD_NAMESPACE"):
            given = {variable: value.replace(f"$({key})", given[key]) for variable, value in given.items()}
        port = {PORTS[name]: str(self.ports[name])} if name in PORTS else {}
        return {variable: self.here(value) for variable, value in {**image_environment(), **given, **port}.items()}

    def here(self, text: str) -> str:
        """The text with the container's writable folders replaced by ours."""
        for path in WRITABLE:
            text = text.replace(path, str(self.directory / path.replace("/", "-")[1:]))
        return text

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a container that ends by itself."""
        return self._run(list(self.containers[name].arguments), self.environment(name))

    def start(self, name: str) -> None:
        """Start a container that does not."""
        for path in WRITABLE:
            Path(self.here(path)).mkdir(exist_ok=True)
        with (self.directory / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [self.app / "docker-entrypoint.sh", *self.containers[name].arguments],
                env={**self.environment(name), **_PROGRAMS},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def log(self, name: str) -> str:
        """The end of what the process has written."""
        return (self.directory / f"{name}.log").read_text()[-3000:]

    def get(self, name: str, path: str, **options: Any) -> httpx.Response:
        """As a probe asks: by the pod's address."""
        return httpx.get(f"http://{HOST}:{self.ports[name]}{path}", timeout=10, verify=NO_ROOTS, **options)

    def until_ready(self, name: str) -> None:
        """Wait until /ready answers 200."""
        self.until(name, lambda: self.answers(name, "/ready"))

    def until(self, name: str, is_met: Callable[[], bool]) -> None:
        """Wait; fails where the process has ended or time is up."""
        deadline = time.monotonic() + START_SECONDS
        while not is_met():
            assert self.processes[name].poll() is None, f"{name} has ended:\n{self.log(name)}"
            assert time.monotonic() < deadline, f"{name}:\n{self.log(name)}"
            time.sleep(POLL_SECONDS)

    def answers(self, name: str, path: str) -> bool:
        try:
            return self.get(name, path).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """End what is left, hard."""
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _run(self, arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.app / "docker-entrypoint.sh", *arguments],
            env={**environment, **_PROGRAMS},
            capture_output=True,
            text=True,
            timeout=120,
        )


BASE = "configsite.settings.base"
_PROGRAMS = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(params=SOURCES)
def stack(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    valkey: Valkey,
    fresh_nats: NatsServer,
    mongodb_uri: str,
    redis_prefix: str,
) -> Iterator[Stack]:
    """A deployment of which nothing runs yet, with a store of its own."""
    addresses = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": redis_prefix,
        "REDIS_URL": valkey.url,
        "REDIS_KEY_PREFIX": redis_prefix,
        "NATS_URL": fresh_nats.url,
    }
    stack = Stack(request.param, tmp_path, addresses)
    # Compose leaves the prefix at its default; a shared Valkey cannot.
    for container in stack.containers.values():
        if "REDIS_URL" in container.environment:
            assert isinstance(container.environment, dict)
            container.environment["REDIS_KEY_PREFIX"] = redis_prefix
    yield stack
    stack.stop()
    MongoClient[dict[str, Any]](mongodb_uri).drop_database(redis_prefix)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_stack__started_in_its_order__is_ready_probed_and_ends_in_time(stack: Stack) -> None:
    files = _files(stack.app)
    _migrate(stack)
    for name in ("worker", "relay", "web", "runtime"):
        stack.start(name)
    for name in ("web", "runtime"):
        stack.until_ready(name)
        for path in PATHS:
            assert stack.get(name, path).status_code == 200, (name, path)
    for host in ("petrosa-realtime-strategies", "realtime-strategies-service:8080"):
        assert stack.get("web", "/info", headers={"Host": host}).status_code == 200, host
    stack.until("worker", lambda: all(_exec_probe(stack, command) for command in _worker_checks(stack)))
    for name in ("web", "runtime"):
        for path in _probe_paths(stack.containers[name]):
            assert stack.get(name, path).status_code == 200, (name, path)
    stack.until("relay", lambda: "relay.started" in stack.log("relay"))
    # Degraded at first: what the worker publishes at its start may come after the runtime's own.
    stack.until("runtime", lambda: stack.get("runtime", "/ready").json()["status"] == "ok")
    replica = stack.get("runtime", "/info").json()["runtime"]["replica"]
    assert replica == {"ordinal": 0, "replicas": int(stack.environment("runtime").get("RUNTIME_REPLICAS", "1"))}
    _end(stack)
    assert _files(stack.app) == files, "a read-only root would have failed it"
    assert Path(stack.environment("runtime").get("CONFIG_SNAPSHOT_PATH", "")).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("stack", ["compose"], indirect=True)
def test_feed__of_the_compose_file__reaches_the_runtime(stack: Stack) -> None:
    for name in ("runtime", "feed"):
        stack.start(name)
    stack.until_ready("runtime")
    stack.until("feed", lambda: stack.get("runtime", "/info").json()["runtime"]["counters"]["processed"] > 0)


def _migrate(stack: Stack) -> None:
    """What waits for the migration waits, the migration runs, and runs again, and nothing waits any more."""
    waits = "migrated" in stack.containers
    if waits:
        assert stack.run("migrated").returncode != 0
    for _ in range(2):
        done = stack.run("migrate")
        assert done.returncode == 0, done.stdout + done.stderr
    if waits:
        assert stack.run("migrated").returncode == 0


def _probe_paths(container: Container) -> list[str]:
    """The paths of the container's HTTP probes, and of a health check that asks with a URL."""
    probes = [container.manifest.get(f"{kind}Probe", {}) for kind in ("startup", "liveness", "readiness")]
    paths = [probe["httpGet"]["path"] for probe in probes if "httpGet" in probe]
    words = " ".join(container.manifest.get("healthcheck", {}).get("test", ())).split('"')
    paths += [urlsplit(word).path for word in words if word.startswith("http://")]
    assert paths
    return paths


def _worker_checks(stack: Stack) -> list[list[str]]:
    """The commands that tell whether the worker lives."""
    worker = stack.containers["worker"].manifest
    if "healthcheck" in worker:
        kind, text = worker["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        return [["sh", "-c", text.replace("$$", "$")]]
    return [worker[f"{kind}Probe"]["exec"]["command"] for kind in ("startup", "liveness", "readiness")]


def _exec_probe(stack: Stack, command: list[str]) -> bool:
    done = subprocess.run([stack.here(word) for word in command], env=_PROGRAMS, capture_output=True)
    return done.returncode == 0


def _end(stack: Stack) -> None:
    """SIGTERM to the first process of each container, as an orchestrator does."""
    started = time.monotonic()
    for process in stack.processes.values():
        process.terminate()
    for name, process in stack.processes.items():
        process.wait(20)
        assert process.returncode in {0, -signal.SIGTERM}, f"{name}: {process.returncode}\n{stack.log(name)}"
    assert stack.processes["runtime"].returncode == 0
    assert time.monotonic() - started < RUNTIME_ENDS_WITHIN_SECONDS * 2


def _files(directory: Path) -> dict[str, int]:
    """Every file with the instant of its last change."""
    return {str(path): path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file()}

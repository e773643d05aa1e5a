"""`make run` from its first line to its last process."""

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from embedded.servers import free_port
from tests.conftest import PROJECT_ROOT
from tests.plain_http import NO_ROOTS
from tests.waiting import until

READY_SECONDS = 90
END_SECONDS = 30
COMMAND = [sys.executable, "-m", "embedded.run"]


class Run:
    """One `make run` in a folder of its own."""

    def __init__(self, directory: Path, **environ: str) -> None:
        self.directory = directory
        self.log_path = directory.with_suffix(".log")
        ports = {"WEB_PORT": str(free_port()), "HEALTH_CHECK_PORT": str(free_port())}
        ours = ("_URL", "_URI", "DJANGO_SETTINGS_MODULE")
        kept = {name: value for name, value in os.environ.items() if not name.endswith(ours)}
        self.environ = kept | ports | {"VAR_DIR": str(directory)} | environ
        with self.log_path.open("wb") as log:
            self.process = psutil.Popen(
                COMMAND, cwd=PROJECT_ROOT, env=self.environ, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def output(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_until_ready(self) -> dict[str, str]:
        path = self.directory / "run.json"
        deadline = time.monotonic() + READY_SECONDS
        while not (path.exists() and "Stop: Ctrl-C" in self.output):
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        facts: dict[str, str] = json.loads(path.read_text())
        return facts

    def family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def kill_launcher(self) -> None:
        """End the launcher alone, as nothing can prepare for; nothing of its own outlives it."""
        family = self.family()
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []

    def wait_for_end(self, family: list[psutil.Process]) -> int:
        code: int = self.process.wait(END_SECONDS)
        _, alive = psutil.wait_procs(family, timeout=5)
        assert alive == []
        assert not (self.directory / "run.json").exists()
        return code


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[list[Run]]:
    """The runs of a test, ended where it has not done so."""
    started: list[Run] = []
    yield started
    for run in started:
        for process in run.family() if run.process.is_running() else []:
            process.kill()


def send(curl: str) -> httpx.Response:
    """Send what the printed curl line would send."""
    words = shlex.split(curl.replace("\\\n", " "))
    options: list[tuple[str, str]] = list(zip(words, words[1:], strict=False))
    headers = dict(value.split(": ", 1) for name, value in options if name == "-H")
    data = next(value for name, value in options if name == "-d")
    url = next(word for word in words if word.startswith("http"))
    return httpx.request(dict(options)["-X"], url, headers=headers, content=data, timeout=30, verify=NO_ROOTS)


def test_run__to_its_end__serves_and_leaves_no_process(tmp_path: Path, runs: list[Run]) -> None:
    run = Run(tmp_path / "var")
    runs.append(run)
    facts = run.wait_until_ready()
    assert set(facts) == {"url", "runtime_url", "worker_metrics_url", "token", "redis_url", "nats_url"}
    assert "configsite_task_runs_total" in httpx.get(facts["worker_metrics_url"], verify=NO_ROOTS).text
    assert list((run.directory / "prometheus").glob("counter_*.db")), "the web's processes count together"

    curl = re.search(r"  (curl (?:.*\\\n)*.*)", run.output)
    assert curl

    def is_applied() -> bool:
        """Within the 2 s that the printed line gives the runtime, which right after the start may still be busy."""
        answer: dict[str, Any] = send(curl.group(1)).json()
        assert answer["success"]
        assert answer["data"]["parameters"]["buy_threshold"] == 1.35
        return [runtime["applied"] for runtime in answer["metadata"]["runtimes"]] == [True]

    until(is_applied)

    second = subprocess.run(
        COMMAND,
        cwd=PROJECT_ROOT,
        env=run.environ | {"WEB_PORT": str(free_port()), "HEALTH_CHECK_PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert f"in use by process {run.process.pid}" in second.stderr

    family = run.family()
    assert len(family) > 8
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.wait_for_end(family) == 0
    assert "Traceback" not in run.output


@pytest.mark.slow
def test_run__a_process_dies__shows_its_code_and_ends_with_it(tmp_path: Path, runs: list[Run]) -> None:
    run = Run(tmp_path / "var", FEED="none")
    runs.append(run)
    run.wait_until_ready()
    family = run.family()
    runtime = next(process for process in family if process.cmdline()[1:] == ["-m", "realtime_runtime", "run"])
    runtime.kill()
    assert run.wait_for_end(family) == 128 + signal.SIGKILL
    assert "runtime stopped (rc=-9)" in run.output


@pytest.mark.slow
def test_run__launcher_killed_once_ready__takes_the_children_of_its_processes_too(
    tmp_path: Path, runs: list[Run]
) -> None:
    run = Run(tmp_path / "var", FEED="none")
    runs.append(run)
    run.wait_until_ready()
    assert sum("configsite.server" in process.cmdline() for process in run.family()) > 1
    run.kill_launcher()


@pytest.mark.slow
def test_run__launcher_killed__takes_everything_with_it(tmp_path: Path, runs: list[Run]) -> None:
    run = Run(tmp_path / "var", FEED="none")
    runs.append(run)
    deadline = time.monotonic() + READY_SECONDS
    while "runtime started" not in run.output:
        assert run.process.poll() is None, run.output
        assert time.monotonic() < deadline, run.output
        time.sleep(0.05)
    run.kill_launcher()

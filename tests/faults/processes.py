"""The product's processes as they are deployed, to be killed, stopped and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from embedded.servers import HOST, die_with_parent, free_port
from tests.clean_environment import clean_environment
from tests.live_site import PROJECT_ROOT, LiveSite
from tests.plain_http import NO_ROOTS

STOP_SECONDS = 20.0


class ChildProcess:
    """One process of ours. As a context manager it is gone at the end."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log_path: Path) -> None:
        self._command = tuple(command)
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self.log_path = log_path

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def start(self) -> Self:
        """Start it; whoever needs it ready waits for that."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=PROJECT_ROOT,
                preexec_fn=die_with_parent,
                start_new_session=True,
            )
        return self

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send the signal and wait until the process has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # The clock of a worker is a process of its own.


class RuntimeProcess(ChildProcess):
    """``python -m realtime_runtime run``."""

    def __init__(self, environment: Mapping[str, str], directory: Path, *, log_path: Path | None = None) -> None:
        self.port = free_port()
        self.snapshot_path = directory / "snapshot" / "snapshot.json"
        own = {
            "HEALTH_CHECK_PORT": str(self.port),
            "CONFIG_SNAPSHOT_PATH": str(self.snapshot_path),
            "HEARTBEAT_INTERVAL_SECONDS": "0.2",
        }
        command = (sys.executable, "-m", "realtime_runtime", "run")
        super().__init__(command, {**clean_environment(), **environment, **own}, log_path or directory / "runtime.log")

    def answer(self, path: str) -> httpx.Response | None:
        """The answer of a service endpoint; None while nobody listens."""
        try:
            return httpx.get(f"http://{HOST}:{self.port}{path}", timeout=5, verify=NO_ROOTS)
        except httpx.TransportError:
            return None

    def sequence(self) -> int | None:
        """The last change that it has taken in; None while it does not answer."""
        answer = self.answer("/info")
        return None if answer is None else int(answer.json()["configuration"]["config"]["sequence"])

    def status(self) -> str | None:
        """What /ready says: "ok", "degraded", …; None while the process does not answer 200."""
        answer = self.answer("/ready")
        return str(answer.json()["status"]) if answer is not None and answer.status_code == 200 else None


class Worker(ChildProcess):
    """The Celery worker with its clock, as the Procfile has it."""

    def __init__(self, site: LiveSite, directory: Path, **variables: str) -> None:
        own = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "CELERY_SCHEDULE": str(directory / "schedule"),
            "LOG_LEVEL": "INFO",
        }
        environment = {**site.environment, **own, **variables}
        super().__init__((str(PROJECT_ROOT / "docker-entrypoint.sh"), "worker"), environment, directory / "worker.log")


class RelayProcess(ChildProcess):
    """``manage.py relay_changes``, as the Procfile has it."""

    def __init__(self, site: LiveSite, nats_url: str, directory: Path, **variables: str) -> None:
        environment = {**site.environment, "NATS_URL": nats_url, "LOG_LEVEL": "INFO", **variables}
        super().__init__((sys.executable, "manage.py", "relay_changes"), environment, directory / "relay.log")

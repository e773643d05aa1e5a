"""The embedded servers really serve, restart on their port, and end with their parent."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import nats
import psutil
import pytest
import redis

from embedded.servers import HOST, NatsServer, PortTakenError, Server, ServerError, Valkey, free_port, is_port_free
from tests.waiting import until

KINDS = [Valkey, NatsServer]


def banner(server: Server, request: bytes = b"PING\r\n", timeout: float = 5.0) -> bytes:
    """What the server answers first: Valkey to PING, nats-server by itself."""
    with socket.create_connection((HOST, server.port), timeout=timeout) as connection:
        connection.sendall(request)
        return connection.recv(4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_server__stopped_and_started_again__serves_on_the_same_port(
    kind: type[Server], end: str, tmp_path: Path
) -> None:
    with kind(tmp_path) as server:
        port, pid, answer = server.port, server.pid, banner(server)
        getattr(server, end)()
        assert not server.is_running
        assert is_port_free(port)
        server.start()
        assert (server.port, banner(server)) == (port, answer)
        assert server.pid != pid


@pytest.mark.parametrize("kind", KINDS)
def test_server__paused__answers_after_resume_only(kind: type[Server], tmp_path: Path) -> None:
    with kind(tmp_path) as server:
        server.pause()
        with pytest.raises(TimeoutError):
            banner(server, timeout=0.2)
        server.resume()
        assert banner(server)


@pytest.mark.parametrize("kind", KINDS)
def test_server__stopped_while_paused__ends(kind: type[Server], tmp_path: Path) -> None:
    server = kind(tmp_path).start()
    server.pause()
    server.stop()
    assert not server.is_running


@pytest.mark.parametrize("kind", KINDS)
def test_server__given_a_taken_port__names_the_reason(kind: type[Server], tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken, pytest.raises(PortTakenError, match="(?i)address already in use"):
        kind(tmp_path, port=taken.getsockname()[1]).start()


@pytest.mark.parametrize("kind", KINDS)
def test_server__first_choice_of_port_taken__takes_another(
    kind: type[Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((HOST, 0)) as taken:
        ports = iter([taken.getsockname()[1], free_port()])
        monkeypatch.setattr("embedded.servers.free_port", lambda: next(ports))
        with kind(tmp_path) as server:
            assert server.port != taken.getsockname()[1]
            assert banner(server)


@pytest.mark.skipif(sys.platform != "linux", reason="ports are claimed by abstract sockets, which only Linux has")
def test_free_port__given_to_a_living_process__is_given_to_no_other() -> None:
    port, other = free_port(), free_port()
    program = (
        "import sys; from embedded import servers; "
        "servers._unused_port = map(int, sys.argv[1:]).__next__; print(servers.free_port())"
    )

    def found_by_another(*unused: int) -> int:
        command = [sys.executable, "-c", program, *map(str, unused)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert found_by_another(port, other, 1) == 1
    assert found_by_another(1) == 1, "whoever had it is gone"


@pytest.mark.parametrize(
    ("kind", "arguments"), [(Valkey, ("--no-such-option", "1")), (NatsServer, ("-c", "no-such-option.conf"))]
)
def test_server__refusing_its_arguments__raises_with_its_log(
    kind: type[Server], arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(ServerError, match="no-such-option"):
        kind(tmp_path, arguments=arguments).start()


@pytest.mark.parametrize("kind", KINDS)
def test_server__parent_killed__ends_too(kind: type[Server], tmp_path: Path) -> None:
    program = (
        "import sys, signal; from pathlib import Path; from embedded.servers import *; "
        f"server = {kind.__name__}(Path(sys.argv[1])).start(); print(server.pid, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.send_signal(signal.SIGKILL)
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_valkey__restarted__is_empty_unless_persistence_is_asked_for(tmp_path: Path) -> None:
    for name, arguments, expected in (("plain", (), None), ("kept", ("--appendonly", "yes"), b"1")):
        with Valkey(tmp_path / name, arguments=arguments) as server:
            with redis.Redis.from_url(server.url) as client:
                client.set("key", "1")
            server.stop()
            server.start()
            with redis.Redis.from_url(server.url) as client:
                assert client.get("key") == expected


def test_valkey__with_a_password__refuses_the_stranger(tmp_path: Path) -> None:
    with Valkey(tmp_path, arguments=("--requirepass", "example")) as server:
        with redis.Redis.from_url(server.url) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        with redis.Redis.from_url(server.url, password="example") as friend:
            assert friend.ping()


async def test_nats_server__restarted__keeps_its_jetstream(tmp_path: Path) -> None:
    with NatsServer(tmp_path) as server:
        async with await nats.connect(server.url) as client:
            await client.jetstream().add_stream(name="kept", subjects=["kept.>"])
            await client.jetstream().publish("kept.one", b"1")
        server.stop()
        server.start()
        async with await nats.connect(server.url) as client:
            assert (await client.jetstream().stream_info("kept")).state.messages == 1


def test_child__whose_parent_ended_before_it_asked_to_end_with_it__ends() -> None:
    program = """
import os, time
from embedded.servers import die_with_parent
parent = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.001)
die_with_parent()
print("lives on")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("", "")

"""What `make run` makes of its environment, and what it keeps in its folder."""

import json
import os
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from embedded import options
from embedded.options import read_options
from embedded.run import exit_code
from embedded.servers import HOST, free_port
from embedded.state import LaunchError, exclusive, run_file, secret_key, store_token, stored_token


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "my day.jsonl"
    path.touch()
    return path


@pytest.fixture(autouse=True)
def usual_ports_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """8080 and 8081 may be taken on the machine that runs the tests."""
    monkeypatch.setattr(options, "WEB_PORT", free_port())
    monkeypatch.setattr(options, "RUNTIME_PORT", free_port())


def test_read_options__nothing_set__simulates_on_the_usual_ports() -> None:
    read = read_options({})
    assert (read.web_port, read.runtime_port, read.notes) == (options.WEB_PORT, options.RUNTIME_PORT, ())
    assert read.feed_command == "python -m realtime_runtime feed simulate"
    assert read.has_chain_data
    assert (read.redis_url, read.nats_url, read.has_own_store) == (None, None, False)
    assert read.directory == options.ROOT / "var"


def test_read_options__live__feeds_live() -> None:
    read = read_options({"FEED": "live"})
    assert read.feed_command == "python -m realtime_runtime feed live"
    assert read.has_chain_data


def test_read_options__usual_port_taken__takes_another_and_says_so() -> None:
    with socket.create_server((HOST, options.WEB_PORT)):
        read = read_options({})
    assert read.web_port not in {options.WEB_PORT, options.RUNTIME_PORT}
    assert read.notes == (f"Port {options.WEB_PORT} is taken, so {read.web_port} is used instead (WEB_PORT sets it).",)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"FEED": "telepathy"}, "FEED must be one of"),
        ({"FEED": "replay"}, "FILE"),
        ({"FEED": "replay", "FILE": "/no/such/file.jsonl"}, "/no/such/file.jsonl"),
        ({"WEB_PORT": "eighty"}, "WEB_PORT must be a port number, not 'eighty'"),
        ({"WEB_PORT": "65536"}, "WEB_PORT must be a port number"),
        ({"WEB_PORT": "12345", "HEALTH_CHECK_PORT": "12345"}, "both 12345"),
    ],
)
def test_read_options__of_no_use__names_the_variable(environ: Mapping[str, str], message: str) -> None:
    with pytest.raises(LaunchError, match=message):
        read_options(environ)


def test_read_options__port_asked_for_is_taken__refuses() -> None:
    with socket.create_server((HOST, 0)) as taken, pytest.raises(LaunchError, match="HEALTH_CHECK_PORT="):
        read_options({"HEALTH_CHECK_PORT": str(taken.getsockname()[1])})


@pytest.mark.parametrize(
    ("environ", "ending"),
    [({}, "--speed 1 --stay"), ({"SPEED": "max"}, "--speed max --stay"), ({"LOOP": "1"}, "--speed 1 --loop --stay")],
)
def test_read_options__replay__quotes_the_files(environ: dict[str, str], ending: str, recording: Path) -> None:
    command = read_options({"FEED": "replay", "FILE": shlex.quote(str(recording)), **environ}).feed_command
    assert command == f"python -m realtime_runtime feed replay '{recording}' {ending}"


@pytest.mark.parametrize("name", ["DATABASE_URL", "MONGODB_URI"])
def test_read_options__a_store_of_ones_own__replaces_sqlite(name: str) -> None:
    assert read_options({name: "x"}).has_own_store


def test_exclusive__held_by_another_process__names_it(tmp_path: Path) -> None:
    program = "import sys, pathlib, embedded.state as state; state.exclusive(pathlib.Path(sys.argv[1])).__enter__()"
    with exclusive(tmp_path):
        second = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert f"in use by process {os.getpid()}." in second.stderr
    with exclusive(tmp_path):
        assert (tmp_path / "run.lock").read_text() == str(os.getpid())


def test_state__secrets__are_kept_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    assert stored_token(tmp_path) is None
    store_token(tmp_path, "first")
    store_token(tmp_path, "second")
    assert stored_token(tmp_path) == "second"
    key = secret_key(tmp_path)
    assert len(key) >= 50
    assert secret_key(tmp_path) == key
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("token", "secret_key")} == {0o600}


def test_run_file__after_the_run__is_gone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("left by a crash")
    with run_file(tmp_path) as file:
        assert not file.path.exists()
        file.write({"url": "http://example"})
        assert json.loads(file.path.read_text()) == {"url": "http://example"}
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert not file.path.exists()


@pytest.mark.parametrize(("returncode", "code"), [(0, 1), (None, 1), (3, 3), (-9, 137)])
def test_exit_code__of_a_process_that_ended__is_the_shells(returncode: int | None, code: int) -> None:
    assert exit_code(returncode) == code

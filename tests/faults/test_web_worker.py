"""A web worker that dies between the commit and the publication of a change, or is to end before it has started."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import httpx

from embedded.servers import HOST, die_with_parent, free_port
from strategy_config.store.sqlite_queue import SUFFIX
from tests.conftest import PROJECT_ROOT
from tests.faults.conftest import SKEW, Installation
from tests.file_locks import is_held
from tests.live_site import LiveSite
from tests.waiting import until

REACHED_SECONDS = 20.0
# What a worker is given, and time for a busy machine.
ENDS_SECONDS = 60.0


def sequence_in_store(store: sqlite3.Connection) -> int:
    (sequence,) = store.execute("SELECT value FROM strategy_config_sequence").fetchone()
    return int(sequence)


def kill_tree(pid: int) -> None:
    """End a process and its children as a crash of the machine would."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in (pid, *map(int, children)):
        os.kill(each, signal.SIGKILL)


def test_web_worker__killed_between_commit_and_publication__the_change_still_reaches_the_runtime(
    installation: Installation,
) -> None:
    """Redis hangs, so that the publication does; the store's lock holds the commit back until it does."""
    site = installation.site
    before = installation.write(3)["sequence"]
    until(lambda: installation.runtime.sequence() == before)
    failures: list[httpx.TransportError] = []

    def write() -> None:
        try:
            site.post(SKEW, {"parameters": {"top_levels": 9}, "changed_by": "faults"})
        except httpx.TransportError as exception:
            failures.append(exception)

    turn = Path(f"{site.db_path}{SUFFIX}")
    store = sqlite3.connect(site.db_path, isolation_level=None)
    store.execute("BEGIN IMMEDIATE")
    request = threading.Thread(target=write)
    request.start()
    until(lambda: is_held(turn))
    installation.valkey.pause()
    store.execute("ROLLBACK")
    until(lambda: sequence_in_store(store) == before + 1)
    kill_tree(site.pid)
    installation.valkey.resume()
    request.join()
    assert failures, "the request was answered before the worker died"
    until(lambda: installation.runtime.sequence() == before + 1, REACHED_SECONDS)
    site.start()
    assert site.get(SKEW).json()["data"]["parameters"]["top_levels"] == 9
    assert [ack.status for ack in until(lambda: installation.acks(before + 1))] == ["applied"]


def test_web__told_to_end_while_its_workers_start__ends(prepared_site: LiveSite, tmp_path: Path) -> None:
    """A worker that still imports the site inherits a handler that swallows the signal."""
    log = tmp_path / "web.log"
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "WEB_HOST": HOST,
        "WEB_PORT": str(free_port()),
    }
    with log.open("wb") as output:
        web = subprocess.Popen(
            [PROJECT_ROOT / "docker-entrypoint.sh", "web"],
            env=prepared_site.environment | own,
            cwd=PROJECT_ROOT,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,
        )
    try:
        until(lambda: b"Spawning worker-2" in log.read_bytes())
        web.terminate()
        assert web.wait(ENDS_SECONDS) == 0
    finally:
        if web.poll() is None:
            kill_tree(web.pid)

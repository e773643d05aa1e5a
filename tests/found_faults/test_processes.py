"""Inputs that start what they need by themselves."""

import shelve
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded.servers import Valkey
from tests.faults.processes import Worker
from tests.found_faults.conftest import Run
from tests.live_site import LiveSite
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_nats_password__replaced__the_runtime_waits_for_its_new_one(run: Run) -> None:
    assert "exit status five seconds later: None ok" in run("bug-14.py")


def test_signals__queued_through_an_outage_of_nats__leave_only_while_they_are_young(run: Run) -> None:
    printed = run("bug-06.py")
    assert "older than 60 s: 0" in printed
    assert "FAIL" not in printed


def test_exchange__announces_its_shutdown__a_second_connection_is_there_before(run: Run) -> None:
    ends = [line for line in run("bug-11.py").splitlines() if line.startswith("connections before the cut")]
    assert [line.endswith("ok") for line in ends] == [True, True]
    assert all("garbage 0 " in line for line in ends)


def test_removed_strategy__with_all_off_expiry_and_publication__stops_nothing_else(run: Run, valkey: Valkey) -> None:
    lines = run("attack-04.py", valkey.url).splitlines()
    assert not [line for line in lines if line.startswith("FAILED")]
    assert [line.partition("still on: ")[2] for line in lines if "still on:" in line][-1] == "[]"
    (last,) = [line for line in lines if "rows added" in line]
    store, redis = last.rpartition("store ")[2].split(" Redis ")
    assert store == redis


def test_import__of_several_layers__is_one_step_of_a_runtime(run: Run) -> None:
    states = [line.split(" ms ")[1] for line in run("attack-07.py").splitlines() if " ms (" in line]
    assert states == ["(False, False, False)", "(True, True, True)"]


def test_conflict_checks__of_a_service_that_drips__leave_the_healthy_one_its_say(run: Run) -> None:
    answers = [line for line in run("attack-12.py").splitlines() if line.split(" ")[0].isdigit()]
    assert [line.split()[1] for line in answers] == ["200"] * 14
    assert not any("fine" in line for line in answers)
    assert max(float(line.split()[2]) for line in answers) < 10


def test_clock_of_the_worker__its_file_damaged__sends_all_the_same(
    fault_inputs: Path, live_site: Callable[..., LiveSite], tmp_path: Path
) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    with shelve.open(str(folder / "celerybeat-schedule")) as store:  # noqa: S301  (our own)
        store["entries"] = {}
    subprocess.run(["/bin/bash", str(fault_inputs / "bug-04.sh")], cwd=tmp_path, check=True, capture_output=True)
    with Worker(live_site(), tmp_path, CELERY_SCHEDULE=str(folder / "celerybeat-schedule")) as worker:
        until(lambda: "Sending due task reconcile" in worker.log_path.read_text(), seconds=120)

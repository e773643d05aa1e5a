"""The worker's clock: damaged files do not stop it, and its death ends the worker."""

import os
import shelve
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from configsite.clock import ENDED_EXIT_CODE, Clock
from tests.faults.processes import Worker
from tests.live_site import LiveSite
from tests.waiting import until

SENT = "Sending due task reconcile"


def damage(schedule: Path) -> None:
    """What a power cut or a full disk leaves of the file of Celery's own scheduler, whichever database it takes."""
    with shelve.open(str(schedule)) as store:  # noqa: S301  (our own)
        store["entries"] = {}
    for path in schedule.parent.glob(f"{schedule.name}*"):
        if path.suffix != ".dir":
            path.write_bytes(b"\xff" * 4_096)


@pytest.mark.parametrize("is_damaged", [True, False])
def test_worker__its_clock_ends__ends_too(live_site: Callable[..., LiveSite], tmp_path: Path, is_damaged: bool) -> None:
    if is_damaged:
        damage(tmp_path / "schedule")
    with Worker(live_site(), tmp_path) as worker:
        until(lambda: SENT in worker.log_path.read_text(), seconds=120)
        (clock,) = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        os.kill(int(clock), signal.SIGKILL)
        until(lambda: worker.exit_code is not None, seconds=60)
        assert worker.exit_code == ENDED_EXIT_CODE
        assert "clock.ended" in worker.log_path.read_text()


def test_clock__path_that_cannot_be_written__goes_on(tmp_path: Path) -> None:
    from configsite.celery import app

    clock = Clock(app=app, schedule_filename=str(tmp_path / "missing" / "schedule"), lazy=True)
    clock.setup_schedule()
    assert {"reconcile", "rewrite", "verify_audit"} <= set(clock.schedule)
    assert clock.tick() > 0


def test_clock__ticks__shows_that_it_lives(tmp_path: Path) -> None:
    from configsite.celery import app

    sign = tmp_path / "schedule"
    clock = Clock(app=app, schedule_filename=str(sign), lazy=True)
    clock.setup_schedule()
    clock.tick()
    assert sign.exists()

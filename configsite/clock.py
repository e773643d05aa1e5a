"""Celery beat in the worker: it keeps nothing on disk that could be damaged, and its death is noticed.

Every scheduled task runs at an interval and again when the worker starts, so that the state in the file of Celery's own
scheduler is not needed. The file is touched as a sign of life, which the probes check.
"""

import os
import threading
from pathlib import Path
from typing import Any

import structlog
from celery.beat import Scheduler
from celery.worker import state as worker_state

ENDED_EXIT_CODE = 70
WATCH_SECONDS = 1.0
# Running tasks may finish; then the process ends, even if something still holds it.
LONGEST_END_SECONDS = 30.0
LONGEST_SLEEP_SECONDS = 60

log = structlog.get_logger(__name__)


class Clock(Scheduler):
    """Celery's scheduler in memory, with a sign of life at the path given by ``--schedule``."""

    def __init__(self, *args: Any, schedule_filename: str | None = None, **kwargs: Any) -> None:
        self._sign = None if schedule_filename is None else Path(schedule_filename)
        self._is_sign_lost = False
        super().__init__(*args, **kwargs)
        self.max_interval = LONGEST_SLEEP_SECONDS

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send the tasks that are due; returns the seconds until the next check."""
        self._show_life()
        seconds: float = super().tick(*args, **kwargs)
        return seconds

    def _show_life(self) -> None:
        """A full disk or a bad path costs only the sign of life, not the schedule."""
        if self._sign is None:
            return
        try:
            self._sign.touch()
        except OSError as exception:
            if not self._is_sign_lost:
                log.warning("clock.sign_not_written", path=str(self._sign), error=str(exception))
            self._is_sign_lost = True
        else:
            self._is_sign_lost = False


def watch(clock: Any) -> None:
    """End the worker, with ENDED_EXIT_CODE, when Celery beat's process ends by itself; returns at once."""
    threading.Thread(target=_watch, args=(clock,), name="clock-watch", daemon=True).start()


def _watch(clock: Any) -> None:
    state: Any = worker_state
    is_ending = threading.Event()
    # A normal stop of the worker ends Celery beat first: that is not a failure.
    while clock.is_alive():
        is_ending.wait(WATCH_SECONDS)
    if state.should_stop is not None or state.should_terminate is not None:
        return
    log.error("clock.ended", exit_code=getattr(clock, "exitcode", None))
    state.should_stop = ENDED_EXIT_CODE
    is_ending.wait(LONGEST_END_SECONDS)
    log.error("worker.end_forced")
    os._exit(ENDED_EXIT_CODE)

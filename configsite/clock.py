"""The clock of the worker (Celery beat): it keeps nothing on disk that could be damaged, and does not die unseen.

Every task of the schedule runs at an interval and again at the worker's start, so that what Celery's own scheduler
keeps in a file is worth nothing here. The file is touched as a sign of life, which the probes look at.
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
# Tasks under way may end; then the process does, whatever holds it.
LONGEST_END_SECONDS = 30.0
LONGEST_SLEEP_SECONDS = 60

_log = structlog.get_logger(__name__)


class Clock(Scheduler):
    """Celery's scheduler in memory, with a sign of life at the path given by ``--schedule``."""

    def __init__(self, *args: Any, schedule_filename: str | None = None, **kwargs: Any) -> None:
        self._sign = None if schedule_filename is None else Path(schedule_filename)
        self._is_sign_lost = False
        super().__init__(*args, **kwargs)
        self.max_interval = LONGEST_SLEEP_SECONDS

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; answers after how many seconds to look again."""
        self._show_life()
        seconds: float = super().tick(*args, **kwargs)
        return seconds

    def _show_life(self) -> None:
        """A disk that is full or a path that is none costs the sign, not the schedule."""
        if self._sign is None:
            return
        try:
            self._sign.touch()
        except OSError as exception:
            if not self._is_sign_lost:
                _log.warning("clock.sign_not_written", path=str(self._sign), error=str(exception))
            self._is_sign_lost = True
        else:
            self._is_sign_lost = False


def watch(clock: Any) -> None:
    """End the worker, with ENDED_EXIT_CODE, once the process of its clock has ended by itself; returns at once."""
    threading.Thread(target=_watch, args=(clock,), name="clock-watch", daemon=True).start()


def _watch(clock: Any) -> None:
    state: Any = worker_state
    is_ending = threading.Event()
    # Who ends the worker ends the clock first: that is no death.
    while clock.is_alive():
        is_ending.wait(WATCH_SECONDS)
    if state.should_stop is not None or state.should_terminate is not None:
        return
    _log.error("clock.ended", exit_code=getattr(clock, "exitcode", None))
    state.should_stop = ENDED_EXIT_CODE
    is_ending.wait(LONGEST_END_SECONDS)
    _log.error("worker.end_forced")
    os._exit(ENDED_EXIT_CODE)

"""Runs several processes as one: they share the terminal, and end together."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

import honcho.manager
from honcho.manager import SIGNALS, Manager
from honcho.process import Popen, Process

from embedded.servers import die_with_parent

# The runtime has 10 s to finish its work; honcho's own 5 s would cut it short.
honcho.manager.KILL_WAIT = 13
SIGNAL_EXIT_CODES = {entry["rc"] for entry in SIGNALS.values()}


class _OwnedProcess(Process):  # type: ignore[misc]  # honcho ships no type hints
    """A process, and honcho's process that reads its output; both end with the launcher, however it ends."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._child_ctor = partial(Popen, preexec_fn=die_with_parent)

    def run(self, *arguments: Any, **options: Any) -> None:
        """Called by honcho in a process of its own."""
        signal.signal(signal.SIGUSR1, self._end_all)
        die_with_parent(signal.SIGUSR1)
        super().run(*arguments, **options)

    def _end_all(self, *_: object) -> NoReturn:
        """The launcher is gone: end the whole group, because workers and Celery beat would outlive their parents."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
        os._exit(1)


class Processes(Manager):  # type: ignore[misc]  # honcho ships no type hints
    """honcho's manager, which also ends cleanly if it is stopped while it still starts its processes.

    `on_started` is called once, when all of them have been forked: threads may be started from then on.
    """

    def __init__(self, on_started: Callable[[], None]) -> None:
        super().__init__()
        self._process_ctor = _OwnedProcess
        self._on_started = on_started

    @property
    def was_asked_to_end(self) -> bool:
        """Whether a signal to the launcher ended the processes, rather than the end of one of them."""
        return self.returncode in SIGNAL_EXIT_CODES

    def terminate(self) -> None:
        """Ask all processes to end; processes that have not started yet are asked as soon as they have."""
        if self._all_started():
            super().terminate()

    def _any_stopped(self) -> bool:
        # Read by the loop, which then calls `terminate` and starts counting the seconds until it kills.
        return self.returncode is not None or super()._any_stopped()

    def _start(self) -> None:
        super()._start()
        self._on_started()

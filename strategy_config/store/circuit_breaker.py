"""Keeps a store that does not answer from holding every worker up: all that asks the store passes a breaker first."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto

import structlog

from service_kit.backoff import Backoff
from strategy_config.exceptions import StoreUnavailableError

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0
# Two breakers, so that even at the onset of an outage some of a worker's 32 threads stay free.
MOST_CALLS = 12
STALLED_SECONDS = 2.0
# As long as a store may take for one answer: the first ones of a process wait for its connections and imports.
COLD_STALLED_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Verdict(Enum):
    """What an exception says of the store."""

    ALIVE = auto()
    UNCLEAR = auto()
    """Too little to open a breaker, and no sign of life."""
    DEAD = auto()


class Breaker:
    """Lets calls through while the store answers, and refuses them at once while it does not.

    A dead call opens it. Then one call at a time may try again, after pauses that double from FIRST_PAUSE_SECONDS to
    LONGEST_PAUSE_SECONDS, with jitter; the first answer closes it. At most MOST_CALLS are under way at once: others
    wait while these end, and are refused when nothing was heard for STALLED_SECONDS (COLD_STALLED_SECONDS before the
    first answer of all). Safe between threads.
    """

    def __init__(self, name: str, message: str) -> None:
        self._name = name
        self._message = message
        self._changed = threading.Condition()
        self._thread = threading.local()
        self._is_open = False
        self._is_being_tried = False
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._try_at = 0.0
        self._in_flight = 0
        self._progress_at = 0.0
        self._has_answered = False

    @property
    def is_open(self) -> bool:
        """Whether the store is known not to answer."""
        return self._is_open

    @property
    def is_inside(self) -> bool:
        """Whether this thread is within a passage already."""
        return getattr(self._thread, "is_inside", False)

    def heard(self) -> None:
        """The store has answered, if not yet what a call under way is waiting for: who waits may wait on."""
        with self._changed:
            self._progress_at = time.monotonic()

    def seconds_to_try(self) -> float:
        """How long until an open breaker lets the next call try; 0 where it would now."""
        return max(0.0, self._try_at - time.monotonic()) if self._is_open else 0.0

    @contextmanager
    def passage(self, judge: Callable[[Exception], Verdict], *, is_counted: bool = True) -> Iterator[None]:
        """One call to the store; raises StoreUnavailableError instead of a call in vain.

        ``judge`` says what an exception of the call means. A call inside another one belongs to that one. One that is
        not ``is_counted`` neither waits for others nor makes them wait: another breaker sees to that.
        """
        if self.is_inside:
            yield
            return
        is_trial = self._enter(1 if is_counted else 0)
        self._thread.is_inside = True
        verdict = Verdict.UNCLEAR
        try:
            yield
            verdict = Verdict.ALIVE
        except Exception as exception:
            verdict = judge(exception)
            raise
        finally:
            self._thread.is_inside = False
            self._leave(verdict, 1 if is_counted else 0, is_trial=is_trial)

    def _enter(self, count: int) -> bool:
        """Whether this call is the one that tries again."""
        with self._changed:
            if count:
                self._await_turn()
            is_trial = self._is_open
            if is_trial and (self._is_being_tried or time.monotonic() < self._try_at):
                raise StoreUnavailableError(self._message)
            self._is_being_tried = is_trial
            if self._in_flight == 0:
                self._progress_at = time.monotonic()
            self._in_flight += count
        return is_trial

    def _await_turn(self) -> None:
        while not self._is_open and self._in_flight >= MOST_CALLS:
            stalled_seconds = STALLED_SECONDS if self._has_answered else COLD_STALLED_SECONDS
            patience = self._progress_at + stalled_seconds - time.monotonic()
            if patience <= 0:
                raise StoreUnavailableError(self._message)
            self._changed.wait(patience)

    def _leave(self, verdict: Verdict, count: int, *, is_trial: bool) -> None:
        now = time.monotonic()
        with self._changed:
            was_open = self._is_open
            self._in_flight -= count
            if is_trial:
                self._is_being_tried = False
            if verdict is Verdict.ALIVE:
                self._is_open, self._has_answered, self._progress_at = False, True, now
            elif was_open if is_trial else verdict is Verdict.DEAD and not was_open:
                # Late failures of calls that began before the breaker opened do not lengthen its pause.
                if not was_open:
                    self._backoff.reset()
                self._try_at = now + self._backoff.next_wait()
                self._is_open = True
            is_open = self._is_open
            if is_open:
                self._changed.notify_all()
            else:
                self._changed.notify()
        if is_open and not was_open:
            log.warning(f"{self._name}.lost")
        elif was_open and not is_open:
            log.info(f"{self._name}.back")


STORE = Breaker("store", "The database is unreachable. Nothing was changed; try again later.")
"""For every call."""
WRITES = Breaker("store_writes", "The database is busy with other writers. Nothing was changed; try again later.")
"""For writes beside it: a store that is locked may still be read."""

"""Transactions on whatever the store is, retried where another writer was in the way."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from types import ModuleType
from typing import TypeVar

import pymongo
from django.db import Error, InterfaceError, OperationalError, connection, transaction
from prometheus_client import Histogram
from pymongo.errors import PyMongoError

from service_kit import tracing
from service_kit.backoff import Backoff
from service_kit.timings import CALL_BOUNDS
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.store import circuit_breaker, driver_errors, sqlite_queue

T = TypeVar("T")
# Less than what SQLite and its queue wait by themselves: after that there is no second time.
PATIENCE_SECONDS = 8.0
PAUSE_FIRST_SECONDS = 0.01
PAUSE_LAST_SECONDS = 0.25
# A connection that breaks later leaves too little of the time that a caller is promised for another attempt.
RECONNECT_SECONDS = 0.5
# How long the outcome of an unanswered commit is looked up; after that the answer says that it is unknown.
LOST_SECONDS = 3.0
QUICK_SECONDS = 0.3
_ERRORS = (Error, PyMongoError)
_calls = Histogram(
    "configsite_store_call_seconds",
    "Calls to the database, a transaction counting as one: ok, refused (by it or by one of our rules), unavailable.",
    ["kind", "outcome"],
    buckets=CALL_BOUNDS,
)
_is_quick: ContextVar[bool] = ContextVar("is_quick", default=False)


def atomic() -> AbstractContextManager[None]:
    """All or nothing. Outermost by force: what is committed when it ends stays committed."""
    if connection.vendor == "mongodb":
        context: AbstractContextManager[None] = _on_mongodb().atomic()
        return context
    return _in_turn() if connection.vendor == "sqlite" else _told_of_commits()


@contextmanager
def _in_turn() -> Iterator[None]:
    with sqlite_queue.turn(circuit_breaker.WRITES.heard), transaction.atomic(durable=True):
        yield


@contextmanager
def _told_of_commits() -> Iterator[None]:
    """A transaction that tells whether it was lost before its commit or in it."""
    is_committing = False
    try:
        with transaction.atomic(durable=True):
            yield
            is_committing = True
    except (InterfaceError, OperationalError) as exception:
        if not is_committing or driver_errors.is_conflict(exception):
            raise
        raise driver_errors.CommitLostError(*exception.args) from exception


def on_commit(action: Callable[[], object]) -> None:
    """Run ``action`` once what is being written is committed, at once where no transaction is open.

    Its failure is logged and goes no further: what was committed is not answered as refused.
    """
    transaction.on_commit(action, robust=True)


@contextmanager
def quickly() -> Iterator[None]:
    """Give a look-up QUICK_SECONDS, where the caller can do without it; being late says nothing against the store.

    Of use on MongoDB, which can hang: SQLite's readers wait for nobody, and PostgreSQL's driver knows no such limit.
    """
    if connection.vendor != "mongodb":
        yield
        return
    token = _is_quick.set(True)
    try:
        with pymongo.timeout(QUICK_SECONDS):
            yield
    finally:
        _is_quick.reset(token)


@contextmanager
def store_errors(*, is_write: bool = False) -> Iterator[None]:
    """Turns errors of the connection into StoreUnavailableError; errors of ours (integrity, SQL) pass.

    Asks nothing of a store that is known not to answer: see `circuit_breaker`. Writes wait for each other apart from
    reads.
    """
    try:
        with _measured("write" if is_write else "read"), circuit_breaker.STORE.passage(_judge, is_counted=not is_write):
            yield
    except _ERRORS as exception:
        if driver_errors.is_result_unknown(exception):
            message = "The database was lost while it committed: check whether the change is there before repeating it."
        elif driver_errors.is_unreachable(exception):
            message = "The database is unreachable. Nothing was changed; try again later."
        else:
            raise
        raise StoreUnavailableError(message) from exception


@contextmanager
def _measured(kind: str) -> Iterator[None]:
    """Time a call to the store; one inside another belongs to that one."""
    if circuit_breaker.STORE.is_inside:
        yield
        return
    started = time.perf_counter()
    outcome = "refused"
    try:
        with tracing.span(f"store.{kind}", kind="client"):
            yield
        outcome = "ok"
    except (*_ERRORS, StoreUnavailableError) as exception:
        if isinstance(exception, StoreUnavailableError) or driver_errors.is_unreachable(exception):
            outcome = "unavailable"
        raise
    finally:
        _calls.labels(kind, outcome).observe(time.perf_counter() - started)


def run(use_case: Callable[[], T], *, is_repeatable: bool = False) -> T:
    """Run ``use_case``, which opens ``atomic()`` itself, again as a whole while other writers are in its way.

    With growing random pauses, for PATIENCE_SECONDS; then, or where the store is away, StoreUnavailableError.
    A connection that was dropped is replaced once. ``is_repeatable``: the use case finds out by itself that it was
    committed before; it is run again for LOST_SECONDS where a commit was not answered.
    """
    # The other stores let writers wait for their turn themselves.
    turn = _on_mongodb().turn() if connection.vendor == "mongodb" else nullcontext()
    with circuit_breaker.WRITES.passage(_judge_write), store_errors(is_write=True), turn:
        return _run(use_case, is_repeatable)


def _judge(exception: Exception) -> circuit_breaker.Verdict:
    if not isinstance(exception, _ERRORS):
        return circuit_breaker.Verdict.UNCLEAR
    if driver_errors.is_conflict(exception) or not driver_errors.is_unreachable(exception):
        return circuit_breaker.Verdict.ALIVE
    return circuit_breaker.Verdict.UNCLEAR if _is_quick.get() else circuit_breaker.Verdict.DEAD


def _judge_write(exception: Exception) -> circuit_breaker.Verdict:
    if not isinstance(exception, StoreUnavailableError):
        return circuit_breaker.Verdict.ALIVE
    is_locked = exception.__cause__ is not None and driver_errors.is_conflict(exception.__cause__)
    return circuit_breaker.Verdict.DEAD if is_locked else circuit_breaker.Verdict.UNCLEAR


def _run(use_case: Callable[[], T], is_repeatable: bool) -> T:
    attempts = _Attempts(is_repeatable)
    # Writers that have met once meet again, unless their pauses have nothing in common.
    backoff = Backoff(PAUSE_FIRST_SECONDS, PAUSE_LAST_SECONDS, jitter_share=1.0)
    while True:
        try:
            return use_case()
        except _ERRORS as exception:
            attempts.judge(exception)
        time.sleep(backoff.next_wait())


class _Attempts:
    """Decides whether a use case that was interrupted is run once more."""

    def __init__(self, is_repeatable: bool) -> None:
        self._started = time.monotonic()
        self._is_repeatable = is_repeatable
        self._may_reconnect = True
        self._lost: tuple[float, Exception] | None = None

    def judge(self, exception: Exception) -> None:
        """Return where it is; else raise what the caller is to be told."""
        now = time.monotonic()
        if self._is_repeatable and self._lost is None and driver_errors.is_result_unknown(exception):
            self._lost = now, exception
        if self._lost is not None:
            self._judge_lost(exception, now)
        elif driver_errors.is_conflict(exception):
            if now - self._started > PATIENCE_SECONDS:
                message = "The database is busy with other writers. Nothing was changed; try again later."
                raise StoreUnavailableError(message) from exception
            if connection.vendor == "mongodb":
                # It names a conflict at once, with a writer of another process maybe; the others wait for a lock.
                circuit_breaker.WRITES.heard()
        elif self._may_reconnect and driver_errors.is_dropped(exception):
            self._may_reconnect = False
            if now - self._started > RECONNECT_SECONDS:
                raise exception
        else:
            raise exception

    def _judge_lost(self, exception: Exception, now: float) -> None:
        """After a commit that was not answered nothing may be said of the result until the store has answered."""
        lost_at, lost = self._lost or (now, exception)
        kinds = (driver_errors.is_result_unknown, driver_errors.is_conflict, driver_errors.is_unreachable)
        if not any(is_kind(exception) for is_kind in kinds):
            raise exception
        if now - lost_at > LOST_SECONDS:
            raise lost


def _on_mongodb() -> ModuleType:
    # Imported here: the backend changes Django's query expressions when it is imported.
    from strategy_config.store import mongodb

    return mongodb

"""Transactions on MongoDB: bounded in time, committed once, each aware of what its thread committed before."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django_mongodb_backend import transaction  # type: ignore[import-untyped]  # ships no types
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure, PyMongoError

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.store.driver_errors import CommitLostError, is_result_unknown, is_unreachable

log = structlog.get_logger(__name__)
_thread = threading.local()
# A server keeps the transaction of a lost connection open, and with it the rows that it changed, for 60 seconds unless
# told otherwise. So the ids of such sessions, with the time of the loss, are ended by us before the next transaction.
_ABANDONED_SECONDS = 70.0
_abandoned: deque[tuple[float, Any]] = deque(maxlen=1_000)
_TURN_POLL_SECONDS = 0.1
_turn = threading.RLock()
_losses = 0


@contextmanager
def atomic() -> Iterator[None]:
    """All or nothing, within MONGODB_TIMEOUT_MS; never inside another transaction.

    Its reads see at least what this thread committed before, whichever server of the set answers. Hooks of
    ``on_commit`` run after it, outside the limit of time.
    """
    global _losses
    store: Any = connection  # the backend's own wrapper, of which Django's types know nothing
    if store.in_atomic_block or store.in_atomic_block_mongo:
        raise RuntimeError("A durable transaction cannot be opened inside another one.")
    hooks: list[Any] = []
    session_id = None
    with pymongo.timeout(settings.MONGODB_TIMEOUT_MS / 1000):
        try:
            if _abandoned:
                _kill_abandoned(store)
            with transaction.atomic():
                session, session_id = store.session, store.session.session_id
                _catch_up(session)
                yield
                # Kept from the backend, which would run them within the limit of time.
                hooks, store.run_on_commit = store.run_on_commit, []
            _remember(session)
        except (DatabaseError, PyMongoError) as exception:
            if is_unreachable(exception):
                _losses += 1
            if session_id is not None and is_unreachable(exception):
                _abandoned.append((time.monotonic(), session_id))
            if not is_result_unknown(exception):
                raise
            _ask_for_commit(store)
            _remember(session)
        finally:
            _end_session(store)
    store.run_on_commit = hooks
    store.run_and_clear_commit_hooks()


@contextmanager
def turn() -> Iterator[None]:
    """Writers of one process come one after another: each would conflict with every other, and begin anew.

    If the database is lost, waiting writers stop waiting: StoreUnavailableError.
    """
    losses = _losses
    is_mine = False
    while not is_mine and losses == _losses:
        is_mine = _turn.acquire(timeout=_TURN_POLL_SECONDS)
    try:
        if losses != _losses:
            raise StoreUnavailableError("The database is unreachable. Nothing was changed; try again later.")
        yield
    finally:
        if is_mine:
            _turn.release()


def _ask_for_commit(store: Any) -> None:
    """Ask what became of a commit, which is carried out where nothing was done yet; raises CommitLostError.

    A restarted server may not know the transaction any more, whether it was committed or not.
    """
    try:
        store.commit_mongo()
    except (DatabaseError, PyMongoError) as exception:
        raise CommitLostError("MongoDB does not know whether it committed.") from exception


def _catch_up(session: ClientSession) -> None:
    """Let the session see what this thread committed in earlier ones, which were others to the server."""
    cluster_time, operation_time = getattr(_thread, "last_commit", (None, None))
    if cluster_time is not None and operation_time is not None:
        session.advance_cluster_time(cluster_time)
        session.advance_operation_time(operation_time)


def _remember(session: ClientSession) -> None:
    _thread.last_commit = (session.cluster_time, session.operation_time)


def _kill_abandoned(store: Any) -> None:
    """End what lost connections have left open on the server, so that nobody waits for it.

    Repeated for a while: a server that hung may carry out late what it had received before.
    """
    now = time.monotonic()
    sessions = [session_id for lost_at, session_id in tuple(_abandoned) if now - lost_at < _ABANDONED_SECONDS]
    if not sessions:
        _abandoned.clear()
        return
    store.ensure_connection()
    try:
        store.connection.admin.command("killSessions", sessions)
    except OperationFailure as exception:
        # Not allowed, or no such command: then the server's own limit ends them.
        log.warning("store.sessions_not_ended", error=str(exception), count=len(sessions))
    except PyMongoError as exception:
        raise DatabaseError("The database did not answer.") from exception


def _end_session(store: Any) -> None:
    """Drop what the backend leaves behind when a commit fails: its next transaction would join the dead one."""
    if store.session is not None:
        store.session.end_session()
        store.session = None
        store.run_on_commit = []

"""What an error of the store means for the use case that it interrupted, whichever store it is."""

from django.db import IntegrityError, InterfaceError, OperationalError
from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError, WTimeoutError

# Serialization failure, deadlock, lock_timeout.
_POSTGRESQL_CONFLICTS = frozenset({"40001", "40P01", "55P03"})
# No answer at all, the end of the session for its idleness, by a shutdown, after a crash, while starting.
_POSTGRESQL_DROPS = frozenset({None, "25P03", "57P01", "57P02", "57P03"})
_SQLITE_CONFLICTS = ("SQLITE_BUSY", "SQLITE_LOCKED")


class CommitLostError(OperationalError):
    """The store did not answer a commit, or answered in a way that says nothing of it."""


def is_conflict(exception: BaseException) -> bool:
    """Whether another writer was in the way, so that the same use case may well succeed when it is run again."""
    if isinstance(exception, IntegrityError | CommitLostError):
        return False
    error = _mongodb_error(exception)
    if error is not None:
        return error.has_error_label("TransientTransactionError") and not _is_lost(error)
    cause = exception.__cause__
    return (
        getattr(cause, "sqlite_errorname", "").startswith(_SQLITE_CONFLICTS)
        or getattr(cause, "sqlstate", None) in _POSTGRESQL_CONFLICTS
    )


def is_unreachable(exception: BaseException) -> bool:
    """Whether the store did not answer, or not in time. Errors of ours (integrity, SQL) are not."""
    error = _mongodb_error(exception)
    if error is not None:
        return _is_lost(error)
    return isinstance(exception, OperationalError | InterfaceError)


def is_dropped(exception: BaseException) -> bool:
    """Whether a server ended the connection at once (restart, election): the next attempt finds another one."""
    if is_result_unknown(exception):
        return False
    error = _mongodb_error(exception)
    if error is not None:
        return isinstance(error, ConnectionFailure) and not error.timeout
    return is_unreachable(exception) and getattr(exception.__cause__, "sqlstate", "") in _POSTGRESQL_DROPS


def is_result_unknown(exception: BaseException) -> bool:
    """Whether the connection was lost while committing: the transaction took place or did not."""
    if isinstance(exception, CommitLostError):
        return True
    error = _mongodb_error(exception)
    return error is not None and error.has_error_label("UnknownTransactionCommitResult")


def _mongodb_error(exception: BaseException) -> PyMongoError | None:
    """The driver's error behind one of Django's; the backend passes some on as they are."""
    for candidate in (exception, exception.__cause__):
        if isinstance(candidate, PyMongoError):
            return candidate
    return None


def _is_lost(error: PyMongoError) -> bool:
    return error.timeout or isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError)

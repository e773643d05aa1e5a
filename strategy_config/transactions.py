"""Transactions on whatever the store is, retried where another writer was in the way."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, transaction

from strategy_config.exceptions import StoreUnavailableError

T = TypeVar("T")
ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 0.25
_CONFLICT_STATES = frozenset({"40001", "40P01"})


def atomic() -> AbstractContextManager[None]:
    """All or nothing. Outermost by force: what is committed when it ends stays committed."""
    return transaction.atomic(durable=True)


def on_commit(action: Callable[[], object]) -> None:
    """Run ``action`` once what is being written is committed, at once where no transaction is open."""
    transaction.on_commit(action)


@contextmanager
def store_errors() -> Iterator[None]:
    """Turns errors of the connection into StoreUnavailableError; errors of ours (integrity, SQL) pass."""
    try:
        yield
    except (OperationalError, InterfaceError) as exception:
        raise StoreUnavailableError("The store cannot be reached right now. Nothing was changed.") from exception


def run(use_case: Callable[[], T]) -> T:
    """Run ``use_case``, which opens ``atomic()`` itself, again as a whole while other writers are in its way.

    At most ATTEMPTS times, with growing random pauses; then, or where the store is away, StoreUnavailableError.
    """
    with store_errors():
        for attempt in range(1, ATTEMPTS):
            try:
                return use_case()
            except DatabaseError as exception:
                if not _is_conflict(exception):
                    raise
            time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.005 * 2**attempt)))  # noqa: S311  (no secret)
        try:
            return use_case()
        except DatabaseError as exception:
            if _is_conflict(exception):
                raise StoreUnavailableError("The store is busy with other writers. Nothing was changed.") from exception
            raise


def _is_conflict(exception: DatabaseError) -> bool:
    """Whether the same use case may well succeed when it is run again."""
    if isinstance(exception, IntegrityError):
        return False
    cause = exception.__cause__
    if getattr(cause, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return True
    if getattr(cause, "sqlstate", None) in _CONFLICT_STATES:
        return True
    has_label = getattr(cause, "has_error_label", None)
    return has_label is not None and bool(has_label("TransientTransactionError"))

"""psycopg, with connections that wait for a bounded time; Django's backend uses this module as its driver."""

from typing import Any

from psycopg import *  # noqa: F403  (the errors and types that the backend looks up here)
from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus

ANSWER_SECONDS = 6.0
# How often psycopg checks for signals while it waits; its own value.
WAIT_INTERVAL_SECONDS = 0.1


class BoundedConnection(Connection[Any]):
    """Gives a server ANSWER_SECONDS for each answer, commits included; a late answer closes the connection.

    PostgreSQL's own limits end a statement only while the server lives: one that hangs, or a network that swallows
    packets, would hold the caller forever.
    """

    def wait(self, gen: Any, interval: float = WAIT_INTERVAL_SECONDS, timeout: float | None = None) -> Any:
        """What ``gen`` returns; OperationalError when that takes too long."""
        try:
            return super().wait(gen, interval, ANSWER_SECONDS if timeout is None else timeout)
        except OperationalError:
            if self.info.transaction_status == TransactionStatus.ACTIVE:
                # The connection cannot be used while an answer is pending; a rollback would wait as long again.
                self.close()
            raise


connect = BoundedConnection.connect

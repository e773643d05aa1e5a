"""Tells the breakers of every command that MongoDB has answered.

A call to the store is several commands. Where a process has just started, or its machine is slow, many calls at once
may all take long while the store answers each of their commands: it is busy then, not away.
"""

from pymongo import monitoring

from strategy_config.store import circuit_breaker


class AnswerListener(monitoring.CommandListener):
    """Hears of the commands of every client of this process, in the thread that sent them."""

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Says nothing of the store."""

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Counts for what this thread is in the middle of: reads that are answered say nothing of writes."""
        for breaker in (circuit_breaker.STORE, circuit_breaker.WRITES):
            if breaker.is_inside:
                breaker.heard()

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Leaves it to the handler of the exception."""


def listen() -> None:
    """Before the first client is made, once a process."""
    monitoring.register(AnswerListener())

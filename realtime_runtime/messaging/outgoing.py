"""A signal on its way out, what becomes of it, and whether it may leave."""

from enum import Enum
from typing import NamedTuple, Protocol


class Emission(Enum):
    """What becomes of signals: sent, kept until it is known whether they may be sent, or counted alone."""

    OPEN = "open"
    KEPT = "kept"
    WITHHELD = "withheld"


class OutgoingSignal(NamedTuple):
    """A signal on its way out; ``id`` lets a stream drop duplicates, ``traceparent`` is the trace it belongs to.

    ``decided_at`` is the monotonic instant of the decision; ``strategy_id`` and ``symbol`` are what a stop names.
    """

    subject: str
    id: str
    payload: bytes
    decided_at: float
    traceparent: str = ""
    strategy_id: str = ""
    symbol: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What goes along with it."""
        trace = {"traceparent": self.traceparent} if self.traceparent else {}
        return {"Nats-Msg-Id": self.id, **trace}


class Gate(Protocol):
    """Whether signals may leave this runtime."""

    @property
    def is_confirmed(self) -> bool:
        """Whether they may, as far as is known without asking."""

    @property
    def is_closed(self) -> bool:
        """Whether they may not, for now: what waits will never be sent."""

    async def may_publish(self) -> bool:
        """Whether they may; asks where that is not known."""


class OpenGate:
    """Every signal may leave."""

    is_confirmed = True
    is_closed = False

    async def may_publish(self) -> bool:
        return True

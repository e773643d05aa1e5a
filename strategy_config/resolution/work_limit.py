"""How long one request may work: whoever is served looks between two items of it, and an answer names the limit.

Nothing is limited but what runs in ``limited``: requests, and of those not the stops. What has committed lifts it, so
that what is stored is never answered as refused.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from strategy_config.exceptions import InvalidRequestError

LONGEST_SECONDS = 20.0
_ends_at: ContextVar[float | None] = ContextVar("work_ends_at", default=None)


class TooMuchWorkError(InvalidRequestError):
    """The request asks for more than can be done in the time that one may take; nothing was changed."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let ``check`` refuse from ``seconds`` on."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def lift() -> None:
    """Let the rest of the request take as long as it takes."""
    _ends_at.set(None)


def check() -> None:
    """Raise TooMuchWorkError where the time is over. Costs 50 ns; to be called between two items of a long work."""
    ends_at = _ends_at.get()
    if ends_at is not None and time.monotonic() > ends_at:
        raise TooMuchWorkError(
            f"This takes longer than {LONGEST_SECONDS:.0f} s, the limit for one request; nothing was changed. Ask for "
            "less at once: fewer layers, or a smaller file."
        )

"""Round trips to Redis that the threads of a process share: a request made during one joins the next.

A trip leaves after everything that goes with it was asked, so no answer is older than its question. Sixteen threads
that each talk to Redis spend most of their time on getting the interpreter back from each other: on two cores a read
takes 1.2 to 1.8 times as long then, and 1.4 times the CPU time. One thread alone loses some 10 % by it, up to 5 us:
`python -m benchmarks.batching`.
"""

import threading
from functools import lru_cache
from typing import Any

from django.conf import settings

from strategy_config.exceptions import RedisUnavailableError
from strategy_config.redis import redis_client


class Trip:
    """Commands that go together, and the replies to them. ``replies`` None once it is over: it was in vain."""

    __slots__ = ("_places", "_turnstile", "error", "packed", "replies", "size")

    def __init__(self) -> None:
        self.packed: list[bytes] = []
        self.size = 0
        self.replies: list[Any] | None = None
        self.error: Exception | None = None
        self._places: dict[bytes, int] = {}
        self._turnstile = threading.Lock()
        self._turnstile.acquire()

    def add_reads(self, packed: bytes, count: int) -> int:
        """Where the replies to these ``count`` commands will begin; what others ask as well is asked once."""
        place = self._places.get(packed)
        if place is None:
            place = self._places[packed] = self.add(packed, count)
        return place

    def add(self, packed: bytes, count: int) -> int:
        """Where the replies to these ``count`` commands will begin."""
        place = self.size
        self.packed.append(packed)
        self.size += count
        return place

    def end(self) -> None:
        """Let those who wait through."""
        self._turnstile.release()

    def wait(self) -> None:
        """Return when it is over. One lets the next through, so that they do not all want the interpreter at once."""
        with self._turnstile:
            pass


class _Line:
    """The trips to one server, one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._way = threading.Lock()
        self._next: Trip | None = None
        self._connection = redis_client.KeptConnection()

    def ask(self, reads: bytes, count: int, command: bytes | None) -> tuple[list[Any], Any]:
        """As the function `ask`."""
        with self._lock:
            trip = self._next
            is_first = trip is None
            if trip is None:
                trip = self._next = Trip()
            place = trip.add_reads(reads, count)
            last = None if command is None else trip.add(command, 1)
        if is_first:
            self._go(trip)
        else:
            trip.wait()
        if trip.replies is None:
            raise RedisUnavailableError(
                str(trip.error or "The connection to Redis was lost during the round trip.")
            ) from trip.error
        found = trip.replies[place : place + count]
        for reply in found:
            if isinstance(reply, Exception):
                raise redis_client.refused(reply) from reply
        return found, None if last is None else trip.replies[last]

    def _go(self, trip: Trip) -> None:
        """The first caller runs the whole round trip, once the previous one is over."""
        try:
            with self._way:
                with self._lock:
                    self._next = None
                packed = b"".join(trip.packed)
                trip.replies = redis_client.run(lambda client: self._connection.exchange(client, packed, trip.size))
        except RedisUnavailableError as exception:
            trip.error = exception
        finally:
            trip.end()


def ask(reads: bytes, count: int, command: bytes | None = None) -> tuple[list[Any], Any]:
    """The replies to ``count`` ready-packed commands that change nothing, and that to a ``command`` which may.

    An error that Redis answers to ``command`` stands in its place. Raises RedisUnavailableError.
    """
    return _line(settings.REDIS_URL).ask(reads, count, command)


@lru_cache(maxsize=8)
def _line(url: str) -> _Line:
    return _Line()

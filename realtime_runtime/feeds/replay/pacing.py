"""Publishes no faster than the runtimes process, so that a replay of any speed loses nothing.

The last message of each window carries a reply subject; a runtime answers there once it has *processed* that message,
with its counters. At most two windows are under way. An empty message with a reply subject only asks for the counters.
"""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from realtime_runtime.feeds.publishing import REPLAY_HEADERS
from realtime_runtime.feeds.report import say
from realtime_runtime.messaging.progress import Progress

WINDOW_MESSAGES = 1_000
WINDOWS_IN_FLIGHT = 2
PROBE_INTERVAL_SECONDS = 0.5
STALL_SECONDS = 60.0
# A runtime that has just ended may still be processing what it had taken.
UNHEARD_SECONDS = 3.0


class RuntimeGoneError(Exception):
    """A runtime stopped answering: what was under way may be lost."""


@dataclass(frozen=True, slots=True)
class Processed:
    """What one runtime did with the messages of this replay, by its own counters."""

    instance_id: str
    processed: int
    dropped: int
    errors: int


class PacedPublisher:
    """Publishes market messages to one topic, window by window.

    ``replicas`` runtimes must have answered before the first message goes out; each of them gets every message.
    """

    def __init__(self, client: Client, topic: str, *, replicas: int = 1, stall_seconds: float = STALL_SECONDS) -> None:
        self._client = client
        self._probe_subject = topic.removesuffix(".>") + (".PROBE" if topic.endswith(".>") else "")
        self._replicas = replicas
        self._stall_seconds = stall_seconds
        self._inbox = client.new_inbox()
        self._answered: defaultdict[int, set[str]] = defaultdict(set)
        self._first_open = 1
        self._window = 1
        self._in_window = 0
        self._before: dict[str, Progress] = {}
        self._latest: dict[str, Progress] = {}
        self._nobody_listens = False
        self._changed = asyncio.Event()
        self.published = 0

    async def wait_for_runtimes(self) -> None:
        """Return when ``replicas`` runtimes listen; say once that it waits for them."""
        await self._client.subscribe(f"{self._inbox}.*", cb=self._take_answer)
        has_said = False
        while len(self._before) < self._replicas:
            self._changed.clear()
            await self._probe()
            try:
                async with asyncio.timeout(PROBE_INTERVAL_SECONDS):
                    await self._wait_for_probe()
            except TimeoutError:
                if not has_said:
                    has_said = True
                    say(
                        f"waiting for a runtime on {self._probe_subject}: "
                        f"{len(self._before)} of {self._replicas} answer (python -m realtime_runtime run)"
                    )

    async def publish(self, subject: str, payload: bytes, *, is_last: bool = False) -> None:
        """Publish one message; waits while two windows are under way. Raises `RuntimeGoneError`.

        After the last message it returns when everything is processed.
        """
        self.published += 1
        self._in_window += 1
        if self._in_window < WINDOW_MESSAGES and not is_last:
            await self._client.publish(subject, payload, headers=REPLAY_HEADERS)
            return
        await self._client.publish(subject, payload, reply=f"{self._inbox}.{self._window}", headers=REPLAY_HEADERS)
        self._window += 1
        self._in_window = 0
        while self._window - self._first_open >= (1 if is_last else WINDOWS_IN_FLIGHT):
            await self._wait_for_answer()

    def processed_so_far(self) -> list[Processed]:
        """What each runtime has done by its latest answer."""
        return [
            Processed(
                instance_id,
                processed=latest.processed - self._before[instance_id].processed,
                dropped=latest.dropped - self._before[instance_id].dropped,
                errors=latest.errors - self._before[instance_id].errors,
            )
            for instance_id, latest in sorted(self._latest.items())
        ]

    async def _wait_for_probe(self) -> None:
        while len(self._before) < self._replicas:
            await self._changed.wait()
            self._changed.clear()

    async def _wait_for_answer(self) -> None:
        """Wait for the next answer to a window; asks now and then whether anybody listens at all."""
        started = time.monotonic()
        self._changed.clear()
        while not self._changed.is_set():
            try:
                # Not wait_for, which loses a cancellation that meets an answer (Python 3.11).
                async with asyncio.timeout(PROBE_INTERVAL_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                waited = time.monotonic() - started
                if waited > self._stall_seconds:
                    raise RuntimeGoneError(f"no answer of the runtime for {self._stall_seconds:g} s") from None
                if self._nobody_listens and waited > UNHEARD_SECONDS:
                    raise RuntimeGoneError("the runtime has stopped listening") from None
                await self._probe()

    async def _probe(self) -> None:
        await self._client.publish(self._probe_subject, b"", reply=f"{self._inbox}.0", headers=REPLAY_HEADERS)

    async def _take_answer(self, message: Msg) -> None:
        # An empty answer is the server's own, status 503: nobody has subscribed.
        self._nobody_listens = not message.data
        if not message.data:
            return
        number = int(message.subject.rpartition(".")[2])
        progress = msgspec.json.decode(message.data, type=Progress)
        if number == 0:
            # Who comes later has missed messages, and is not waited for.
            if not self.published:
                self._before[progress.instance_id] = self._latest[progress.instance_id] = progress
                self._changed.set()
            return
        if progress.instance_id in self._before:
            self._latest[progress.instance_id] = progress
            self._answered[number].add(progress.instance_id)
            while self._answered[self._first_open] >= self._before.keys():
                del self._answered[self._first_open]
                self._first_open += 1
            self._changed.set()

"""Replays recorded market data into running runtimes: paced by event time, or as fast as they process it."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from realtime_runtime.feeds.publishing import connected, subject_for
from realtime_runtime.feeds.replay.pacing import PacedPublisher, Processed, RuntimeGoneError
from realtime_runtime.feeds.replay.recording import RecordedMessage, UnreadableLine, read_messages, shift_event_times
from realtime_runtime.feeds.report import ProgressReport, say
from service_kit.nats_connection import NatsAccess

MAX_SILENCE_SECONDS = 5.0
"""A longer silence (a gap in the recording, the next file's day) is shortened to this."""
LOOP_GAP_MS = 100
MAX_REASONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """``speed`` is a multiple of event time; None is as fast as the runtimes process."""

    files: tuple[Path, ...]
    nats_url: str
    topic: str
    speed: float | None = 1.0
    is_loop: bool = False
    replicas: int = 1
    nats_access: NatsAccess = NatsAccess()


@dataclass(slots=True)
class Totals:
    """What a replay did. ``runtimes`` are the runtimes' own counts."""

    lines: int = 0
    published: int = 0
    unreadable: int = 0
    seconds: float = 0.0
    failure: str = ""
    runtimes: list[Processed] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether every line was published, and processed by every runtime without an error."""
        return (
            not self.failure
            and self.unreadable == 0
            and all(
                runtime.processed >= self.published and runtime.dropped == 0 and runtime.errors == 0
                for runtime in self.runtimes
            )
        )

    def __str__(self) -> str:
        rate = self.published / self.seconds if self.seconds else 0.0
        rows = [
            f"replay: {self.lines:,} lines, {self.published:,} published, {self.unreadable:,} unreadable, "
            f"{self.seconds:.1f} s, {rate:,.0f} messages/s"
        ]
        rows += [
            f"runtime {runtime.instance_id}: {runtime.processed:,} processed, {runtime.dropped:,} dropped, "
            f"{runtime.errors:,} errors"
            for runtime in self.runtimes
        ]
        if self.failure:
            rows.append(f"replay: not complete: {self.failure}")
        return "\n".join(rows)


class EventClock:
    """Sleeps until a message is due: event time since the first message, divided by the speed."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._last_ms: int | None = None
        self._due = 0.0

    async def wait_for(self, time_ms: int) -> None:
        """Sleep until the message of that event time is due. Where time runs backwards (next file) it is due now."""
        now = time.monotonic()
        if self._last_ms is None:
            self._due = now
        else:
            silence = max(0, time_ms - self._last_ms) / 1000 / self._speed
            self._due += min(silence, MAX_SILENCE_SECONDS)
        self._last_ms = time_ms
        if self._due > now:
            await asyncio.sleep(self._due - now)


class Recording:
    """The messages of several files in their order, once or for ever, with the count of what was read."""

    def __init__(self, files: Sequence[Path], *, is_loop: bool) -> None:
        self._files = files
        self._is_loop = is_loop
        self._first_ms: int | None = None
        self._last_ms = 0
        self.lines = 0
        self.unreadable = 0

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield the messages; in a second round and later with event times that go on where the first one ended."""
        for turn in count():
            shift_ms = turn * (self._last_ms - (self._first_ms or 0) + LOOP_GAP_MS) if turn else 0
            before = self.lines - self.unreadable
            for path in self._files:
                for message in self._file_messages(path):
                    if turn == 0:
                        self._note_time(message.time_ms)
                        yield message
                    else:
                        time_ms = message.time_ms + shift_ms if message.time_ms else 0
                        yield message._replace(payload=shift_event_times(message.payload, shift_ms), time_ms=time_ms)
            if not self._is_loop or self.lines - self.unreadable == before:
                return

    def _file_messages(self, path: Path) -> Iterator[RecordedMessage]:
        with ProgressReport(path.name, path.stat().st_size) as report:
            for line in read_messages(path):
                self.lines += 1
                if isinstance(line, UnreadableLine):
                    self._note_unreadable(line)
                else:
                    yield line
                    report.advance(line.position)

    def _note_time(self, time_ms: int) -> None:
        if time_ms:
            self._first_ms = time_ms if self._first_ms is None else min(self._first_ms, time_ms)
            self._last_ms = max(self._last_ms, time_ms)

    def _note_unreadable(self, line: UnreadableLine) -> None:
        self.unreadable += 1
        if self.unreadable <= MAX_REASONS:
            say(f"unreadable: {line}")
        if self.unreadable == MAX_REASONS:
            say("unreadable: further lines are counted and not shown")


async def replay(options: ReplayOptions, totals: Totals) -> None:
    """Replay the files and fill ``totals``, which are true also where this is cancelled."""
    recording = Recording(options.files, is_loop=options.is_loop)
    async with connected(options.nats_url, name="feed-replay", access=options.nats_access) as client:
        publisher = PacedPublisher(client, options.topic, replicas=options.replicas)
        await publisher.wait_for_runtimes()
        started = time.monotonic()
        try:
            await _publish_all(recording, publisher, options)
        except (RuntimeGoneError, OSError) as error:
            totals.failure = str(error)
        finally:
            totals.seconds = time.monotonic() - started
            totals.lines, totals.unreadable = recording.lines, recording.unreadable
            totals.published, totals.runtimes = publisher.published, publisher.processed_so_far()


async def _publish_all(recording: Recording, publisher: PacedPublisher, options: ReplayOptions) -> None:
    clock = None if options.speed is None else EventClock(options.speed)
    messages = recording.messages()
    message = next(messages, None)
    while message is not None:
        following = next(messages, None)
        if clock is not None and message.time_ms:
            await clock.wait_for(message.time_ms)
        subject = subject_for(options.topic, message.symbol)
        await publisher.publish(subject, message.payload, is_last=following is None)
        message = following

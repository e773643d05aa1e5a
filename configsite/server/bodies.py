"""Receiving the body of a request without a thread: within a number of bytes and of seconds, or not at all.

granian hands over received data by a callback in one of its threads; between two callbacks no thread waits.
"""

import threading
import time
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

WATCH_SECONDS = 0.25
# Each piece costs a callback; the frames of a real network are larger.
MAX_FRAMES = 1_024


class Failure(Enum):
    """Why there is no body."""

    ABORTED = auto()
    """The client has disconnected or broken the framing: no one waits for an answer."""
    LATE = auto()
    TOO_LARGE = auto()
    """Or in too many pieces."""


Received = bytes | Failure
OnEnd = Callable[[Received], None]


class Upload:
    """One body, of at most ``limit`` bytes. ``length`` None: it comes in chunks.

    ``on_end`` is called once, in a thread of granian's or in that of the deadlines (LATE only). None: the body is
    discarded, because a client that is still sending would not read its answer.
    """

    def __init__(self, protocol: Any, *, length: int | None, limit: int, on_end: OnEnd | None) -> None:
        self._protocol = protocol
        self._length = length
        self._limit = limit
        self._on_end = on_end
        self._is_over = threading.Lock()
        self._future: Any = None
        self._body = bytearray()
        self._size = 0
        self._frames = 0

    def start(self) -> None:
        """Begin to receive."""
        if self._length is None or self._on_end is None:
            self._protocol.__aiter__()
            self._receive_frame()
        else:
            # granian collects it; the length bounds it.
            self._await(self._protocol(), self._collected)

    def expire(self) -> None:
        """The time is up. No effect on a complete body."""
        future = self._future
        if self._end(Failure.LATE) and future is not None:
            # Releases the connection, on which granian would wait for the rest.
            future.cancel()

    @property
    def is_over(self) -> bool:
        """Whether ``on_end`` has been called."""
        return self._is_over.locked()

    def _await(self, future: Any, callback: Callable[[Any], None]) -> None:
        self._future = future
        future.add_done_callback(callback)
        if self.is_over:
            future.cancel()

    def _collected(self, future: Any) -> None:
        try:
            body = future.result()
        except (CancelledError, RuntimeError):
            self._end(Failure.ABORTED)
        else:
            self._end(body if len(body) == self._length else Failure.ABORTED)

    def _receive_frame(self) -> None:
        try:
            future = self._protocol.__anext__()
        except StopAsyncIteration:
            self._end(bytes(self._body))
        else:
            self._await(future, self._frame_received)

    def _frame_received(self, future: Any) -> None:
        try:
            frame = future.result()
        except (CancelledError, RuntimeError):
            self._end(Failure.ABORTED)
            return
        self._size += len(frame)
        self._frames += 1
        if self._on_end is not None:
            self._body += frame
        if self._size > self._limit or self._frames > MAX_FRAMES:
            self._end(Failure.TOO_LARGE)
        elif not frame and not self._is_last():
            self._end(Failure.ABORTED)
        elif frame:
            self._receive_frame()

    def _is_last(self) -> bool:
        """After an empty frame: granian reports so both the end of the body and a broken connection."""
        try:
            self._protocol.__anext__().cancel()
        except StopAsyncIteration:
            self._end(bytes(self._body))
            return True
        return False

    def _end(self, received: Received) -> bool:
        if not self._is_over.acquire(blocking=False):
            return False
        on_end = self._on_end
        self._on_end = self._protocol = self._future = None
        self._body = bytearray()
        if on_end is not None:
            on_end(received)
        return True


class Deadlines:
    """Starts the uploads of one kind, and ends them after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._pending: deque[tuple[float, Upload]] = deque()
        self._has_some = threading.Event()
        self._is_ending = False
        threading.Thread(target=self._watch, name=f"bodies-{seconds:g}s", daemon=True).start()

    def start(self, upload: Upload) -> None:
        """Start receiving the body; abandon it when its time is over."""
        self._pending.append((time.monotonic() + self._seconds, upload))
        self._has_some.set()
        upload.start()

    def end(self) -> None:
        """Abandon incomplete bodies after a moment, now and from now on: the process is about to end."""
        self._is_ending = True

    def _watch(self) -> None:
        while True:
            self._has_some.wait()
            self._has_some.clear()
            while self._pending:
                due, upload = self._pending[0]
                if upload.is_over or due <= time.monotonic() or self._is_ending:
                    self._pending.popleft()
                    upload.expire()
                else:
                    time.sleep(WATCH_SECONDS)

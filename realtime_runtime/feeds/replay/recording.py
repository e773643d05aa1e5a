"""Reads recorded market data: one combined-stream message a line, plain, gzip or zstd.

Times are Unix milliseconds. Microseconds, as in the exchange's own files since 2025, are turned into them; a line in
seconds or nanoseconds is refused with that reason.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import zstandard

from strategy_core.market.decoding import UNREADABLE

MAX_LINE_BYTES = 1_000_000
"""Just below nats-server's default limit for a payload."""
PIECE_BYTES = 8 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SECONDS_FROM = 1_000_000_000
"""From September 2001 on; as milliseconds this is January 1970, when there was no market."""
SECONDS_UNTIL = 100_000_000_000
MICROSECONDS_FROM = 100_000_000_000_000
NANOSECONDS_FROM = 100_000_000_000_000_000


class RecordedMessage(NamedTuple):
    """One line: the envelope as it is in the file, with times in milliseconds, and what the replay needs of it.

    ``time_ms`` is the line's ``ts``, else the event time ``data.E``, else 0 (not known). ``symbol`` is in capitals,
    empty for a stream of a whole market. ``position`` is how many bytes of the file were read so far.
    """

    payload: bytes
    symbol: str
    time_ms: int
    position: int


class UnreadableLine(NamedTuple):
    """A line that is no message; ``line`` counts from 1."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


class _Event(msgspec.Struct):
    symbol: str = msgspec.field(name="s", default="")
    time_ms: int = msgspec.field(name="E", default=0)
    other_time_ms: int = msgspec.field(name="T", default=0)


class _Line(msgspec.Struct):
    stream: str
    # A message of a whole market is a list, without a symbol and a time of its own.
    data: _Event | list[msgspec.Raw]
    ts: int = 0


_decode_line = msgspec.json.Decoder(_Line).decode


def read_messages(path: Path) -> Iterator[RecordedMessage | UnreadableLine]:
    """Yield the file's messages and, in their place, the lines that are none; blank lines are left out.

    A file that breaks off inside its compression ends with an `UnreadableLine`. Raises OSError where the file
    cannot be opened.
    """
    number = 0
    with _opened(path) as (lines, raw):
        try:
            while line := lines.readline(MAX_LINE_BYTES + 1):
                number += 1
                if number == 1:
                    line = line.removeprefix(BYTE_ORDER_MARK)
                if len(line) > MAX_LINE_BYTES:
                    yield UnreadableLine(path, number, f"longer than {MAX_LINE_BYTES:,} bytes")
                    while line and not line.endswith(b"\n"):
                        line = lines.readline(MAX_LINE_BYTES)
                elif payload := line.strip():
                    yield _parse(payload, path, number, raw.tell())
        except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            yield UnreadableLine(path, number + 1, f"the file cannot be read any further: {error}")


def shift_event_times(payload: bytes, by_ms: int) -> bytes:
    """The message with its event times (``E`` and ``T`` of ``data``, and ``ts``) moved, all else unchanged."""
    return _with_times(payload, lambda time_ms: time_ms + by_ms)


def _with_times(payload: bytes, change: Callable[[int], int]) -> bytes:
    message: dict[str, Any] = msgspec.json.decode(payload)
    for holder, names in ((message, ("ts",)), (message["data"], ("E", "T"))):
        for name in names:
            if isinstance(holder, dict) and isinstance(holder.get(name), int):
                holder[name] = change(holder[name])
    return msgspec.json.encode(message)


def _in_milliseconds(time: int) -> int:
    """A time in microseconds as milliseconds, any other one as it is."""
    return time // 1_000 if MICROSECONDS_FROM <= time < NANOSECONDS_FROM else time


def _problem_with(times: Sequence[int]) -> str:
    """Why the times of a line cannot be used; empty where they can."""
    for time in times:
        if SECONDS_FROM <= time < SECONDS_UNTIL:
            return f"the time {time} is in seconds; write it in milliseconds"
        if time >= NANOSECONDS_FROM:
            return f"the time {time} is in nanoseconds; write it in milliseconds"
    return ""


def _parse(payload: bytes, path: Path, number: int, position: int) -> RecordedMessage | UnreadableLine:
    try:
        line = _decode_line(payload)
    except UNREADABLE as error:
        return UnreadableLine(path, number, f"not a market message: {error}")
    event = line.data if isinstance(line.data, _Event) else _Event()
    times = (line.ts, event.time_ms, event.other_time_ms)
    if problem := _problem_with(times):
        return UnreadableLine(path, number, problem)
    if max(times) >= MICROSECONDS_FROM:
        payload = _with_times(payload, _in_milliseconds)
    symbol = event.symbol or line.stream.partition("@")[0]
    return RecordedMessage(
        payload,
        "" if symbol.startswith("!") else symbol.upper(),
        _in_milliseconds(line.ts or event.time_ms),
        position,
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[io.BufferedReader, BinaryIO]]:
    """The decompressed bytes, and the file below, whose position tells the progress."""
    with path.open("rb") as raw:
        if path.suffix == ".gz":
            stream: Any = _Pieces(_gunzipped(raw))
        elif path.suffix == ".zst":
            stream = _Pieces(_unzstandarded(raw))
        else:
            stream = raw
        yield io.BufferedReader(stream, buffer_size=1 << 16), raw


def _gunzipped(raw: BinaryIO) -> Iterator[bytes]:
    stream = gzip.GzipFile(fileobj=raw)
    while piece := stream.read1(PIECE_BYTES):
        yield piece


def _unzstandarded(raw: BinaryIO) -> Iterator[bytes]:
    """Frame by frame: the library's own reader takes a frame that breaks off for one that has ended."""
    decompressor = zstandard.ZstdDecompressor()
    frame, rest = None, b""
    while compressed := rest or raw.read(PIECE_BYTES):
        if frame is None:
            frame = decompressor.decompressobj()
        yield frame.decompress(compressed)
        rest = frame.unused_data
        if frame.eof:
            frame = None
    if frame is not None:
        raise EOFError("it ends in the middle of a frame")


class _Pieces(io.RawIOBase):
    """Pieces as a file. Unlike a reader that fills its buffer first, it gives all that comes before one that fails."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As much as there is and fits; 0 at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

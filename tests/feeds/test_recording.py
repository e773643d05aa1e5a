"""Recorded files are read whole, in every format, and what cannot be read is named."""

import gzip
import json
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
import zstandard

from realtime_runtime.feeds.replay.recording import (
    MAX_LINE_BYTES,
    RecordedMessage,
    UnreadableLine,
    read_messages,
    shift_event_times,
)

TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000123,"s":"BTCUSDT","p":"1","q":"2","m":true},"ts":7}'
)
DEPTH = b'{"stream": "ethusdt@depth20@100ms", "data": {"bids": [["1", "2"]], "asks": []}, "ts": 1700000000200}'
WITHOUT_TS = b'{"stream":"btcusdt@trade","data":{"E":1700000000300,"s":"BTCUSDT"}}'
WHOLE_MARKET = b'{"stream":"!ticker@arr","data":[{"E":5,"s":"BTCUSDT"}],"ts":9}'


def write_plain(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def write_gzip(path: Path, content: bytes) -> Path:
    return write_plain(path.with_name(path.name + ".gz"), gzip.compress(content))


def write_zstd_in_two_frames(path: Path, content: bytes) -> Path:
    compress = zstandard.ZstdCompressor().compress
    middle = len(content) // 2
    return write_plain(path.with_name(path.name + ".zst"), compress(content[:middle]) + compress(content[middle:]))


@pytest.mark.parametrize("write", [write_plain, write_gzip, write_zstd_in_two_frames])
def test_read_messages__each_format__gives_the_lines_as_they_are(
    write: Callable[[Path, bytes], Path], tmp_path: Path
) -> None:
    content = b"\n".join([TRADE, b"", DEPTH, WITHOUT_TS, WHOLE_MARKET])
    path = write(tmp_path / "day.jsonl", content)
    messages = [line for line in read_messages(path) if isinstance(line, RecordedMessage)]
    assert [message.payload for message in messages] == [TRADE, DEPTH, WITHOUT_TS, WHOLE_MARKET]
    assert [message.symbol for message in messages] == ["BTCUSDT", "ETHUSDT", "BTCUSDT", ""]
    assert [message.time_ms for message in messages] == [7, 1700000000200, 1700000000300, 9]
    assert messages[-1].position == path.stat().st_size


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        b'{"stream":"btcusdt@trade"}',
        b'{"stream":5,"data":{}}',
        b'{"stream":"btcusdt@trade","data":{"E":"soon"}}',
        b'{"stream":"\xff\xfe","data":{}}',
        b"[]",
        b'{"stream":"btcusdt@trade","data":' + b"[" * 100_000,
        b'{"stream":"btcusdt@trade","data":{"s":"' + b"A" * MAX_LINE_BYTES + b'"}}',
        b'{"stream":"btcusdt@trade","data":{"E":1735689600,"s":"BTCUSDT"}}',
        b'{"stream":"btcusdt@trade","data":{"E":1735689600123,"T":1735689600,"s":"BTCUSDT"}}',
        b'{"stream":"btcusdt@trade","data":{"E":1735689600123000000,"s":"BTCUSDT"}}',
    ],
    ids=["text", "no data", "stream is a number", "time is text", "not utf-8", "a list", "too deep", "too long"]
    + ["seconds", "seconds beside milliseconds", "nanoseconds"],
)
def test_read_messages__an_unreadable_line__is_named_and_the_next_ones_are_read(bad: bytes, tmp_path: Path) -> None:
    path = write_plain(tmp_path / "day.jsonl", b"\n".join([TRADE, bad, DEPTH]))
    first, unreadable, last = read_messages(path)
    assert isinstance(unreadable, UnreadableLine)
    assert str(unreadable).startswith(f"{path}:2: ")
    assert [line.payload for line in (first, last) if isinstance(line, RecordedMessage)] == [TRADE, DEPTH]


def test_read_messages__in_seconds__says_so(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "day.jsonl", b'{"stream":"btcusdt@trade","data":{"E":1735689600,"s":"BTCUSDT"}}')
    (unreadable,) = read_messages(path)
    assert isinstance(unreadable, UnreadableLine)
    assert unreadable.reason == "the time 1735689600 is in seconds; write it in milliseconds"


def test_read_messages__in_microseconds__gives_milliseconds(tmp_path: Path) -> None:
    data = b'{"stream":"btcusdt@trade","data":{"E":%d,"T":%d,"s":"BTCUSDT","p":"1"},"ts":%d}'
    path = write_plain(tmp_path / "day.jsonl", data % (1735689600123456, 1735689600122000, 1735689600123456))
    (message,) = read_messages(path)
    assert isinstance(message, RecordedMessage)
    assert message.time_ms == 1735689600123
    assert message.payload == data % (1735689600123, 1735689600122, 1735689600123)


@pytest.mark.parametrize("write", [write_plain, write_gzip, write_zstd_in_two_frames])
def test_read_messages__with_a_byte_order_mark__loses_no_line(
    write: Callable[[Path, bytes], Path], tmp_path: Path
) -> None:
    path = write(tmp_path / "day.jsonl", b"\xef\xbb\xbf" + TRADE + b"\n" + DEPTH)
    assert [line.payload for line in read_messages(path) if isinstance(line, RecordedMessage)] == [TRADE, DEPTH]


@pytest.mark.parametrize("write", [write_gzip, write_zstd_in_two_frames])
def test_read_messages__a_file_that_breaks_off__gives_what_is_there_and_names_the_place(
    write: Callable[[Path, bytes], Path], tmp_path: Path
) -> None:
    lines = [json.dumps({"stream": f"s{i}usdt@trade", "data": {"E": i}}).encode() for i in range(50_000)]
    path = write(tmp_path / "day.jsonl", b"\n".join(lines))
    path.write_bytes(path.read_bytes()[:-5000])
    *messages, last = read_messages(path)
    assert len(messages) > 10_000
    assert [message.payload for message in messages if isinstance(message, RecordedMessage)] == lines[: len(messages)]
    assert all(isinstance(message, RecordedMessage) for message in messages[:-1])
    assert isinstance(last, UnreadableLine)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("write", [write_gzip, write_zstd_in_two_frames])
def test_read_messages__compressed_and_cut__loses_no_line_that_is_whole_and_is_never_complete(
    write: Callable[[Path, bytes], Path], share: float, tmp_path: Path
) -> None:
    lines = [json.dumps({"stream": sha256(b"%d" % n).hexdigest(), "data": {}}).encode() for n in range(20_000)]
    path = write(tmp_path / "day.jsonl", b"\n".join(lines))
    cut = path.read_bytes()[: int(path.stat().st_size * share)]
    path.write_bytes(cut)
    whole = decompressed(cut).count(b"\n")
    *messages, last = read_messages(path)
    assert len(messages) == whole
    assert isinstance(last, UnreadableLine)


def decompressed(cut: bytes) -> bytes:
    """All that can be had of the first stream or frames of it."""
    if cut.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(cut)
    first = zstandard.ZstdDecompressor().decompressobj()
    content = first.decompress(cut)
    return content + (decompressed(first.unused_data) if first.unused_data else b"")


def test_read_messages__no_gzip_inside__is_one_unreadable_line(tmp_path: Path) -> None:
    (only,) = read_messages(write_plain(tmp_path / "day.jsonl.gz", TRADE))
    assert isinstance(only, UnreadableLine)
    assert only.line == 1


def test_read_messages__every_recorded_file__has_the_rows_of_the_manifest(market_data: Path) -> None:
    manifest = json.loads((market_data / "MANIFEST.json").read_text())
    files = {name: facts["rows"] for name, facts in manifest.items() if name.startswith("market/")}
    assert len(files) == 17
    for name, rows in files.items():
        lines = list(read_messages(market_data / name))
        assert [line for line in lines if isinstance(line, UnreadableLine)] == []
        assert len(lines) == rows


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            b'{"stream":"x","data":{"E":1000,"T":990,"t":5,"p":"1.50"},"ts":1001}',
            {"stream": "x", "data": {"E": 1100, "T": 1090, "t": 5, "p": "1.50"}, "ts": 1101},
        ),
        (b'{"stream":"x","data":{"bids":[]},"ts":1}', {"stream": "x", "data": {"bids": []}, "ts": 101}),
        (b'{"stream":"x","data":[{"E":1}]}', {"stream": "x", "data": [{"E": 1}]}),
    ],
)
def test_shift_event_times__any_message__moves_its_times_only(payload: bytes, expected: object) -> None:
    assert msgspec.json.decode(shift_event_times(payload, 100)) == expected

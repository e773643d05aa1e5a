"""The snapshot file: round trip, every way of being unusable, and never a half-written one."""

import json
import os
from pathlib import Path

import pytest

from realtime_runtime.config import snapshot
from tests.runtime.site import document, layer_config

SAVED = snapshot.Snapshot(
    prefix="strategies",
    sequence=7,
    saved_at="2026-01-01T00:00:00.000+00:00",
    documents={"orderbook_skew": document(layer_config("orderbook_skew")), "ünïcode": b'{"a":[1,2.50,"x"]}'},
)


def test_snapshot__written_and_read__is_the_same_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "snapshot.json"
    snapshot.write(path, SAVED)
    assert snapshot.read(path, prefix="strategies") == SAVED
    assert path.stat().st_mode & 0o077 == 0
    assert os.listdir(path.parent) == ["snapshot.json"]


def test_snapshot__absent__is_none(tmp_path: Path) -> None:
    assert snapshot.read(tmp_path / "none.json", prefix="strategies") is None


def _truncated(content: bytes) -> bytes:
    return content[:-1]


def _flipped(content: bytes) -> bytes:
    return content.replace(b'"top_levels":5', b'"top_levels":6')


def _older(content: bytes) -> bytes:
    header, _, body = content.partition(b"\n")
    return json.dumps({**json.loads(header), "format": 0}).encode() + b"\n" + body


@pytest.mark.parametrize(
    "damage",
    [
        _truncated,
        _flipped,
        _older,
        lambda _: b"",
        lambda _: b"\xff\xfe\n{}",
        lambda content: content.partition(b"\n")[2],
    ],
    ids=["truncated", "flipped", "older format", "empty", "binary", "no header"],
)
def test_snapshot__damaged__refused(tmp_path: Path, damage: "object") -> None:
    path = tmp_path / "snapshot.json"
    snapshot.write(path, SAVED)
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(snapshot.SnapshotError):
        snapshot.read(path, prefix="strategies")


def test_snapshot__of_another_prefix__refused(tmp_path: Path) -> None:
    snapshot.write(tmp_path / "snapshot.json", SAVED)
    with pytest.raises(snapshot.SnapshotError, match="strategies"):
        snapshot.read(tmp_path / "snapshot.json", prefix="other")


def test_snapshot__that_fails_while_written__leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshot.json"
    snapshot.write(path, SAVED)

    def disk_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        snapshot.write(path, snapshot.Snapshot("strategies", 8, "", {}))
    assert snapshot.read(path, prefix="strategies") == SAVED
    assert os.listdir(tmp_path) == ["snapshot.json"]

"""Halts as such: what they stop, what ends them, how they are read and kept."""

import json
import os
from pathlib import Path
from uuid import uuid4

import pytest

from realtime_runtime.halts import halt_file
from strategy_core.configuration import halts
from strategy_core.configuration.halts import EVERYTHING, Halt, Halts, Scope, read_halt, read_scope

SKEW, MOMENTUM = "orderbook_skew", "trade_momentum"


def halt(scope: Scope = EVERYTHING) -> Halt:
    return Halt(
        id=str(uuid4()), scope=scope, at="2026-01-01T00:00:00.000+00:00", by="ann", reason="test", channel="api"
    )


@pytest.mark.parametrize(
    ("scope", "stopped"),
    [
        (EVERYTHING, {(SKEW, "BTCUSDT"), (SKEW, "ETHUSDT"), (MOMENTUM, "BTCUSDT"), (MOMENTUM, "ETHUSDT")}),
        (Scope(strategy_id=SKEW), {(SKEW, "BTCUSDT"), (SKEW, "ETHUSDT")}),
        (Scope(symbol="BTCUSDT"), {(SKEW, "BTCUSDT"), (MOMENTUM, "BTCUSDT")}),
        (Scope(strategy_id=SKEW, symbol="BTCUSDT"), {(SKEW, "BTCUSDT")}),
    ],
)
def test_halt__of_each_scope__stops_exactly_that(scope: Scope, stopped: set[tuple[str, str]]) -> None:
    held = Halts()
    held.add([halt(scope)])
    pairs = {(strategy_id, symbol) for strategy_id in (SKEW, MOMENTUM) for symbol in ("BTCUSDT", "ETHUSDT")}
    assert {pair for pair in pairs if held.is_halted(*pair)} == stopped


def test_resume__names_one_of_two__the_other_holds_and_the_first_never_comes_back() -> None:
    first, second, held = halt(), halt(), Halts()
    assert held.add([first, second]) == [first, second]
    assert held.resume([first.id]) == [first]
    assert held.is_halted(SKEW, "BTCUSDT")
    assert held.resume([second.id]) == [second]
    assert not held.is_halted(SKEW, "BTCUSDT")
    assert held.add([first, second]) == []
    assert not held.is_halted(SKEW, "BTCUSDT")


def test_resume__of_a_halt_that_comes_later__it_never_halts() -> None:
    late, held = halt(), Halts()
    assert held.resume([late.id]) == []
    assert held.add([late]) == []


def test_resumed__beyond_the_limit__the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halts, "RESUMED_LIMIT", 2)
    held, ids = Halts(), [str(uuid4()) for _ in range(3)]
    held.resume(ids)
    assert held.resumed == tuple(ids[1:])


@pytest.mark.parametrize(
    "scope",
    [
        None,
        "everything",
        7,
        [],
        {"strategy_id": 5},
        {"symbol": ""},
        {"strategy_id": SKEW, "symbol": 1},
        {"symbol": "x" * 25},
    ],
)
def test_scope__that_cannot_be_read__is_everything(scope: object) -> None:
    assert read_scope(scope) == EVERYTHING


def test_scope__with_a_member_of_another_version__stops_all_that_is_known_of_it() -> None:
    assert read_scope({"strategy_id": SKEW, "side": "BUY"}) == Scope(strategy_id=SKEW)
    assert read_scope({"symbol": "btcusdt"}) == Scope(symbol="BTCUSDT")


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b'{"id": 5', b"[" * 100_000])
def test_record__that_cannot_be_read__halts_everything_under_its_field(raw: bytes) -> None:
    identity = str(uuid4())
    found = read_halt(raw, fallback_id=identity)
    assert found is not None
    assert (found.id, found.scope) == (identity, EVERYTHING)
    assert read_halt(raw) is None


def test_texts__too_long_or_with_controls__are_cut_and_cleaned() -> None:
    raw = json.dumps({"id": str(uuid4()), "reason": "a\r\n\x1b[2J" + "x" * 2_000, "by": 5}).encode()
    found = read_halt(raw)
    assert found is not None
    assert len(found.reason) == halts.REASON_LENGTH
    assert found.reason.isprintable()
    assert found.reason.endswith(halts.CUT)
    assert found.by == ""


def test_file__written_and_read__holds_halts_and_resumed(tmp_path: Path) -> None:
    first, second, held = halt(Scope(strategy_id=SKEW)), halt(), Halts()
    held.add([first, second])
    held.resume([second.id])
    path = tmp_path / "deep" / "halts.json"
    halt_file.write(path, halt_file.encode(held))
    assert halt_file.read(path) == ([first], [second.id])
    assert path.stat().st_mode & 0o077 == 0


def test_file__absent__holds_nothing(tmp_path: Path) -> None:
    assert halt_file.read(tmp_path / "none") == ([], [])


def test_file__damaged_anywhere__refused(tmp_path: Path) -> None:
    held, path = Halts(), tmp_path / "halts.json"
    held.add([halt()])
    content = halt_file.encode(held)
    for at in range(len(content)):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]):
            path.write_bytes(damaged)
            with pytest.raises(halt_file.HaltFileError):
                halt_file.read(path)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo])
def test_file__that_is_none__refused_without_waiting(tmp_path: Path, make: object) -> None:
    path = tmp_path / "halts.json"
    assert callable(make)
    make(path)
    with pytest.raises(halt_file.HaltFileError):
        halt_file.read(path)

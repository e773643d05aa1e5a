"""Inputs that run in the engine, in the resolution or in the wire formats alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.found_faults import former_names
from tests.found_faults.conftest import Run

HOURS = 8


@pytest.mark.parametrize("name", ["bug-03", "bug-05", "bug-09", "bug-10"])
def test_engine__input_of_a_found_fault__ends_as_is_right(
    fault_inputs: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    former_names.run(fault_inputs / f"{name}.py")
    printed = capsys.readouterr().out
    assert "ok" in printed
    assert "FAIL" not in printed


def test_dominance__ahead_of_time_or_impossible__is_refused_and_honest_figures_after_it_count(
    fault_inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Case b of the file has no market from its first second on, and without one no signal leaves today."""
    scope: dict[str, Any] = former_names.run(fault_inputs / "bug-07.py")
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("ok") for line in lines if not line.startswith("b:")] == [True, True, True]
    engine, now, hour = scope["engine"]("btc_dominance"), scope["NOW"], scope["HOUR"]
    scope["dominance"](engine, 50, now, now)
    scope["dominance"](engine, 51, now + 9 * hour, now + 1_000)
    signals = []
    for count in range(1, HOURS + 1):
        at = now + count * hour
        scope["send"](engine, "btcusdt@trade", scope["trade"](100_000, 1, at, number=count), now=at)
        signals += scope["dominance"](engine, 50 + 1.5 * count, at, at)
    assert signals


def test_clock_behind__dated_and_undated_data__is_untimely_and_not_traded_on(
    fault_inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file counts ``stale``; what is untimely has a counter of its own today."""
    scope = former_names.run(fault_inputs / "bug-18.py")
    assert "traded on undated books meanwhile ok" in capsys.readouterr().out
    assert sum(scope["engine"].counters.untimely.values()) > 0


def test_documents__of_another_version__switch_off(fault_inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    former_names.run(fault_inputs / "attack-03.py")
    cases = [line for line in capsys.readouterr().out.splitlines() if "enabled=" in line and "sequence" in line]
    assert ["enabled=False" in case for case in cases] == [True] * 4


def test_layers__when_a_range_became_narrower__lose_the_value_that_does_not_fit_alone(run: Run) -> None:
    lines = run("attack-05.py").splitlines()
    eth = [line for line in lines if " ETHUSDT " in line and "in force:" in line and not line.startswith("PATCH")]
    assert [line.rpartition("buy_threshold ")[2] for line in eth] == ["1.7", "1.7", "1.9"]
    assert [line.rpartition("top_levels ")[2].partition(",")[0] for line in eth] == ["15", "5", "5"]
    assert any("The global value of top_levels is not in force" in line for line in lines)


def test_import_files__that_kept_a_worker_busy__are_read_or_refused_in_seconds(run: Run) -> None:
    measured = [line.split(" bytes ") for line in run("attack-08.py").splitlines() if " bytes " in line]
    seconds = [float(right.split()[0]) for _, right in measured]
    assert len(seconds) == 6
    # They took up to a minute each; alone these take fractions of a second.
    assert max(seconds) < 15


def test_mongodb__commit_asked_for_again__answers_as_the_retry_expects(run: Run) -> None:
    """It shows what the server does; what the product makes of that is in tests/strategy_config/test_mongodb_lost."""
    printed = run("attack-10.py")
    assert "TransientTransactionError" in printed
    assert "the row is there: {'_id': 1}" in printed

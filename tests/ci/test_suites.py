"""What CI prints of a suite whose tests fail once, or twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MAKEFILE = """
.PHONY: suite broken

suite:
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 {python} -m pytest -p xdist.plugin -n 2 toys

broken:
	exit 3
"""
# A test of each kind, by how many of its runs fail.
TESTS = """
import pytest
from pathlib import Path

@pytest.mark.parametrize("failures", {failures})
def test_fails_at_first(failures):
    runs = Path(f"runs-{{failures}}")
    done = int(runs.read_text()) if runs.exists() else 0
    runs.write_text(str(done + 1))
    assert done >= failures
"""


def run_suites(directory: Path, *suites: str, failures: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run CI's script on a project with one test for each number of runs that fail."""
    (directory / "toys").mkdir()
    (directory / "toys" / "test_toy.py").write_text(TESTS.format(failures=failures))
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "Makefile").write_text(MAKEFILE.format(python=sys.executable))
    ours = ("PYTEST_", "COV", "MAKE", "DJANGO_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    command = [sys.executable, ROOT / ".ci" / "suites.py", *suites]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(
    ("failures", "named"),
    [
        ((0, 0), ["none"]),
        ((0, 1), ["toys/test_toy.py::test_fails_at_first[1]"]),
    ],
    ids=["never", "once"],
)
def test_suites__that_pass__name_what_took_a_second_run_in_the_last_lines(
    failures: tuple[int, ...], named: list[str], tmp_path: Path
) -> None:
    done = run_suites(tmp_path, "suite", failures=failures)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-len(named) :] == [f"passed on the second run: {each}" for each in named]
    assert f"{len(failures) - max(failures)} passed" in done.stdout


def test_suites__test_that_fails_twice__fail_the_run(tmp_path: Path) -> None:
    done = run_suites(tmp_path, "suite", "broken", failures=(0, 2))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == ["failed: make suite", "passed on the second run: none"]
    assert "make broken" not in done.stdout


def test_suites__target_without_tests_that_fails__fails_the_run_at_once(tmp_path: Path) -> None:
    done = run_suites(tmp_path, "broken")
    assert done.returncode == 1
    assert done.stdout.count("make broken: ") == 1


def test_suites__after_a_second_run__the_next_suite_begins_anew(tmp_path: Path) -> None:
    done = run_suites(tmp_path, "suite", "suite", failures=(0, 1))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("passed on the second run: ") == 1
    assert done.stdout.count("2 passed") == 1

"""Runs targets of the Makefile; tests that fail are run once more by themselves, and named at the end.

The tests wait for real servers and browsers, on machines that other work slows down too: a test that passes on its
second run does not fail the run, but it is printed by name as one of the last lines. The aim is that there is none.

    .venv/bin/python .ci/suites.py check-deploy "test COVERAGE=1" …
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

# pytest keeps here which tests failed last, in the process that leads those of pytest-xdist too.
LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")
SECOND_RUN = "--last-failed --last-failed-no-failures none"


def main(suites: list[str]) -> int:
    """Run the suites one after another up to the first that fails twice; 1 where one does."""
    retried: list[str] = []
    has_failed = False
    for suite in suites:
        passed, failures = _run(suite)
        if not passed:
            print(f"failed: make {suite}")
            has_failed = True
            break
        retried += failures
    for each in retried or ["none"]:
        print(f"passed on the second run: {each}")
    return int(has_failed)


def _run(suite: str) -> tuple[bool, list[str]]:
    """Whether the suite passed, and the node ids of the tests that passed on the second run only."""
    if _make(suite, os.environ):
        return True, []
    failures = sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} {SECOND_RUN}"
    return bool(failures) and _make(suite, {**os.environ, "PYTEST_ADDOPTS": options}), failures


def _make(suite: str, environment: Mapping[str, str]) -> bool:
    started = time.monotonic()
    done = subprocess.run(["make", *suite.split()], env=environment)  # noqa: S603, S607 - a target of ours
    print(f"make {suite}: {time.monotonic() - started:.0f} s, exit code {done.returncode}", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

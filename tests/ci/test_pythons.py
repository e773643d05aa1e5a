"""The versions of Python that the project names are those that its targets look for."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CLASSIFIED = re.findall(r"Programming Language :: Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))


def test_classifiers__first__is_the_least_that_is_required() -> None:
    assert PROJECT["requires-python"] == f">={CLASSIFIED[0]}"


@pytest.mark.parametrize(
    ("path", "start", "versions"),
    [
        ("Makefile", "PYTHON ?= $(shell for name in ", CLASSIFIED),
        (".ci/run", "  for name in ", CLASSIFIED),
        ("Makefile", "\t@for name in ", CLASSIFIED[1:]),
    ],
    ids=["make", "ci", "test-pythons"],
)
def test_classifiers__python_that_is_looked_for__is_among_them(path: str, start: str, versions: list[str]) -> None:
    lines = [line for line in (ROOT / path).read_text().splitlines() if line.startswith(start + "python")]
    assert [re.findall(r"python(3\.\d+)", line) for line in lines] == [versions]

"""The locks as pip reads them with --require-hashes: the pip that comes with Python 3.11, too."""

import itertools
import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
# Each has all that the one before it has.
LOCKS = ("requirements.txt", "requirements-run.txt", "requirements-dev.txt")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([^]]*)\])?==", re.MULTILINE)
_RELEASE = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)


def pins(name: str) -> dict[str, set[str]]:
    """The locked distributions, each with the extras that its line names."""
    found = _PIN.findall((ROOT / name).read_text())
    return {canonicalize_name(name): set(filter(None, extras.split(","))) for name, extras in found}


def asked_extras(locked: dict[str, set[str]]) -> set[tuple[str, str, str]]:
    """(who asks, of whom, which extra) among the locked distributions that are installed."""
    asked = set()
    for name, extras in locked.items():
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of another platform
            continue
        for requirement in map(Requirement, requirements):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                asked |= {(name, canonicalize_name(requirement.name), extra) for extra in requirement.extras}
    return asked


@pytest.mark.parametrize("name", LOCKS)
def test_lock__extra_that_a_dependency_asks_for__is_named_in_its_pin(name: str) -> None:
    """pip 23 takes "coverage" for "coverage[toml]" only while the locked release is the newest one of all."""
    locked = pins(name)
    asked = asked_extras(locked)
    assert asked
    assert {(who, whom, extra) for who, whom, extra in asked if extra not in locked[whom]} == set()


@pytest.mark.parametrize(("smaller", "larger"), list(itertools.pairwise(LOCKS)))
def test_lock__of_more__has_the_same_releases_as_that_of_less(smaller: str, larger: str) -> None:
    """They are installed one over the other into one environment."""
    few, many = (set(_RELEASE.findall((ROOT / name).read_text())) for name in (smaller, larger))
    assert few < many


def test_lock__of_production__has_no_numerics() -> None:
    """475 MB of them came with a client for one endpoint; nothing in production computes with them."""
    assert pins("requirements.txt").keys() & {"numpy", "scipy", "pandas", "polars", "pyarrow"} == set()


def test_lock__of_make_run__has_no_tools() -> None:
    assert (
        pins("requirements-run.txt").keys() & {"pytest", "mypy", "ruff", "playwright", "kubernetes-validate"} == set()
    )

"""What the Makefile installs, and when: on a copy of it, with locks of one package that was made here."""

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from embedded.install import Installation
from tests.conftest import PROJECT_ROOT

PACKAGES = {"run": "served", "dev": "tested"}


def wheel_of(name: str, folder: Path) -> str:
    """Make a wheel of an empty module; returns the line of a lock."""
    path = folder / f"{name}-1-py3-none-any.whl"
    about = f"{name}-1.dist-info"
    files = {
        f"{name}.py": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "".join(f"{each},,\n" for each in (f"{name}.py", f"{about}/METADATA", f"{about}/WHEEL")),
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for each, text in files.items():
            wheel.writestr(each, text)
    return f"{name}==1 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile and the installer, with locks of their own."""
    shutil.copy(PROJECT_ROOT / "Makefile", tmp_path)
    (tmp_path / "embedded").mkdir()
    for name in ("__init__.py", "install.py", "steps.py"):
        shutil.copy(PROJECT_ROOT / "embedded" / name, tmp_path / "embedded")
    for lock, package in PACKAGES.items():
        (tmp_path / f"requirements-{lock}.txt").write_text(wheel_of(package, tmp_path))
    return tmp_path


def make(checkout: Path, *arguments: str) -> str:
    """What make says."""
    environ = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(checkout), "PIP_EXTRA_INDEX_URL": ""}
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments],  # noqa: S607 - that of the PATH, as at a terminal
        cwd=checkout,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(checkout: Path) -> set[str]:
    """Which of the packages are in the environment."""
    return {name for name in PACKAGES.values() if list(checkout.glob(f".venv/lib/python*/site-packages/{name}.py"))}


def touch(path: Path) -> None:
    """Make it newer than all that was installed before."""
    newest = max(each.stat().st_mtime for each in path.parent.glob(".venv/.installed-*"))
    os.utime(path, (newest + 10, newest + 10))


def test_install__run_alone__brings_no_tools_and_tools_come_on_top(checkout: Path) -> None:
    said = make(checkout, ".venv/.installed-run")
    assert "make: creating the environment .venv with Python 3." in said
    assert "make: installing the 1 packages of requirements-run.txt" in said
    assert installed(checkout) == {"served"}

    assert "requirements-run.txt" not in make(checkout, ".venv/.installed-dev")
    assert installed(checkout) == {"served", "tested"}
    assert "is up to date" in make(checkout, ".venv/.installed-dev")


def test_install__lock_of_another_date__installs_nothing_and_a_changed_one_does(checkout: Path) -> None:
    make(checkout, ".venv/.installed-dev")
    for name in PACKAGES:
        touch(checkout / f"requirements-{name}.txt")
    assert "installing" not in make(checkout, ".venv/.installed-dev")
    lock = checkout / "requirements-run.txt"
    lock.write_text(lock.read_text() + wheel_of("added", checkout))
    touch(lock)
    assert "installing the 2 packages of requirements-run.txt" in make(checkout, ".venv/.installed-run")
    assert list(checkout.glob(".venv/lib/python*/site-packages/added.py"))


@pytest.mark.parametrize(("target", "is_dev"), [("run", False), ("test", True), ("coverage", True), ("bench", True)])
def test_makefile__target__installs_what_it_needs_and_no_more(checkout: Path, target: str, is_dev: bool) -> None:
    commands = make(checkout, "--dry-run", target)
    assert "embedded.install .venv requirements-run.txt" in commands
    assert ("embedded.install .venv requirements-dev.txt" in commands) is is_dev


def test_installation__output_of_pip__says_how_far_it_is(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    (packages / "pip-1.dist-info").mkdir(parents=True)
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1 \\\n    --hash=sha256:0\nb[c]==2 \\\n    # via a\n")
    installation = Installation(tmp_path, lock)
    assert installation.progress() == "0 downloaded"
    installation.read("Collecting a==1 (from -r lock.txt (line 1))\n")
    installation.read("  Downloading a-1.whl (1 kB)\n")
    installation.read("Requirement already satisfied: b==2 in .venv\n")
    assert installation.progress() == "2 downloaded"

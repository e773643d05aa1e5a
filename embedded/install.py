"""``python -m embedded.install .venv requirements-run.txt``: create the environment, install a lock file, show the
progress.

Runs on the system's Python, before anything is installed: standard library only.
"""

import platform
import re
import subprocess
import sys
from pathlib import Path

from embedded.steps import step

EXIT_INTERRUPTED = 130
_PIN = re.compile(r"^[A-Za-z0-9._-]+(?:\[[^]]*\])?==", re.MULTILINE)


class Installation:
    """One run of pip in the environment; its output shows the progress."""

    def __init__(self, environment: Path, lock: Path) -> None:
        self._python = environment / "bin" / "python"
        self._packages = environment / "lib"
        self._lock = lock
        self._locked = len(_PIN.findall(lock.read_text()))
        self._found = 0
        self._to_install = 0
        self._before = 0

    def run(self) -> int:
        """Install the locked packages that the environment lacks; returns pip's exit code. Its errors go to stderr."""
        self._before = self._count()
        with step(f"installing the {self._locked} packages of {self._lock.name}", progress=self.progress, tell=tell):
            pip = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [
                    *(self._python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"),
                    *("--no-compile", "--require-hashes", "--requirement", self._lock),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert pip.stdout is not None  # noqa: S101 - asked for above
            with pip.stdout:
                for line in pip.stdout:
                    self.read(line)
            return pip.wait()

    def read(self, line: str) -> None:
        """Take a line of pip's output in."""
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            self._found += 1
        elif line.startswith("Installing collected packages: "):
            self._to_install = line.count(",") + 1

    def progress(self) -> str:
        """The progress, in words."""
        if self._to_install:
            return f"{min(self._count() - self._before, self._to_install)} of {self._to_install} installed"
        return f"{self._found} downloaded"

    def _count(self) -> int:
        return sum(1 for _ in self._packages.glob("python*/site-packages/*.dist-info"))


def tell(text: str) -> None:
    """Print for the person at the terminal."""
    print(f"make: {text}", flush=True)


def main() -> int:
    """Create the environment if there is none, and install the lock file; returns pip's exit code."""
    environment, lock = map(Path, sys.argv[1:])
    # pip comes last: an environment without pip is incomplete.
    if not (environment / "bin" / "pip").exists():
        with step(f"creating the environment {environment} with Python {platform.python_version()}", tell=tell):
            made = subprocess.run([sys.executable, "-m", "venv", environment], check=False)  # noqa: S603 - our own
        if made.returncode:
            return made.returncode
    return Installation(environment, lock).run()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)

"""The Dockerfile, read back: what is copied into the image, and its environment. No engine builds it here."""

import re
import shutil
from functools import cache
from pathlib import Path

from tests.conftest import PROJECT_ROOT


@cache
def instructions() -> tuple[tuple[str, str], ...]:
    """(instruction, rest) in order, continuation lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (PROJECT_ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return tuple((name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines) if name)


def last_stage() -> list[tuple[str, str]]:
    """The instructions that make the image itself."""
    first = max(index for index, (name, _) in enumerate(instructions()) if name == "FROM")
    return list(instructions()[first:])


@cache
def image_environment() -> dict[str, str]:
    """What ENV of the last stage sets."""
    text = " ".join(rest for name, rest in last_stage() if name == "ENV")
    return dict(re.findall(r"(\w+)=(\S+)", text))


def copied() -> list[str]:
    """What is copied from the project, relative to it."""
    return [
        source.rstrip("/")
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]


def unpack(directory: Path) -> Path:
    """The image's /app, as a folder: exactly what the Dockerfile copies."""
    directory.mkdir()
    for name in copied():
        source = PROJECT_ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, directory / name)
    return directory

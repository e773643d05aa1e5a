"""The containers run what the Procfile says, and docker-entrypoint.sh knows no other way."""

import os
import subprocess
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from embedded.options import read_options
from tests.conftest import PROJECT_ROOT
from tests.deploy.dockerfile import copied
from tests.deploy.manifests import all_containers

PROCFILE = parse_procfile((PROJECT_ROOT / "Procfile").read_text()).processes
ENTRYPOINT = PROJECT_ROOT / "docker-entrypoint.sh"


@pytest.fixture
def spoken(tmp_path: Path) -> dict[str, str]:
    """An environment in which the product's programs only say how they were called."""
    for program in ("python", "celery"):
        path = tmp_path / program
        path.write_text('#!/bin/sh\necho "$(basename "$0") $*"\n')
        path.chmod(0o755)
    return {"PATH": f"{tmp_path}{os.pathsep}{os.defpath}", "WEB_PORT": "8123", "LOG_LEVEL": "DEBUG"}


def says(arguments: list[str], environment: dict[str, str]) -> str:
    """What the command prints; it has to end well."""
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, cwd=PROJECT_ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", PROCFILE)
def test_entrypoint__name_of_a_process__runs_the_command_of_the_procfile(name: str, spoken: dict[str, str]) -> None:
    assert says([str(ENTRYPOINT), name], spoken) == says(["/bin/sh", "-c", PROCFILE[name]], spoken)


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["feed", "simulate"], read_options({"FEED": "simulate"}).feed_command),
        (["migrate"], "python manage.py migrate --noinput"),
        (["manage", "migrate", "--check"], "python manage.py migrate --check"),
    ],
)
def test_entrypoint__other_commands__run_what_make_run_does(
    arguments: list[str], command: str, spoken: dict[str, str]
) -> None:
    assert says([str(ENTRYPOINT), *arguments], spoken) == command


@pytest.mark.parametrize("arguments", [[], ["sh"], ["python"]])
def test_entrypoint__anything_else__is_refused(arguments: list[str], spoken: dict[str, str]) -> None:
    done = subprocess.run([ENTRYPOINT, *arguments], env=spoken, capture_output=True, text=True)
    assert done.returncode == 2
    assert "web | worker | relay | runtime | feed" in done.stderr


def test_containers__everywhere__use_commands_of_the_entrypoint(spoken: dict[str, str]) -> None:
    used = {container.arguments for container in all_containers()}
    assert {("web",), ("worker",), ("relay",), ("runtime",), ("migrate",), ("feed", "simulate")} <= used
    for arguments in used:
        assert says([str(ENTRYPOINT), *arguments], spoken)


def test_dockerignore__lets_through__what_the_dockerfile_copies_and_no_more() -> None:
    lines = (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    allowed = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    assert allowed == set(copied())

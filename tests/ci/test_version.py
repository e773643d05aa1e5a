"""Whatever has to spell the version out says the one of `service_kit.version`."""

import re
import tomllib
from pathlib import Path

import pytest

from service_kit.version import VERSION

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("docker-compose.yml", r"image: realtime-strategies:(.+)"),
        ("docs/DEPLOYMENT.md", r"docker build --tag realtime-strategies:(\S+)"),
        ("docs/openapi.yaml", r"\n  version: (.+)"),
        ("k8s/overlays/dev/kustomization.yaml", r"newTag: (.+)"),
        ("k8s/overlays/production/kustomization.yaml", r"newTag: (.+)"),
    ],
)
def test_version__wherever_it_is_spelled_out__is_the_one(path: str, pattern: str) -> None:
    assert set(re.findall(pattern, (ROOT / path).read_text())) == {VERSION}


def test_version__of_the_project__is_read_from_its_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "service_kit.version.VERSION"}


def test_changelog__latest_release__is_the_version_or_none_yet() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1:2] in ([], [VERSION])

"""A property-based fuzzer goes over the whole OpenAPI document, with all its checks, against a running site.

FUZZ_EXAMPLES sets how many cases an operation gets in each random phase (`make fuzz`: many).
"""

import os
import re
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.contract.test_openapi import DOCUMENT
from tests.live_site import PROJECT_ROOT, LiveSite

FEW_EXAMPLES = 3
HERE = Path(__file__).parent
METHODS = {"get", "post", "put", "patch", "delete"}
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", FEW_EXAMPLES))


def _fuzz(site: LiveSite, directory: Path, *, phases: str, token: str | None) -> subprocess.CompletedProcess[str]:
    credentials = ["-H", f"Authorization: Bearer {token}"] if token else []
    return subprocess.run(
        [
            str(Path(sysconfig.get_path("scripts")) / "schemathesis"),
            *("--config-file", str(HERE / "schemathesis.toml"), "run", f"{site.url}/api/schema/?format=json"),
            *("--checks", "all", "--phases", phases, "--max-examples", str(EXAMPLES), "--continue-on-failure"),
            *("--no-color", "--suppress-health-check", "all", *credentials),
        ],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.contract.fuzz_hooks", "PYTHONPATH": str(PROJECT_ROOT)},
        cwd=directory,
        capture_output=True,
        text=True,
    )


@pytest.mark.fuzz
@pytest.mark.timeout(3_600 if EXAMPLES > FEW_EXAMPLES else 300)
def test_api__fuzzed_as_admin__answers_as_documented(live_site: Callable[..., LiveSite], tmp_path: Path) -> None:
    site = live_site()
    done = _fuzz(site, tmp_path, phases="examples,coverage,fuzzing,stateful", token=site.token)
    assert done.returncode == 0, done.stdout[-20_000:]
    count = sum(len(methods.keys() & METHODS) for methods in yaml.safe_load(DOCUMENT.read_text())["paths"].values())
    assert f"Selected: {count}/{count}" in re.sub(" +", " ", done.stdout)
    assert "request.failed" not in site.log_path.read_text()


@pytest.mark.fuzz
@pytest.mark.timeout(3_600 if EXAMPLES > FEW_EXAMPLES else 300)
@pytest.mark.parametrize("mode", ["read", pytest.param("none", marks=pytest.mark.slow)])
def test_api__fuzzed_as_anonymous__answers_as_documented(
    live_site: Callable[..., LiveSite], tmp_path: Path, mode: str
) -> None:
    site = live_site(environment={"API_ANONYMOUS": mode})
    phases = "examples,fuzzing" if EXAMPLES <= FEW_EXAMPLES else "examples,coverage,fuzzing,stateful"
    done = _fuzz(site, tmp_path, phases=phases, token=None)
    assert done.returncode == 0, done.stdout[-20_000:]
    assert "request.failed" not in site.log_path.read_text()

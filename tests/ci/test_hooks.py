"""The hooks of pre-commit run what `make check` runs, by tools that its requirements install."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
[REPOSITORY] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
HOOKS: list[dict[str, Any]] = REPOSITORY["hooks"]


def test_hooks__of_this_project_alone__download_nothing() -> None:
    assert REPOSITORY["repo"] == "local"
    assert {hook["language"] for hook in HOOKS} == {"system"}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_hook__runs_a_tool__that_make_check_runs(hook: dict[str, Any]) -> None:
    tool, *arguments = shlex.split(hook["entry"])
    assert (ROOT / tool).is_file()
    subcommand = [each for each in arguments if not each.startswith("-")][:1] if "ruff" in tool else []
    command = " ".join(["$(BIN)/" + Path(tool).name, *subcommand])
    assert re.search(rf"^(check|DJADE)\b.*?{re.escape(command)}", MAKEFILE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if "files" in hook], ids=lambda hook: hook["id"])
def test_hook__of_some_files__finds_them(hook: dict[str, Any]) -> None:
    paths = [str(path.relative_to(ROOT)) for path in (ROOT / "strategy_config").rglob("*")]
    assert any(re.search(hook["files"], path) for path in paths)

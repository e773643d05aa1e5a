"""``.env.example`` lists every variable that is read, with the defaults of the code."""

import re
from pathlib import Path

import pytest

from strategy_core.configuration.layers import read_environment
from strategy_core.strategies.registry import STRATEGIES
from tests.conftest import PROJECT_ROOT

READ_BY_SITE = re.compile(
    r"env\.(?:text|flag|integer|choice|items|pairs|file|grants|header|header_names)\(\s*\"([A-Z_]+)\""
)
READ_BY_RUNTIME = re.compile(r"reader\.get\(\"([A-Z_]+)\"")
READ_BY_LAUNCHER = re.compile(r"environ\.get\(\"([A-Z_]+)\"|_port\(environ, \"([A-Z_]+)\"")
READ_BY_PROCFILE = re.compile(r"\$\{([A-Z_]+):-")


def listed() -> dict[str, str]:
    text = (PROJECT_ROOT / ".env.example").read_text()
    return dict(re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))


def variables_in(pattern: re.Pattern[str], *paths: Path) -> set[str]:
    found = [match for path in paths for match in pattern.findall(path.read_text())]
    return {name for match in found for name in ([match] if isinstance(match, str) else match) if name}


@pytest.mark.parametrize(
    ("pattern", "glob"),
    [
        (READ_BY_SITE, "configsite/settings/*.py"),
        (READ_BY_SITE, "configsite/server/__main__.py"),
        (READ_BY_RUNTIME, "realtime_runtime/settings.py"),
        (READ_BY_RUNTIME, "realtime_runtime/feeds/live/live_settings.py"),
        (READ_BY_LAUNCHER, "embedded/options.py"),
        (READ_BY_PROCFILE, "Procfile"),
    ],
)
def test_env_example__variables_read_anywhere__are_listed(pattern: re.Pattern[str], glob: str) -> None:
    read = variables_in(pattern, *PROJECT_ROOT.glob(glob))
    assert read
    assert read <= listed().keys()


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_env_example__the_strategies_own__are_listed_with_their_defaults(strategy: type) -> None:
    names = {spec.environment[0] for spec in strategy.specs()} | {strategy.enabled_variable()}
    example = listed()
    assert names <= example.keys()
    layer = read_environment(strategy, {name: example[name] for name in names})
    assert layer.problems == ()
    assert dict(layer.values) == {spec.name: spec.default for spec in strategy.specs()}
    assert layer.enabled == strategy.enabled_by_default

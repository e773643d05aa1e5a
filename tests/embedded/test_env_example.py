"""``.env.example`` lists every variable that is read, with the defaults of the code."""

import re
from pathlib import Path
from typing import Any

import pytest

from configsite.env import ProductionEnvironment, ServerEnvironment, SiteEnvironment
from realtime_runtime.feeds.binance.binance_settings import BinanceSettings
from realtime_runtime.feeds.live.live_settings import FeedSettings
from realtime_runtime.feeds.sources.dominance import DominanceSettings
from realtime_runtime.feeds.sources.exchanges import ExchangeSettings
from realtime_runtime.feeds.sources.onchain import OnchainSettings
from realtime_runtime.settings import Settings
from service_kit.environment import Environment
from strategy_core.configuration.environment_layer import read_environment
from strategy_core.strategies.registry import STRATEGIES
from tests.conftest import PROJECT_ROOT

FEED = (FeedSettings, BinanceSettings, ExchangeSettings, DominanceSettings, OnchainSettings)
PROCESSES: tuple[type[Environment], ...] = (SiteEnvironment, ProductionEnvironment, ServerEnvironment, Settings, *FEED)
GIVEN_BY_SYSTEM = {"HOSTNAME"}
# What has no default in production, and some that follow the process.
REQUIRED = {
    "SECRET_KEY": "0123456789" * 5,
    "ALLOWED_HOSTS": "a.example",
    "REDIS_URL": "redis://redis",
    "DATABASE_URL": "postgresql://db/name",
}
OTHERS: dict[type[Environment], dict[str, Any]] = {
    Settings: {"strategies": {}, "strategy_environment": {}, "unread_variables": ()}
}
READ_BY_LAUNCHER = re.compile(r"environ\.get\(\"([A-Z_]+)\"|_port\(environ, \"([A-Z_]+)\"")
READ_BY_PROCFILE = re.compile(r"\$\{([A-Z_]+):-")


def listed() -> dict[str, str]:
    text = (PROJECT_ROOT / ".env.example").read_text()
    return dict(re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))


def variables_in(pattern: re.Pattern[str], *paths: Path) -> set[str]:
    found = [match for path in paths for match in pattern.findall(path.read_text())]
    return {name for match in found for name in ([match] if isinstance(match, str) else match) if name}


@pytest.mark.parametrize(
    ("pattern", "path"), [(READ_BY_LAUNCHER, "embedded/options.py"), (READ_BY_PROCFILE, "Procfile")]
)
def test_env_example__variables_of_make_run__are_listed(pattern: re.Pattern[str], path: str) -> None:
    read = variables_in(pattern, PROJECT_ROOT / path)
    assert read
    assert read <= listed().keys()


@pytest.mark.parametrize("process", PROCESSES)
def test_env_example__variables_of_a_process__are_listed_with_their_defaults(process: type[Environment]) -> None:
    assert process.variables() - GIVEN_BY_SYSTEM <= listed().keys()
    # In production, what the site reads anywhere has defaults of its own.
    elsewhere = SiteEnvironment.variables() if process is ProductionEnvironment else frozenset()
    example = {name: listed()[name] for name in process.variables() - GIVEN_BY_SYSTEM - elsewhere}
    assert process.from_environ({**example, **REQUIRED}, **OTHERS.get(process, {})) == process.from_environ(
        REQUIRED, **OTHERS.get(process, {})
    )


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_env_example__the_strategies_own__are_listed_with_their_defaults(strategy: type) -> None:
    names = {spec.environment[0] for spec in strategy.specs()} | {strategy.enabled_variable()}
    example = listed()
    assert names <= example.keys()
    layer = read_environment(strategy, {name: example[name] for name in names})
    assert layer.problems == ()
    assert dict(layer.values) == {spec.name: spec.default for spec in strategy.specs()}
    assert layer.enabled == strategy.enabled_by_default

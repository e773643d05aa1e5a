"""Another version of the code in this process: other strategies, or the same ones with other parameters."""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from django.conf import settings

from strategy_core.configuration.environment_layer import read_environment
from strategy_core.configuration.parameter_values import StrategyClass
from strategy_core.strategies.registry import STRATEGIES

_PACKAGES = ("strategy_config.", "configsite.", "realtime_runtime.", "strategy_core.", "service_kit.")


def run_version(
    monkeypatch: pytest.MonkeyPatch, strategies: Mapping[str, StrategyClass], environ: Mapping[str, str] | None = None
) -> None:
    """From here on the site is one whose code has these strategies, started with these variables."""
    wanted = MappingProxyType(dict(strategies))
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGES) and isinstance(getattr(module, "STRATEGIES", None), Mapping):
            monkeypatch.setattr(module, "STRATEGIES", wanted)
    environment = {each: read_environment(strategy, environ or {}) for each, strategy in wanted.items()}
    monkeypatch.setattr(settings, "STRATEGY_ENVIRONMENT", MappingProxyType(environment))


def without(*strategy_ids: str) -> dict[str, StrategyClass]:
    """The catalogue after these strategies were removed."""
    return {each: strategy for each, strategy in STRATEGIES.items() if each not in strategy_ids}


def changed(strategy: StrategyClass, parameters: Any, **attributes: Any) -> dict[str, StrategyClass]:
    """The catalogue with other parameters of one strategy."""
    return {**STRATEGIES, strategy.id: type(strategy.__name__, (strategy,), {"parameters": parameters, **attributes})}

"""Two versions of one strategy, the site that runs either of them, and a runtime of either."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from realtime_runtime.config.documents import Catalogue
from realtime_runtime.config.state import LiveConfig, Update
from strategy_config.history import positions
from strategy_config.publication.state import whole_state
from strategy_config.selectors import stored_layers
from strategy_config.services import catalogue, layers, switches
from strategy_core.configuration import wire_documents, wire_json
from strategy_core.configuration.environment_layer import read_environment
from strategy_core.configuration.parameter_values import StrategyClass
from strategy_core.engine.active import ActiveConfig
from strategy_core.strategies.base import Parameters, parameter
from strategy_core.strategies.orderbook_skew import OrderbookSkew
from strategy_core.strategies.registry import STRATEGIES
from tests import catalogues
from tests.factories import NOON, OriginFactory

PROBE, RENAMED = "probe", "sonde"
BTC, ETH, SOL, ADA = "BTCUSDT", "ETHUSDT", "SOLUSDT", "ADAUSDT"
EXPIRY = NOON + timedelta(hours=1)
NOON_MS = NOON.timestamp() * 1000


def _levels(default: Any, **bounds: Any) -> Any:
    return parameter(default, group="trigger", description="Levels.", **bounds)


def _ratio() -> Any:
    return parameter(1.2, group="trigger", description="Ratio.", minimum=1.0, maximum=3.0)


class Before(Parameters):
    """The version that everything was set under."""

    levels: int = _levels(5, minimum=1, maximum=20)
    ratio: float = _ratio()


class Added(Before):
    depth: int = _levels(3, minimum=1, maximum=9)


class Dropped(Parameters):
    ratio: float = _ratio()


class Renamed(Parameters):
    rungs: int = _levels(5, minimum=1, maximum=20)
    ratio: float = _ratio()


class Narrowed(Before):
    levels: int = _levels(5, minimum=1, maximum=10)


class Widened(Before):
    levels: int = _levels(5, minimum=1, maximum=40)


class Retyped(Parameters):
    levels: str = _levels("deep")
    ratio: float = _ratio()


def version(parameters: type[Parameters], *, strategy_id: str = PROBE, **attributes: Any) -> dict[str, StrategyClass]:
    """A catalogue with the probe beside the strategies that there are."""
    members = {"id": strategy_id, "name": strategy_id.title(), "parameters": parameters, **attributes}
    return {**STRATEGIES, strategy_id: type(strategy_id, (OrderbookSkew,), members)}


OLD = version(Before)
CHANGES: Mapping[str, dict[str, StrategyClass]] = {
    "added": version(Added),
    "dropped": version(Dropped),
    "renamed": version(Renamed, renamed={"levels": "rungs"}),
    "narrowed": version(Narrowed),
    "widened": version(Widened),
    "retyped": version(Retyped),
}
REMOVED = dict(STRATEGIES)
SONDE = version(Before, strategy_id=RENAMED, former_ids=(PROBE,))


class Site:
    """The site, of one version at a time, and all that it was told while it was the old one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.run(OLD)

    def run(self, strategies: Mapping[str, StrategyClass]) -> None:
        """Be of this version from now on."""
        catalogues.run_version(self._monkeypatch, strategies)
        catalogue.sync_catalogue()

    def fill(self) -> None:
        """Values for all symbols, an override, one that is off, one that expires, one outside of narrower ranges."""
        origin = OriginFactory
        layers.set_layer(strategy_id=PROBE, parameters={"levels": 15, "ratio": 1.4}, origin=origin())
        layers.set_layer(strategy_id=PROBE, symbol=BTC, parameters={"ratio": 1.7}, origin=origin())
        layers.set_layer(strategy_id=PROBE, symbol=ADA, parameters={"levels": 12}, origin=origin())
        layers.set_layer(strategy_id=PROBE, symbol=SOL, parameters={"ratio": 2.0}, expires_at=EXPIRY, origin=origin())
        self.stop(symbol=ETH)

    def stop(self, *, strategy_id: str = PROBE, symbol: str | None = None) -> None:
        switches.switch(strategy_id=strategy_id, symbol=symbol, enabled=False, origin=OriginFactory())

    def config(self, symbol: str | None = None, *, strategy_id: str = PROBE) -> wire_documents.LayerConfig:
        return stored_layers.layer_config(strategy_id=strategy_id, symbol=symbol, at=NOON)

    def documents(self) -> dict[str, bytes]:
        """What it holds in Redis, when that is written anew."""
        return {field: wire_json.encode(state.document) for field, state in whole_state().states.items()}


class Runtime:
    """What a runtime of a version holds and trades on."""

    def __init__(self, strategies: Mapping[str, StrategyClass]) -> None:
        environment = {each: read_environment(strategy, {}) for each, strategy in strategies.items()}
        self._live = LiveConfig(Catalogue(strategies, environment))

    def read(self, documents: Mapping[str, bytes], *, at_ms: float = NOON_MS) -> "Runtime":
        """A complete read of Redis, or of a snapshot."""
        update = Update()
        for field, raw in documents.items():
            self._live.check(field, raw, update)
        self._live.replace(update, sequence=positions.last_sequence(), now_ms=at_ms)
        return self

    def snapshot(self) -> dict[str, bytes]:
        """What it leaves on disk."""
        return self._live.documents

    def pass_time(self, at_ms: float) -> None:
        self._live.switch_expired(at_ms)

    def on(self, symbol: str, *, strategy_id: str = PROBE) -> ActiveConfig:
        """What it trades the symbol on."""
        return self._live.active.lookup(strategy_id, symbol)

    def values(self, symbol: str, *, strategy_id: str = PROBE) -> dict[str, Any]:
        config = self.on(symbol, strategy_id=strategy_id)
        return {**config.parameters.model_dump(), "trades": config.enabled}

"""A parameter added, dropped, renamed, narrowed, widened, retyped: what trades, on what, and what is shown."""

from typing import Any

import pytest
from django.conf import settings

from strategy_config.history import verification
from strategy_config.selectors import misfits
from strategy_config.services import expiries, layers
from strategy_core.configuration.parameter_values import StrategyClass
from tests.evolution.versions import ADA, BTC, CHANGES, ETH, EXPIRY, NOON_MS, OLD, PROBE, SOL, Runtime, Site
from tests.factories import NOON, OriginFactory

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
Version = dict[str, StrategyClass]
CHANGED = pytest.mark.parametrize("new", CHANGES.values(), ids=CHANGES)
SYMBOLS = (BTC, ETH, SOL, ADA, "XRPUSDT")
# The ratio of each symbol, which no change concerns.
RATIOS = {BTC: 1.7, ETH: 1.4, SOL: 2.0, ADA: 1.4, "XRPUSDT": 1.4}
AFTER_MS = EXPIRY.timestamp() * 1000 + 1

# What holds for all symbols, and on ADAUSDT, of levels = 15 and 12: after the upgrade of both, on a new runtime under
# the old site, and on an old runtime under the new site (None: that runtime does not know better than its default).
UPGRADED: dict[str, dict[str, Any]] = {
    "added": {"levels": 15, "depth": 3},
    "dropped": {},
    "renamed": {"rungs": 15},
    "narrowed": {"levels": 5},
    "widened": {"levels": 15},
    "retyped": {"levels": "deep"},
}
MISFIT = {"dropped", "narrowed", "retyped"}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    found = Site(monkeypatch)
    found.fill()
    return found


def require_stops_and_ratios(runtime: Runtime) -> None:
    """What is off does not trade; what trades does so on the ratio that was set."""
    assert not runtime.on(ETH).enabled
    for symbol in SYMBOLS:
        values = runtime.values(symbol)
        assert not values["trades"] or values["ratio"] == RATIOS[symbol], symbol


@pytest.mark.parametrize("change", UPGRADED)
def test_upgrade_of_both__holds_what_fits_and_shows_what_does_not(site: Site, change: str) -> None:
    site.run(CHANGES[change])
    runtime = Runtime(CHANGES[change]).read(site.documents())
    require_stops_and_ratios(runtime)
    for symbol in (BTC, SOL, "XRPUSDT"):
        values = runtime.values(symbol)
        assert values["trades"]
        assert {**values, **UPGRADED[change]} == values
        assert site.config(symbol).parameters["ratio"] == RATIOS[symbol]
    refused = {each.parameter for each in site.config().refused}
    assert refused == ({"levels"} if change in MISFIT else set())
    shown = {(layer.key.symbol, each.value) for layer in misfits.find(NOON).layers for each in layer.refused}
    assert shown == ({(None, 15), (ADA, 12)} if change in MISFIT else set())


@CHANGED
def test_new_site_old_runtime__stops_hold_and_what_trades_has_its_values(site: Site, new: Version) -> None:
    runtime = Runtime(OLD).read(site.documents())
    site.run(new)
    runtime.read(site.documents())
    require_stops_and_ratios(runtime)
    site.stop(symbol=BTC)
    runtime.read(site.documents())
    assert not runtime.on(BTC).enabled
    site.stop()
    runtime.read(site.documents())
    assert not any(runtime.on(symbol).enabled for symbol in SYMBOLS)


@CHANGED
def test_old_site_new_runtime__stops_hold_and_what_trades_has_its_values(site: Site, new: Version) -> None:
    runtime = Runtime(new).read(site.documents())
    require_stops_and_ratios(runtime)
    site.stop(symbol=BTC)
    site.stop()
    runtime.read(site.documents())
    assert not any(runtime.on(symbol).enabled for symbol in SYMBOLS)


@CHANGED
@pytest.mark.parametrize("is_upgrade", [True, False], ids=["upgrade", "roll-back"])
def test_snapshot_of_the_other_version__stops_hold(site: Site, new: Version, is_upgrade: bool) -> None:
    before, after = (OLD, new) if is_upgrade else (new, OLD)
    site.run(before)
    snapshot = Runtime(before).read(site.documents()).snapshot()
    require_stops_and_ratios(Runtime(after).read(snapshot))
    site.stop()
    snapshot = Runtime(before).read(site.documents()).snapshot()
    restarted = Runtime(after).read(snapshot)
    assert not any(restarted.on(symbol).enabled for symbol in SYMBOLS)


@CHANGED
def test_roll_back__everything_is_as_before(site: Site, new: Version) -> None:
    before = {symbol: site.config(symbol).parameters for symbol in (None, *SYMBOLS)}
    site.run(new)
    layers.merge_layer(strategy_id=PROBE, symbol=BTC, parameters={"ratio": 1.8}, origin=OriginFactory())
    assert site.config(BTC).parameters["ratio"] == 1.8
    site.run(OLD)
    layers.merge_layer(strategy_id=PROBE, symbol=BTC, parameters={"ratio": 1.7}, origin=OriginFactory())
    assert {symbol: site.config(symbol).parameters for symbol in (None, *SYMBOLS)} == before
    assert not site.config(ETH).enabled
    runtime = Runtime(OLD).read(site.documents())
    assert runtime.values("XRPUSDT") == {"levels": 15, "ratio": 1.4, "trades": True}
    assert verification.verify().bad is None


@CHANGED
def test_expiry__in_either_version__ends_in_site_and_runtime(site: Site, new: Version) -> None:
    runtimes = [Runtime(OLD).read(site.documents()), Runtime(new).read(site.documents())]
    site.run(new)
    for runtime in runtimes:
        assert not runtime.on(SOL).enabled or runtime.values(SOL)["ratio"] == 2.0
        runtime.pass_time(AFTER_MS)
        assert not runtime.on(SOL).enabled or runtime.values(SOL)["ratio"] == 1.4
    assert expiries.expire_due(at=EXPIRY) == 1
    assert site.config(SOL).parameters["ratio"] == 1.4


@CHANGED
def test_all_off__in_any_mixture__nothing_trades_also_after_a_restart(site: Site, new: Version) -> None:
    for site_version in (OLD, new):
        site.run(site_version)
        for symbol in (None, BTC, SOL, ADA):
            site.stop(symbol=symbol)
        for runtime_version in (OLD, new):
            runtime = Runtime(runtime_version).read(site.documents())
            restarted = Runtime(runtime_version).read(runtime.snapshot(), at_ms=NOON_MS)
            assert not any(each.on(symbol).enabled for each in (runtime, restarted) for symbol in SYMBOLS)


def test_wider_value__under_an_old_runtime__leaves_the_last_good_one_and_trades_not_without(site: Site) -> None:
    runtime = Runtime(OLD).read(site.documents())
    site.run(CHANGES["widened"])
    layers.merge_layer(strategy_id=PROBE, parameters={"levels": 30}, origin=OriginFactory())
    documents = site.documents()
    assert runtime.read(documents).values("XRPUSDT") == {"levels": 15, "ratio": 1.4, "trades": True}
    assert not Runtime(OLD).read(documents).on("XRPUSDT").enabled
    site.run(OLD)
    assert [each.value for each in site.config().refused] == [30]
    assert Runtime(OLD).read(site.documents()).values("XRPUSDT") == {"levels": 5, "ratio": 1.4, "trades": True}

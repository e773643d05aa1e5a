"""A strategy added, removed, renamed: what trades, what stays off, what is shown."""

import pytest
from django.conf import settings

from strategy_config.exceptions import NotFoundError
from strategy_config.history import verification
from strategy_config.models import ConfigAudit
from strategy_config.selectors import misfits, overviews
from strategy_config.services import expiries, layers, renamed_strategies, switches
from tests.evolution.versions import BTC, ETH, EXPIRY, OLD, PROBE, REMOVED, RENAMED, SOL, SONDE, Runtime, Site
from tests.factories import NOON, OriginFactory

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    found = Site(monkeypatch)
    found.fill()
    return found


def test_removed__under_an_old_runtime__is_stopped_and_keeps_its_values(site: Site) -> None:
    switches.switch(strategy_id=PROBE, enabled=True, origin=OriginFactory())
    runtime = Runtime(OLD).read(site.documents())
    site.run(REMOVED)
    assert misfits.find(NOON).removed_strategies == (PROBE,)
    with pytest.raises(NotFoundError):
        layers.merge_layer(strategy_id=PROBE, parameters={"ratio": 1.5}, origin=OriginFactory())
    site.stop(symbol=BTC)
    runtime.read(site.documents())
    assert not runtime.on(BTC).enabled
    assert not runtime.on(ETH).enabled
    assert runtime.on(SOL).enabled
    site.stop()
    runtime.read(site.documents())
    assert not any(runtime.on(symbol).enabled for symbol in (BTC, ETH, SOL, "XRPUSDT"))
    assert Runtime(REMOVED).read(site.documents()).on(BTC, strategy_id="orderbook_skew") is not None


def test_removed__then_rolled_back__is_as_it_was_and_what_was_stopped_meanwhile_stays_off(site: Site) -> None:
    site.run(REMOVED)
    site.stop(symbol=BTC)
    assert expiries.expire_due(at=EXPIRY) == 1
    site.run(OLD)
    assert site.config().parameters == {"levels": 15, "ratio": 1.4}
    assert (site.config(BTC).enabled, site.config(BTC).parameters["ratio"]) == (False, 1.7)
    assert not site.config(SOL).is_override
    assert verification.verify().bad is None


def test_added__before_its_row_and_under_either_site__runs_on_its_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site(monkeypatch)
    site.run(REMOVED)
    old_documents = site.documents()
    site.run(OLD)
    assert Runtime(OLD).read(old_documents).values(BTC) == {"levels": 5, "ratio": 1.2, "trades": True}
    assert Runtime(OLD).read(site.documents()).values(BTC) == {"levels": 5, "ratio": 1.2, "trades": True}
    assert PROBE in {each.strategy_id for each in overviews.strategy_overviews(NOON)}
    site.stop()
    assert not Runtime(OLD).read(site.documents()).on(BTC).enabled
    site.run(REMOVED)
    assert not Runtime(OLD).read(site.documents()).on(BTC).enabled


@pytest.mark.parametrize("is_stopped", [True, False])
def test_renamed__takes_over_values_switches_and_expiries(site: Site, is_stopped: bool) -> None:
    switches.switch(strategy_id=PROBE, enabled=not is_stopped, origin=OriginFactory())
    under_the_old_name = site.documents()
    assert not Runtime(SONDE).read(under_the_old_name).on(BTC, strategy_id=RENAMED).enabled
    site.run(SONDE)
    assert not Runtime(SONDE).read(site.documents()).on(BTC, strategy_id=RENAMED).enabled
    assert renamed_strategies.take_over_renamed(at=NOON) == 6
    assert renamed_strategies.take_over_renamed(at=NOON) == 0
    runtime = Runtime(SONDE).read(site.documents())
    assert runtime.on(BTC, strategy_id=RENAMED).enabled is not is_stopped
    assert not runtime.on(ETH, strategy_id=RENAMED).enabled
    values = runtime.values(SOL, strategy_id=RENAMED)
    assert values == {"levels": 15, "ratio": 2.0, "trades": not is_stopped}
    assert site.config(SOL, strategy_id=RENAMED).expires_at is not None
    assert {row.reason for row in ConfigAudit.objects.filter(strategy_id=RENAMED)} == {f"renamed from {PROBE}"}
    assert Runtime(OLD).read(site.documents()).on(BTC).enabled is not is_stopped
    site.stop(strategy_id=RENAMED)
    assert not Runtime(OLD).read(site.documents()).on(BTC).enabled
    assert verification.verify().bad is None


def test_renamed__nothing_was_ever_set__is_on_by_default_once_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch)
    site.run(SONDE)
    assert not site.config(strategy_id=RENAMED).enabled
    renamed_strategies.take_over_renamed(at=NOON)
    assert Runtime(SONDE).read(site.documents()).values(BTC, strategy_id=RENAMED)["trades"]

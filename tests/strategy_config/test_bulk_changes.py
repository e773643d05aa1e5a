"""One decision about many symbols: for all of them or for none."""

from datetime import timedelta

import pytest
from django.conf import settings

from strategy_config.exceptions import ConfigError, InvalidRequestError, InvalidSymbolError, NotFoundError
from strategy_config.history import chain, positions, verification
from strategy_config.models import ConfigAudit, SymbolOverride
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.services import layers, overrides, switches
from tests.factories import NOON, OriginFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_services import BTC, SKEW, own, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
KEYS = [LayerKey(SKEW, BTC), LayerKey(SKEW, "ETHUSDT"), LayerKey("ticker_velocity", BTC)]


def make_three() -> None:
    for strategy_id, symbol in KEYS[:2]:
        layers.set_layer(strategy_id=strategy_id, symbol=symbol, parameters={"top_levels": 7}, origin=OriginFactory())
    layers.set_layer(strategy_id="ticker_velocity", symbol=BTC, parameters={"time_window": 90}, origin=OriginFactory())


def test_switch_overrides__many__one_row_each_under_one_reason() -> None:
    make_three()
    written = switches.switch_overrides(keys=KEYS, enabled=False, origin=OriginFactory(reason="halted"))
    assert [(row.action, row.reason, row.version) for row in written.changes] == [("DISABLE", "halted", 2)] * 3
    assert [row.sequence for row in written.changes] == [4, 5, 6]
    assert own() == {"top_levels": 7}
    assert not any(SymbolOverride.objects.values_list("enabled", flat=True))
    assert verification.verify().bad is None


def test_switch_overrides__one_is_off_already__keeps_its_version() -> None:
    make_three()
    write("switch", enabled=False)
    written = switches.switch_overrides(keys=KEYS[:2], enabled=False, origin=OriginFactory())
    assert [row.symbol for row in written.changes] == ["ETHUSDT"]


def test_delete_overrides__one_has_none__deletes_none() -> None:
    make_three()
    before = positions.chain_head()
    with pytest.raises(NotFoundError, match="SOLUSDT"):
        overrides.delete_overrides(keys=[*KEYS, LayerKey(SKEW, "SOLUSDT")], origin=OriginFactory())
    assert positions.chain_head() == before
    assert own() == {"top_levels": 7}
    assert not SymbolOverride.objects.filter(symbol="SOLUSDT").exists()


def test_delete_overrides__an_expired_one__records_the_expiry_and_finds_nothing() -> None:
    write(parameters={"top_levels": 7}, expires_at=NOON + timedelta(hours=1))
    late = OriginFactory(at=NOON + timedelta(hours=2))
    with pytest.raises(NotFoundError):
        overrides.delete_overrides(keys=KEYS[:1], origin=late)
    switches.switch_overrides(keys=KEYS[:1], enabled=False, origin=late)
    assert list(ConfigAudit.objects.order_by("sequence").values_list("action", flat=True)) == [
        "CREATE",
        "EXPIRE",
        "DISABLE",
    ]


def test_copy_override__to_others__replaces_theirs_with_the_same_expiry() -> None:
    until = NOON + timedelta(hours=1)
    write(parameters={"top_levels": 7}, expires_at=until)
    write(symbol="ETHUSDT", parameters={"buy_threshold": 2.0})
    written = overrides.copy_override(
        strategy_id=SKEW, symbol=BTC, to_symbols=["ethusdt", "SOLUSDT", BTC, "SOLUSDT"], origin=OriginFactory()
    )
    assert [(row.symbol, row.action) for row in written.changes] == [("ETHUSDT", "UPDATE"), ("SOLUSDT", "CREATE")]
    for symbol in ("ETHUSDT", "SOLUSDT"):
        assert own(symbol) == {"top_levels": 7}
        assert SymbolOverride.objects.get(symbol=symbol).expires_at == until


@pytest.mark.parametrize(
    ("error", "targets", "reason"),
    [
        (InvalidRequestError, ["ETHUSDT"], " "),
        (InvalidRequestError, [], "why"),
        (InvalidRequestError, [BTC], "why"),
        (InvalidSymbolError, ["ETH/USDT"], "why"),
        (NotFoundError, ["ETHUSDT"], "why"),
    ],
)
def test_copy_override__refused__changes_nothing(error: type[ConfigError], targets: list[str], reason: str) -> None:
    with pytest.raises(error):
        overrides.copy_override(strategy_id=SKEW, symbol=BTC, to_symbols=targets, origin=OriginFactory(reason=reason))
    assert positions.chain_head() == (0, chain.GENESIS)


def test_switch_overrides__redis_there__all_changes_are_one_entry(cache: CacheUnderTest) -> None:
    make_three()
    assert switches.switch_overrides(keys=KEYS, enabled=False, origin=OriginFactory()).published
    assert cache.published() == [2, 3, 4, 5, 6]
    assert [change.first_sequence for _, change in cache.entries()][-1] == 4
    assert cache.document(f"{SKEW}:ETHUSDT").config.enabled is False

"""Export and import: the same configuration out and in; as a whole or not at all; nothing trusted."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from strategy_config.exceptions import InvalidRequestError, VersionConflictError
from strategy_config.history import chain, positions, verification
from strategy_config.models import ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.services import imports, layers, strict_yaml, yaml_file
from strategy_config.services.import_plan import MAY_NOT_SWITCH, ImportRefusedError, Plan
from strategy_core.strategies.registry import STRATEGIES
from tests import catalogues
from tests.factories import NOON, OriginFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_services import BTC, SKEW, own, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
FILE = """
strategies:
  orderbook_skew:
    parameters: {buy_threshold: 2, top_levels: 10}
    symbols:
      BTCUSDT: {enabled: false, parameters: {sell_threshold: 0.5}}
      ETHUSDT: null
  ticker_velocity: {enabled: false}
"""


def plan(text: str, **options: Any) -> Plan:
    return imports.plan_import(content=text.encode(), at=NOON, **options)


def apply(text: str, **options: Any) -> Any:
    return imports.apply_import(content=text.encode(), origin=OriginFactory(channel="import"), **options)


def skew(body: str) -> str:
    return f"strategies: {{orderbook_skew: {body}}}"


def actions(found: Plan) -> list[tuple[str, str]]:
    return [(change.action, str(change.key)) for change in found.changes]


def test_plan_import__file__says_every_change_and_makes_none() -> None:
    write(symbol="ETHUSDT", parameters={"top_levels": 3})
    found = plan(FILE)
    assert actions(found) == [
        ("CREATE", f"{SKEW} global"),
        ("CREATE", f"{SKEW} on {BTC}"),
        ("DISABLE", f"{SKEW} on {BTC}"),
        ("DELETE", f"{SKEW} on ETHUSDT"),
        ("DISABLE", "ticker_velocity global"),
    ]
    assert [change.version for change in found.changes] == [1, 1, 2, 2, 1]
    assert not found.refusals
    assert positions.last_sequence() == 1


def test_apply_import__plan__becomes_history_row_by_row(cache: CacheUnderTest) -> None:
    write(symbol="ETHUSDT", parameters={"top_levels": 3})
    planned = plan(FILE)
    applied = apply(FILE, fingerprint=planned.fingerprint)
    rows = list(ConfigAudit.objects.filter(sequence__gt=1).order_by("sequence"))
    assert [(row.action, row.version) for row in rows] == [(each.action, each.version) for each in planned.changes]
    assert [[dict(change) for change in each.changes] for each in planned.changes] == [row.changes for row in rows]
    assert {(row.channel, row.reason) for row in rows} == {("import", "a test")}
    assert (applied.sequence, applied.published, cache.published()) == (6, True, [2, 3, 4, 5, 6])
    assert (own(None), own(), own("ETHUSDT")) == (
        {"buy_threshold": 2.0, "top_levels": 10},
        {"sell_threshold": 0.5},
        None,
    )
    assert verification.verify().bad is None
    assert not plan(FILE).changes


def test_apply_import__one_bad_line__changes_nothing_and_names_all() -> None:
    text = FILE.replace("top_levels: 10", "top_levels: 99").replace("0.5", "5") + "  no_such_strategy: {}\n"
    with pytest.raises(ImportRefusedError) as refusal:
        apply(text)
    assert {each.where for each in refusal.value.plan.refusals} == {
        f"{SKEW} global",
        f"{SKEW} on {BTC}",
        "no_such_strategy",
    }
    assert positions.chain_head() == (0, chain.GENESIS)


def test_plan_import__global_and_override_together__are_judged_as_they_will_be() -> None:
    write(parameters={"sell_threshold": 1.0})
    breaking = skew("{parameters: {buy_threshold: 1.0}}")
    assert BTC in plan(breaking).refusals[0].message
    mended = skew("{parameters: {buy_threshold: 1.0}, symbols: {BTCUSDT: {parameters: {sell_threshold: 0.9}}}}")
    assert actions(plan(mended)) == [("CREATE", f"{SKEW} global"), ("UPDATE", f"{SKEW} on {BTC}")]
    assert not plan(mended).refusals


def test_export__then_import__changes_nothing() -> None:
    write(symbol=None, parameters={"top_levels": 10, "min_total_volume": 0.0001})
    write(parameters={"top_levels": 7}, expires_at=NOON + timedelta(hours=1))
    write("switch", symbol="ETHUSDT", enabled=False)
    write("switch", symbol=None, enabled=False)
    layers.set_layer(strategy_id="btc_dominance", parameters={"high_threshold": 70.0}, origin=OriginFactory())
    text = imports.export_configuration(at=NOON)
    found = plan(text, prune=True)
    assert (found.changes, found.refusals) == ((), ())
    assert found.unchanged == len(STRATEGIES) + 2


def test_export__into_an_empty_store__makes_it_equal() -> None:
    write(symbol=None, parameters={"top_levels": 10})
    write(parameters={"top_levels": 7}, expires_at=NOON + timedelta(hours=1))
    text = imports.export_configuration(at=NOON)
    layers.delete_layer(strategy_id=SKEW, origin=OriginFactory())
    layers.delete_layer(strategy_id=SKEW, symbol=BTC, origin=OriginFactory())
    apply(text)
    assert (own(None), own()) == ({"top_levels": 10}, {"top_levels": 7})
    assert imports.export_configuration(at=NOON) == text


def test_export__selection__holds_only_that() -> None:
    write(symbol=None, parameters={"top_levels": 10})
    write(parameters={"top_levels": 7})
    write(symbol="ETHUSDT", parameters={"top_levels": 8})
    file = yaml_file.read(imports.export_configuration(at=NOON, strategy_ids=[SKEW], symbols=["btcusdt"]).encode())
    assert [str(each.key) for each in file.wanted] == [f"{SKEW} on {BTC}"]


def test_plan_import__prune__deletes_parameters_and_switches_nothing_on() -> None:
    write(symbol=None, parameters={"top_levels": 10})
    write(parameters={"top_levels": 7})
    write("switch", enabled=False)
    layers.set_layer(strategy_id="ticker_velocity", parameters={"time_window": 90}, origin=OriginFactory())
    found = plan(skew("{symbols: {ETHUSDT: {parameters: {top_levels: 3}}}}"), prune=True)
    assert sorted(actions(found)) == [
        ("CREATE", f"{SKEW} on ETHUSDT"),
        ("DELETE", f"{SKEW} global"),
        ("DELETE", f"{SKEW} on {BTC}"),
    ]
    assert not plan(skew("{symbols: {}}")).changes


def test_apply_import__changed_meanwhile__is_a_conflict() -> None:
    planned = plan(FILE)
    write(symbol=None, parameters={"top_levels": 4})
    with pytest.raises(VersionConflictError):
        apply(FILE, fingerprint=planned.fingerprint)
    assert positions.last_sequence() == 1


def test_apply_import__nothing_to_change__writes_nothing() -> None:
    applied = apply(skew("{parameters: null}"))
    assert (applied.sequence, applied.plan.unchanged) == (None, 1)
    assert positions.last_sequence() == 0


def test_apply_import__no_reason__is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        imports.apply_import(content=FILE.encode(), origin=OriginFactory(reason=" "))


def test_plan_import__may_not_switch__refuses_the_switches_only() -> None:
    found = plan(FILE, may_switch=False)
    assert {refusal.message for refusal in found.refusals} == {MAY_NOT_SWITCH}
    assert len(found.refusals) == 2


UNREADABLE = {
    "no YAML": b"strategies: [",
    "not UTF-8": b"strategies: {a: \xff}",
    "control character": b"strategies: {a: \x00}",
    "duplicate key": b"strategies: {orderbook_skew: {parameters: {top_levels: 1, top_levels: 2}}}",
    "duplicate strategy": b"strategies:\n  orderbook_skew: {}\n  orderbook_skew: {}\n",
    "anchor": b"strategies: &a {orderbook_skew: {}}",
    "bomb": b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\nstrategies: {}",
    "merge key": b"strategies: {orderbook_skew: {<<: *a}}",
    "deep": b"strategies: " + b"[" * 50_000,
    "python object": b"strategies: !!python/object/apply:os.system [ls]",
    "ten megabytes": b"strategies: {}\n" + b"#" * 10_000_000,
    "two documents": b"strategies: {}\n---\nstrategies: {}",
    "a list": b"- strategies",
    "empty": b"",
    "strategies a list": b"strategies: [orderbook_skew]",
    "huge number": b"strategies: {orderbook_skew: {parameters: {top_levels: %s}}}" % (b"9" * 800_000),
    "base 60 by a tag": b"strategies: {orderbook_skew: {parameters: {top_levels: !!int '1:59:59'}}}",
    "merge by a tag": b"strategies: {orderbook_skew: {parameters: {!!merge <<: {top_levels: 1}}}}",
    "too many symbols": b"strategies: {orderbook_skew: {symbols: {%s}}}"
    % b",".join(b"S%05d: " % n for n in range(6_000)),
    "too many values": b"strategies: {orderbook_skew: {parameters: {%s}}}"
    % b",".join(b"a%d: 1" % n for n in range(300)),
    "too many entries": b"strategies: [%s]" % (b"a," * 250_000),
    "list as a name": b"strategies: {[a]: 1}",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_read__unusable_file__is_refused_in_words(content: bytes) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        yaml_file.read(content)
    assert refusal.value.details == {"field": "file"}
    assert len(refusal.value.message) < 400


REFUSED = {
    "unknown strategy": "strategies: {nonsense: {}}",
    "number as strategy": "strategies: {1: {}}",
    "unknown member": skew("{paramters: {}}"),
    "unknown parameter": skew("{parameters: {nonsense: 1}}"),
    "NaN": skew("{parameters: {buy_threshold: .nan}}"),
    "infinity": skew("{parameters: {buy_threshold: .inf}}"),
    "text for a number": skew("{parameters: {top_levels: '5'}}"),
    "true for a number": skew("{parameters: {top_levels: true}}"),
    "huge": skew("{parameters: {top_levels: %s}}" % ("9" * 60)),
    "impossible date": skew("{parameters: {top_levels: 2024-99-99}}"),
    "base 60": skew("{parameters: {top_levels: 1:30}}"),
    "underscore": skew("{parameters: {top_levels: 1_5}}"),
    "merge key": skew("{parameters: {<<: {top_levels: 9}}}"),
    "switch of YAML 1.1": skew("{enabled: yes}"),
    "a date for a number": skew("{parameters: {top_levels: 2024-01-01}}"),
    "null for a number": skew("{parameters: {top_levels: null}}"),
    "parameters a list": skew("{parameters: [top_levels]}"),
    "strategy a text": skew("yes please"),
    "enabled a text": skew("{enabled: 'on'}"),
    "symbols a list": skew("{symbols: [BTCUSDT]}"),
    "symbol a number": skew("{symbols: {1000: {parameters: {}}}}"),
    "no symbol": skew("{symbols: {BTC/USDT: {parameters: {}}}}"),
    "symbol twice": skew("{symbols: {BTCUSDT: {parameters: {}}, btcusdt: {parameters: {}}}}"),
    "override a list": skew("{symbols: {BTCUSDT: []}}"),
    "expiry of the past": skew("{symbols: {BTCUSDT: {parameters: {top_levels: 5}, expires_at: 2001-01-01T00:00:00Z}}}"),
    "expiry of nothing": skew("{symbols: {BTCUSDT: {parameters: {}, expires_at: 2030-01-01T00:00:00Z}}}"),
    "expiry without zone": skew("{symbols: {BTCUSDT: {parameters: {}, expires_at: 2030-01-01T00:00:00}}}"),
    "expiry a day": skew("{symbols: {BTCUSDT: {parameters: {}, expires_at: 2030-01-01}}}"),
    "expiry beyond the calendar": skew(
        "{symbols: {BTCUSDT: {parameters: {top_levels: 5}, expires_at: 9999-12-31T23:59:59-01:00}}}"
    ),
    "expiry alone": skew("{symbols: {BTCUSDT: {enabled: true, expires_at: 2030-01-01T00:00:00Z}}}"),
    "expiry of the global layer": skew("{parameters: {}, expires_at: 2030-01-01T00:00:00Z}"),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_plan_import__nonsense__is_refused_and_prune_deletes_nothing_for_it(text: str) -> None:
    write(parameters={"top_levels": 3})
    found = plan(text)
    assert found.refusals
    with pytest.raises(ImportRefusedError):
        apply(text, prune=True)
    assert (positions.last_sequence(), StrategyConfig.objects.get(strategy_id=SKEW).parameters) == (1, None)
    assert SymbolOverride.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [("010", 10), ("0o10", 8), ("0x0f", 15), ("+7", 7), ("1e1", None), ("1.2e0", None)],
)
def test_read__number_of_yaml_1_2__is_read_as_such(text: str, value: int | None) -> None:
    name = "top_levels" if value is not None else "buy_threshold"
    [wanted] = yaml_file.read(skew(f"{{parameters: {{{name}: {text}}}}}").encode()).wanted
    assert wanted.parameters == {name: float(text) if value is None else value}


def test_write__texts_that_look_like_something_else__are_read_as_texts() -> None:
    texts = ["010", "1e-3", "0o7", "1:30", "yes", "null", "~", "true", "2030-01-01", ".5", "1_0"]
    assert strict_yaml.load(strict_yaml.dump(texts).encode()) == texts


def test_read__symbols_up_to_the_limit__takes_time_in_proportion() -> None:
    """Twice as many cost about twice as much: comparing each with each would cost four times."""

    def seconds(count: int) -> float:
        text = skew(f"{{symbols: {{{','.join(f'S{n:05d}: {{}}' for n in range(count))}}}}}")
        started = time.process_time()
        yaml_file.read(text.encode())
        return time.process_time() - started

    seconds(100)
    assert min(seconds(4_800) for _ in range(2)) < 12 * min(seconds(1_200) for _ in range(3))


def test_apply_import__of_an_export_before_a_stop__does_not_undo_it() -> None:
    write("switch", enabled=True)
    write("switch", symbol=None, enabled=True)
    exported = imports.export_configuration(at=NOON)
    write("switch", enabled=False)
    write("switch", symbol=None, enabled=False)
    write(symbol=None, parameters={"top_levels": 7})
    assert [str(key) for key in plan(exported).kept_off] == [f"{SKEW} global"]
    apply(exported)
    assert StrategyConfig.objects.get(strategy_id=SKEW).enabled is False
    assert StrategyConfig.objects.get(strategy_id=SKEW).parameters is None
    found = plan(exported, allow_enable=True)
    assert (found.kept_off, [change.action for change in found.changes]) == ((), ["ENABLE"])
    apply(exported, allow_enable=True)
    assert StrategyConfig.objects.get(strategy_id=SKEW).enabled is True


def test_apply_import__a_symbol_that_is_off__stays_off_without_the_permission() -> None:
    write("switch", enabled=False)
    text = skew("{symbols: {BTCUSDT: {enabled: true, parameters: {top_levels: 4}}}}")
    apply(text)
    assert (SymbolOverride.objects.get().enabled, own()) == (False, {"top_levels": 4})
    apply(text, allow_enable=True)
    assert SymbolOverride.objects.get().enabled


def test_plan_import__a_strategy_that_was_removed__is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    text = FILE.replace("ticker_velocity", "iceberg_detector")
    catalogues.run_version(monkeypatch, catalogues.without("iceberg_detector"))
    found = plan(text)
    assert (found.refusals, found.passed_over) == ((), ("iceberg_detector",))
    assert "iceberg_detector" not in imports.export_configuration(at=NOON)

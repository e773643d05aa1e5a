"""Halts on the site: stored once by id, told to runtimes, ended by exactly their resume, by nothing else."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from embedded.servers import Valkey
from strategy_config.exceptions import InvalidRequestError, InvalidSymbolError, NotFoundError
from strategy_config.history import change_events, halt_rows, verification
from strategy_config.models import ConfigAudit, Halt, StrategyConfig, SymbolOverride
from strategy_config.publication import publisher, refresh
from strategy_config.redis import redis_client
from strategy_config.selectors import known_halts, overviews, stored_layers
from strategy_config.services import halts, old_runtimes, rollback, switches
from strategy_config.services.halts import Halted
from strategy_config.tasks import periodic
from strategy_config.transfer import backup
from strategy_core.configuration import redis_keys
from strategy_core.configuration.halts import EVERYTHING, REASON_LENGTH, Scope, read_halt
from tests.factories import NOON, OriginFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_runtimes import beat
from tests.strategy_config.test_services import BTC, SKEW, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)


def halt(scope: Scope = EVERYTHING, **origin: Any) -> Halted:
    return halts.halt(scope=scope, origin=OriginFactory(**origin))


def told(cache: CacheUnderTest, **members: Any) -> str:
    """What a runtime passes on that was halted without the site; answers the id."""
    record = {"id": str(uuid4()), "scope": {}, "at": "2024-08-08T11:59:00.000+00:00", "by": "ann", "channel": "nats"}
    cache.client.xadd(cache.keys.told_halts, {redis_keys.STREAM_FIELD: json.dumps({**record, **members})})
    return str({**record, **members}["id"])


def halts_there(cache: CacheUnderTest) -> set[str]:
    return {field.decode() for field in cache.client.hkeys(cache.keys.halts)}


def test_halt__of_a_symbol__is_one_row_one_sequence_and_no_version(cache: CacheUnderTest) -> None:
    write(parameters={"top_levels": 7})
    halted = halt(Scope(symbol="btcusdt"), reason="odd books")
    assert (halted.sequence, halted.published) == (2, True)
    row = ConfigAudit.objects.get(action="HALT")
    assert (row.object_kind, row.object_id, row.object_version, row.version) == ("halt", str(halted.halt.id), 1, None)
    assert cache.sequence() == 2
    _, entry = cache.entries()[-1]
    assert (entry.kind, entry.sequence) == ("halt", 2)
    record = read_halt(bytes(entry.halts[0]))
    assert record is not None
    assert (record.scope, record.by, record.reason) == (Scope(symbol="BTCUSDT"), "alice", "odd books")
    assert halts_there(cache) == {str(halted.halt.id)}
    assert stored_layers.layer_config(strategy_id=SKEW, symbol=BTC, at=NOON).version == 1
    assert write(parameters={"top_levels": 8}).published
    assert verification.verify().bad is None


def test_halt__with_texts_that_nothing_else_would_take__is_cut_and_stands() -> None:
    halted = halt(reason="x" * 5_000, changed_by="\0" * 300, request_id="r" * 500)
    assert len(halted.halt.reason) == REASON_LENGTH
    assert halted.halt.by == "trader"


def test_halt__of_a_strategy_that_is_not_in_the_code__stands() -> None:
    assert halt(Scope(strategy_id="long_gone")).halt.strategy_id == "long_gone"


def test_halt__of_what_is_no_symbol__is_refused() -> None:
    with pytest.raises(InvalidSymbolError):
        halt(Scope(symbol="BTC-USDT"))


def test_resume__by_id__ends_exactly_that_halt(cache: CacheUnderTest) -> None:
    first, second = halt(), halt()
    resumed = halts.resume(ids=[str(first.halt.id)], origin=OriginFactory())
    assert [row.id for row in resumed.ended] == [first.halt.id]
    assert [row.id for row in resumed.remaining] == [second.halt.id]
    assert halts_there(cache) == {str(second.halt.id)}
    _, entry = cache.entries()[-1]
    assert (entry.kind, entry.ids) == ("resume", [str(first.halt.id)])
    assert cache.client.hexists(cache.keys.resumed, str(first.halt.id))
    assert verification.verify().bad is None


def test_resume__by_scope__ends_the_halts_of_exactly_that_scope() -> None:
    everything, symbol = halt(), halt(Scope(symbol=BTC))
    another = halt(Scope(symbol=BTC))
    resumed = halts.resume(scope=Scope(symbol=BTC), origin=OriginFactory())
    assert {row.id for row in resumed.ended} == {symbol.halt.id, another.halt.id}
    assert [row.id for row in known_halts.open_halts()] == [everything.halt.id]
    rows = ConfigAudit.objects.filter(action="RESUME")
    assert len({row.set_id for row in rows}) == 1


def test_resume__of_nothing__is_refused_and_records_nothing() -> None:
    halted = halt()
    ended = str(halted.halt.id)
    halts.resume(ids=[ended], origin=OriginFactory())
    with pytest.raises(NotFoundError):
        halts.resume(ids=[ended], origin=OriginFactory())
    with pytest.raises(NotFoundError):
        halts.resume(scope=EVERYTHING, origin=OriginFactory())
    with pytest.raises(InvalidRequestError):
        halts.resume(origin=OriginFactory())
    with pytest.raises(InvalidRequestError):
        halts.resume(scope=EVERYTHING, origin=OriginFactory(reason=" "))
    assert ConfigAudit.objects.count() == 2


def test_told_halts__taken_in__once_by_id_whoever_tells(cache: CacheUnderTest) -> None:
    identity = told(cache, scope={"strategy_id": SKEW}, reason="fat finger")
    told(cache, id=identity, channel="http")
    assert periodic.reconcile() == "done"
    row = Halt.objects.get()
    assert (str(row.id), row.strategy_id, row.by, row.reason) == (identity, SKEW, "ann", "fat finger")
    assert row.at == NOON - timedelta(minutes=1)
    assert halts_there(cache) == {identity}
    assert cache.client.xlen(cache.keys.told_halts) == 0
    told(cache, id=identity)
    assert periodic.reconcile() == "done"
    assert ConfigAudit.objects.filter(action="HALT").count() == 1


def test_told_halt__that_cannot_be_read__halts_everything(cache: CacheUnderTest) -> None:
    cache.client.hset(cache.keys.halts, identity := str(uuid4()), b"\xff not json")
    cache.client.xadd(cache.keys.told_halts, {redis_keys.STREAM_FIELD: b"no id in it"})
    assert periodic.reconcile() == "done"
    row = Halt.objects.get()
    assert (str(row.id), row.strategy_id, row.symbol) == (identity, "", "")


def test_told_halt__resumed_before__is_not_stored_again_and_runtimes_are_told(cache: CacheUnderTest) -> None:
    identity = str(halt().halt.id)
    halts.resume(ids=[identity], origin=OriginFactory())
    cache.client.delete(cache.keys.resumed)
    told(cache, id=identity)
    assert periodic.reconcile() == "done"
    assert known_halts.open_halts() == ()
    assert cache.client.hexists(cache.keys.resumed, identity)
    assert cache.entries()[-1][1].kind == "reload"


def test_resume__of_what_only_a_runtime_knows__takes_it_in_first(cache: CacheUnderTest) -> None:
    identity = told(cache)
    resumed = halts.resume(ids=[identity], origin=OriginFactory())
    assert [str(row.id) for row in resumed.ended] == [identity]


@pytest.mark.parametrize("lost", [["halts"], ["resumed"], ["halts", "resumed", "sequence", "config", "changes"]])
def test_rewrite__after_redis_lost_halts__writes_them_again(cache: CacheUnderTest, lost: list[str]) -> None:
    ended = str(halt().halt.id)
    halts.resume(ids=[ended], origin=OriginFactory())
    open_one = str(halt(Scope(symbol=BTC)).halt.id)
    for name in lost:
        cache.client.delete(getattr(cache.keys, name))
    assert periodic.rewrite() == "done"
    assert halts_there(cache) == {open_one}
    assert cache.client.hexists(cache.keys.resumed, ended)
    assert cache.entries()[-1][1].kind == "reload"


def test_halt__while_redis_is_down__stands_and_is_told_later(
    own_cache: CacheUnderTest, fresh_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "REST_SECONDS", 0.0)
    publisher.publish_pending()
    fresh_valkey.stop()
    halted = halt()
    assert not halted.published
    fresh_valkey.start()
    assert publisher.publish_pending()
    assert halts_there(own_cache) == {str(halted.halt.id)}


@pytest.mark.parametrize(
    "scope", [EVERYTHING, Scope(strategy_id=SKEW), Scope(symbol=BTC), Scope(strategy_id=SKEW, symbol=BTC)]
)
def test_halt__while_a_runtime_without_halts_is_live__switches_off_as_well_and_restores(
    cache: CacheUnderTest, scope: Scope
) -> None:
    beat(cache, "old")
    beat(cache, "new", halts=[])
    halted = halt(scope)
    assert halted.switched_off > 0
    assert not cache.document(f"{SKEW}:{BTC}" if scope.symbol else SKEW).config.enabled
    assert old_runtimes.cover_old_runtimes(at=NOON) == 0
    resumed = halts.resume(ids=[str(halted.halt.id)], origin=OriginFactory(), restore=True)
    assert len(resumed.switched_on) == halted.switched_off
    assert cache.document(f"{SKEW}:{BTC}" if scope.symbol else SKEW).config.enabled
    assert verification.verify().bad is None


def test_resume__with_restore__leaves_what_somebody_switched_meanwhile(cache: CacheUnderTest) -> None:
    beat(cache, "old")
    halted = halt()
    switches.switch(strategy_id=SKEW, enabled=True, origin=OriginFactory())
    switches.switch(strategy_id=SKEW, enabled=False, origin=OriginFactory())
    resumed = halts.resume(ids=[str(halted.halt.id)], origin=OriginFactory(), restore=True)
    assert not cache.document(SKEW).config.enabled
    assert f"{SKEW} global" not in resumed.switched_on


def test_halt__with_runtimes_that_know_halts__touches_no_layer(cache: CacheUnderTest) -> None:
    beat(cache, "new", halts=[])
    before = [each.strategy_id for each in overviews.strategy_overviews(NOON) if each.is_enabled]
    assert halts.halt(scope=EVERYTHING, origin=OriginFactory()).switched_off == 0
    assert [each.strategy_id for each in overviews.strategy_overviews(NOON) if each.is_enabled] == before


def test_enable_rollback_and_import__while_halted__end_nothing(cache: CacheUnderTest) -> None:
    write(parameters={"top_levels": 7})
    write(parameters={"top_levels": 8})
    halted = halt()
    switches.switch(strategy_id=SKEW, enabled=True, origin=OriginFactory())
    rollback.roll_back(strategy_id=SKEW, symbol=BTC, origin=OriginFactory())
    refresh.refresh_cache()
    assert [row.id for row in known_halts.open_halts()] == [halted.halt.id]
    assert halts_there(cache) == {str(halted.halt.id)}


def forget_store() -> None:
    for model in (SymbolOverride, StrategyConfig, ConfigAudit, Halt):
        model.objects.all()._raw_delete(using="default")


def test_restore__of_a_backup_from_before_the_halt__the_halt_holds(cache: CacheUnderTest, tmp_path: Path) -> None:
    write(parameters={"top_levels": 7})
    backup.write(tmp_path / "backup")
    identity = str(halt().halt.id)
    forget_store()
    assert backup.restore(tmp_path / "backup").bad is None
    assert periodic.reconcile() == "done"
    assert [str(row.id) for row in known_halts.open_halts()] == [identity]
    assert halts_there(cache) == {identity}
    assert verification.verify().bad is None


def test_restore__of_a_backup_with_a_halt__it_holds_also_in_an_empty_redis(
    cache: CacheUnderTest, tmp_path: Path
) -> None:
    identity = str(halt(Scope(strategy_id=SKEW)).halt.id)
    backup.write(tmp_path / "backup")
    forget_store()
    cache.forget()
    assert backup.restore(tmp_path / "backup").bad is None
    assert periodic.reconcile() == "done"
    assert halts_there(cache) == {identity}


def test_restore__of_a_backup_from_before_the_resume__is_recorded_as_resumed(
    cache: CacheUnderTest, tmp_path: Path
) -> None:
    identity = str(halt().halt.id)
    backup.write(tmp_path / "backup")
    halts.resume(ids=[identity], origin=OriginFactory())
    forget_store()
    assert backup.restore(tmp_path / "backup").bad is None
    assert periodic.reconcile() == "done"
    assert known_halts.open_halts() == ()
    assert verification.verify().bad is None


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda rows: rows.update(resumed_at=NOON), "resumed_at"),
        (lambda rows: rows.update(strategy_id=SKEW), "strategy_id"),
        (lambda rows: rows.update(by="mallory"), "by"),
        (lambda rows: rows.delete(), "is missing"),
    ],
)
def test_verify__halt_that_was_tampered_with__is_found(spoil: Any, problem: str) -> None:
    ended = str(halt().halt.id)
    halts.resume(ids=[ended], origin=OriginFactory())
    open_one = halt()
    assert verification.verify().bad is None
    spoil(Halt.objects.filter(pk=open_one.halt.id))
    bad = verification.verify().bad
    assert bad is not None
    assert (bad.position, problem in bad.problem) == (3, True)


@pytest.mark.parametrize(
    ("options", "scope"),
    [({}, EVERYTHING), ({"strategy": SKEW}, Scope(strategy_id=SKEW)), ({"symbol": BTC}, Scope(symbol=BTC))],
)
def test_commands__halt_and_resume__are_on_record(options: dict[str, str], scope: Scope, capsys: Any) -> None:
    call_command("halt", reason="exchange down", changed_by="ops", **options)
    row = Halt.objects.get()
    assert (halt_rows.scope_of(row), row.by, row.reason, row.channel) == (scope, "ops", "exchange down", "command")
    call_command("resume")
    assert str(row.id) in capsys.readouterr().out
    with pytest.raises(CommandError):
        call_command("resume", str(row.id))
    call_command("resume", str(row.id), reason="back", changed_by="ops")
    assert known_halts.open_halts() == ()


def test_changes__with_halts_among_them__leave_no_sequence_out(cache: CacheUnderTest) -> None:
    write(parameters={"top_levels": 7})
    identity = str(halt(Scope(symbol=BTC)).halt.id)
    halts.resume(ids=[identity], origin=OriginFactory())
    changes, latest = change_events.changes_after(0, limit=10)
    assert [change.sequence for change in changes] == [1, 2, 3] == list(range(1, latest + 1))
    assert [(change.action, change.strategy_id, change.symbol, change.halt_id) for change in changes[1:]] == [
        ("HALT", None, BTC, identity),
        ("RESUME", None, BTC, identity),
    ]
    assert changes[1].subject == f"config.changed.all.{BTC}"

"""Halts hold whatever else fails: the store's tables, the cover of old runtimes, one record, an answer on NATS."""

from typing import Any

import pytest
from django.conf import settings
from django.db import DataError, ProgrammingError
from msgspec import DecodeError

from strategy_config.history import chain, halt_rows
from strategy_config.models import Halt
from strategy_config.publication import halt_telling
from strategy_config.selectors import known_halts
from strategy_config.services import halts, switches, told_halts
from strategy_config.tasks import periodic
from strategy_core.configuration.halts import EVERYTHING, Scope
from tests.factories import NOON, OriginFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_halts import halt, halts_there, told
from tests.strategy_config.test_runtimes import beat
from tests.strategy_config.test_services import BTC

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)


def test_halt__under_an_id_that_halts_something_else__holds_beside_it(cache: CacheUnderTest) -> None:
    narrow = halt(Scope(symbol=BTC))
    identity = str(narrow.halt.id)
    whole = halts.halt(scope=EVERYTHING, origin=OriginFactory(), halt_id=identity)
    again = halts.halt(scope=EVERYTHING, origin=OriginFactory(), halt_id=identity)
    assert {halt_rows.scope_of(row) for row in known_halts.open_halts()} == {EVERYTHING, Scope(symbol=BTC)}
    assert whole.halt.id == again.halt.id != narrow.halt.id
    assert halts_there(cache) == {identity, str(whole.halt.id)}


def test_halt__known_and_not_published_yet__the_retry_says_so(cache: CacheUnderTest) -> None:
    halted = halt()
    cache.client.delete(cache.keys.sequence)
    again = halts.halt(scope=EVERYTHING, origin=OriginFactory(), halt_id=str(halted.halt.id))
    assert again.sequence == halted.sequence
    assert not again.published


def test_halt__store_that_is_not_migrated__runtimes_are_told(
    cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(change: object) -> None:
        raise ProgrammingError('relation "strategy_config_halt" does not exist')

    monkeypatch.setattr(chain, "write", missing)
    halted = halt(Scope(symbol=BTC))
    assert (halted.is_recorded, halted.told_over) == (False, ("redis",))
    monkeypatch.undo()


def test_halt__old_runtimes_cannot_be_covered__the_halt_is_answered_as_it_stands(
    cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(cache, "old", halts=None)

    def fails(**arguments: object) -> None:
        raise RuntimeError("a damaged row")

    monkeypatch.setattr(switches, "stop_layers", fails)
    halted = halt()
    assert (halted.is_recorded, halted.published, halted.switched_off) == (True, True, 0)


def test_told_halt__of_an_instant_that_no_calendar_has_in_utc__is_taken_in(cache: CacheUnderTest) -> None:
    identity = told(cache, at="0001-01-01T00:00:00+14:00")
    assert periodic.reconcile() == "done"
    assert str(Halt.objects.get().id) == identity
    halts.resume(ids=[identity], origin=OriginFactory())


def test_told_halts__one_cannot_be_stored__the_others_are(
    cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = told(cache), told(cache, by="nobody")
    save = Halt.save

    def failing(row: Halt, **arguments: Any) -> None:
        if row.by == "nobody":
            raise DataError("a text that this store does not take")
        save(row, **arguments)

    monkeypatch.setattr(Halt, "save", failing)
    told_halts.take_in_told(at=NOON)
    assert [str(row.id) for row in known_halts.open_halts()] == [good]
    monkeypatch.undo()
    told_halts.take_in_told(at=NOON)
    assert {str(row.id) for row in known_halts.open_halts()} == {good, bad}


def test_halt__store_away_and_what_answers_on_nats_is_no_runtime__what_redis_was_told_stands(
    cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(halted: object) -> bool:
        raise DecodeError("not JSON")

    monkeypatch.setattr(halt_telling, "_is_nats_used", lambda: True)
    monkeypatch.setattr(halt_telling, "_ask", odd)
    assert halts.halt_without_store(scope=EVERYTHING, origin=OriginFactory()).told_over == ("redis",)

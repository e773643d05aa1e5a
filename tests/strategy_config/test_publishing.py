"""From the store to a real Redis: order, catching up, starting anew, repair."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from embedded.servers import Valkey
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import change_events, positions
from strategy_config.models import ChangeSequence
from strategy_config.publication import change_entries, publisher, refresh
from strategy_config.redis import redis_client
from strategy_config.selectors import stored_layers, summaries
from strategy_config.services import imports
from strategy_config.tasks import periodic
from strategy_core.configuration import change_stream, redis_keys, wire_documents
from tests.factories import NOON, OriginFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_services import BTC, SKEW, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
FIELD = f"{SKEW}:{BTC}"


@pytest.fixture
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is asked again right after a failure."""
    monkeypatch.setattr(redis_client, "REST_SECONDS", 0.0)


def test_set_layer__first_ever__publishes_all_strategies_and_a_reload_notice(cache: CacheUnderTest) -> None:
    assert write(parameters={"top_levels": 10}).published
    assert cache.fields() == {strategy.strategy_id for strategy in summaries.strategy_summaries(NOON)} | {FIELD}
    [(entry_id, notice)] = cache.entries()
    assert (notice.kind, notice.sequence, entry_id.split("-")[0]) == ("reload", 1, "1")


def test_set_layer__each_change__is_one_entry_in_order(cache: CacheUnderTest) -> None:
    assert publisher.publish_pending()
    for levels in range(1, 6):
        assert write(parameters={"top_levels": levels}).published
    assert cache.published() == [1, 2, 3, 4, 5]
    assert cache.sequence() == 5
    _, change = cache.entries()[-1]
    assert (change.strategy_id, change.symbol, change.action, change.version) == (SKEW, BTC, "UPDATE", 5)
    document = wire_documents.decode_document(bytes(change.documents[FIELD]))
    assert document == cache.document(FIELD)
    assert (document.config.parameters["top_levels"], document.symbol_version, document.config.sequence) == (5, 5, 5)


def test_set_layer__global__rewrites_all_overrides_under_one_sequence(cache: CacheUnderTest) -> None:
    symbols = [f"COIN{number}USDT" for number in range(3)]
    for symbol in symbols:
        write(symbol=symbol, parameters={"top_levels": 10})
    sequence = write(symbol=None, parameters={"buy_threshold": 2.0}).sequence
    for symbol in symbols:
        document = cache.document(f"{SKEW}:{symbol}")
        assert (document.config.parameters["buy_threshold"], document.config.sequence) == (2.0, sequence)
        assert (document.global_version, document.symbol_version) == (1, 1)
    _, change = cache.entries()[-1]
    assert set(change.documents) == {SKEW, *(f"{SKEW}:{symbol}" for symbol in symbols)}


def test_set_layer__global_over_many_overrides__names_fields_instead_of_documents(cache: CacheUnderTest) -> None:
    for number in range(change_entries.EMBEDDED_LAYERS):
        write(symbol=f"COIN{number}USDT", parameters={})
    write(symbol=None, parameters={"buy_threshold": 2.0})
    _, change = cache.entries()[-1]
    assert (len(change.fields), change.documents) == (change_entries.EMBEDDED_LAYERS + 1, {})


def test_delete_layer__document__keeps_the_version_and_nothing_else(cache: CacheUnderTest) -> None:
    write(symbol=None, parameters={"top_levels": 8})
    write(parameters={"top_levels": 10})
    write("delete_layer")
    document = cache.document(FIELD)
    assert document.config == stored_layers.layer_config(strategy_id=SKEW, symbol=BTC, at=NOON)
    assert (document.global_version, document.symbol_version, document.config.version) == (1, 2, 2)
    assert (document.config.parameters["top_levels"], document.config.is_override, document.config.own) == (
        8,
        False,
        {},
    )
    _, change = cache.entries()[-1]
    assert wire_documents.decode_document(bytes(change.documents[FIELD])) == document


def test_set_layer__global_after_a_delete__rewrites_the_symbol_as_well(cache: CacheUnderTest) -> None:
    write(parameters={"top_levels": 10})
    write("delete_layer")
    write(symbol=None, parameters={"top_levels": 8})
    document = cache.document(FIELD)
    assert (document.config.parameters["top_levels"], document.global_version, document.symbol_version) == (8, 1, 2)


def test_set_layer__with_expiry__document_carries_what_comes_after(cache: CacheUnderTest) -> None:
    later = NOON + timedelta(minutes=1)
    write(symbol=None, parameters={"top_levels": 8})
    write(parameters={"top_levels": 10}, expires_at=later)
    document = cache.document(FIELD)
    assert document.expires_at_ms == later.timestamp() * 1000
    assert document.after == stored_layers.layer_config(strategy_id=SKEW, symbol=BTC, at=later)
    assert (document.after.parameters["top_levels"], document.after.version) == (8, 2)


def test_set_layer__redis_down__stands_and_is_published_later(
    own_cache: CacheUnderTest, fresh_valkey: Valkey, no_rest: None
) -> None:
    write(parameters={"top_levels": 1})
    fresh_valkey.stop()
    assert [write(parameters={"top_levels": levels}).published for levels in (2, 3)] == [False, False]
    fresh_valkey.start()
    own_cache.forget()
    assert write(parameters={"top_levels": 4}).published
    assert own_cache.document(FIELD).config.parameters["top_levels"] == 4
    assert own_cache.sequence() == 4


def test_set_layer__redis_restarted_meanwhile__is_published_at_once(
    own_cache: CacheUnderTest, fresh_valkey: Valkey
) -> None:
    write(parameters={"top_levels": 1})
    # The kept connection is dead then, and the script unknown.
    fresh_valkey.stop()
    fresh_valkey.start()
    assert write(parameters={"top_levels": 2}).published
    assert own_cache.document(FIELD).config.parameters["top_levels"] == 2


def test_publish__behind__catches_up_each_sequence_once(cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    write(parameters={"top_levels": 1})
    with monkeypatch.context() as patch:
        patch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
        assert not write(parameters={"top_levels": 2}).published
        assert not write(symbol=None, parameters={"top_levels": 3}).published
    assert write(parameters={"top_levels": 4}).published
    assert cache.published() == [2, 3, 4]
    assert cache.document(SKEW).config.sequence == 3
    assert publisher.publish_pending()
    assert cache.published() == [2, 3, 4]


def test_publish_pending__far_behind__starts_anew(cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "FARTHEST_BEHIND", 1)
    write(parameters={"top_levels": 1})
    with monkeypatch.context() as patch:
        patch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
        for levels in (2, 3):
            write(parameters={"top_levels": levels})
    assert publisher.publish_pending()
    assert cache.sequence() == 3
    assert [change.kind for _, change in cache.entries()] == ["reload", "reload"]
    assert cache.document(FIELD).config.parameters["top_levels"] == 3


def _empty(cache: CacheUnderTest) -> None:
    cache.forget()


def _ahead(cache: CacheUnderTest) -> None:
    cache.client.set(cache.keys.sequence, 99)
    cache.client.hset(cache.keys.sequences, FIELD, 99)
    cache.client.xadd(cache.keys.changes, {redis_keys.STREAM_FIELD: b"{}"}, id="99-0")


def _no_number(cache: CacheUnderTest) -> None:
    cache.client.set(cache.keys.sequence, "nonsense")


@pytest.mark.parametrize("break_it", [_empty, _ahead, _no_number])
def test_reconcile__redis_lost_its_place__everything_is_there_again(
    cache: CacheUnderTest, break_it: Callable[[CacheUnderTest], None]
) -> None:
    write(parameters={"top_levels": 1})
    whole = {field: cache.document(field) for field in cache.fields()}
    break_it(cache)
    periodic.reconcile()
    assert {field: cache.document(field) for field in cache.fields()} == whole
    assert cache.sequence() == 1
    assert cache.entries()[-1][1].kind == "reload"
    write(parameters={"top_levels": 2})
    assert cache.published()[-1] == 2


def _poison(cache: CacheUnderTest) -> None:
    cache.client.hset(cache.keys.config, FIELD, b"{not json")


def _stray(cache: CacheUnderTest) -> None:
    cache.client.hset(cache.keys.config, f"{SKEW}:XRPUSDT", b"{}")


def _lost(cache: CacheUnderTest) -> None:
    cache.client.hdel(cache.keys.config, SKEW)


def _wrong_type(cache: CacheUnderTest) -> None:
    cache.client.set(cache.keys.config, b"text")


@pytest.mark.parametrize("break_it", [_poison, _stray, _lost, _wrong_type])
def test_rewrite__drift__is_repaired_and_runtimes_are_told(
    cache: CacheUnderTest, break_it: Callable[[CacheUnderTest], None]
) -> None:
    write(parameters={"top_levels": 1})
    whole = cache.client.hgetall(cache.keys.config)
    break_it(cache)
    notices = len(cache.entries())
    periodic.rewrite()
    assert cache.client.hgetall(cache.keys.config) == whole
    assert [change.kind for _, change in cache.entries()[notices:]] == ["reload"]


def test_rewrite__nothing_differs__writes_nothing(cache: CacheUnderTest) -> None:
    write(parameters={"top_levels": 1})
    before = cache.entries()
    periodic.rewrite()
    assert cache.entries() == before


def test_refresh_cache__rewrites_and_tells_every_runtime(cache: CacheUnderTest) -> None:
    write(parameters={"top_levels": 1})
    last_id = cache.entries()[-1][0]
    refreshed = refresh.refresh_cache()
    assert (refreshed.entries, refreshed.sequence) == (len(cache.fields()), 1)
    assert cache.client.xread({cache.keys.changes: last_id})


def test_refresh_cache__redis_away__says_so() -> None:
    with pytest.raises(StoreUnavailableError):
        refresh.refresh_cache()


def test_publish__predecessor_still_on_its_way__waits_for_it(
    cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish_pending()
    write(parameters={"top_levels": 1})
    # The writer of sequence 2 has committed and is about to publish, while that of 3 is already at it.
    held_back: list[Any] = []
    real = redis_client.publish
    monkeypatch.setattr(publisher, "publish", lambda *change: bool(held_back.append(change)))
    write(parameters={"top_levels": 2})
    write(parameters={"top_levels": 3})
    monkeypatch.undo()

    def publish_meanwhile(*arguments: Any, **options: Any) -> redis_client.Publication:
        answer = real(*arguments, **options)
        if held_back:
            publisher.publish(*held_back.pop(0))
        return answer

    late, held_back = held_back[1], held_back[:1]
    monkeypatch.setattr(redis_client, "publish", publish_meanwhile)
    monkeypatch.setattr(publisher, "_catch_up", lambda last: pytest.fail("asked the store"))
    assert publisher.publish(*late)
    assert cache.published() == [1, 2, 3]


def test_last_sequence__after_writes__is_the_chain_s(cache: CacheUnderTest) -> None:
    sequence = write(parameters={}).sequence
    assert positions.last_sequence() == ChangeSequence.objects.get().value == sequence == cache.sequence()


def test_set_layer__origin_s_reason__reaches_the_stream(cache: CacheUnderTest) -> None:
    publisher.publish_pending()
    write(parameters={}, origin=OriginFactory(reason="volatile", changed_by="bob"))
    _, change = cache.entries()[-1]
    assert (change.changed_by, change.reason, change.changed_at) == ("bob", "volatile", "2024-08-08T12:00:00.000Z")


@pytest.mark.parametrize("lost", ["config", "sequences", "sequence"])
def test_reconcile__asked_for_what_redis_lost__writes_everything_anew(cache: CacheUnderTest, lost: str) -> None:
    write(parameters={"top_levels": 10})
    fields = cache.fields()
    cache.client.delete(getattr(cache.keys, lost))
    cache.client.set(cache.keys.repair, "lost", ex=60)
    periodic.reconcile()
    assert cache.fields() == {field.decode() for field in cache.client.hkeys(cache.keys.sequences)} == fields
    assert (cache.sequence(), cache.document(FIELD).config.parameters["top_levels"]) == (1, 10)
    assert cache.entries()[-1][1].kind == "reload"
    assert cache.client.get(cache.keys.repair) is None
    count = len(cache.entries())
    periodic.reconcile()
    assert len(cache.entries()) == count


@pytest.mark.parametrize("field", [SKEW, "no_such_strategy"])
def test_rewrite__list_of_fields_that_differs__repaired(cache: CacheUnderTest, field: str) -> None:
    """One line lost; and one left from a version that only emptied the document of a field that it deleted."""
    write(parameters={"top_levels": 10})
    if field == SKEW:
        cache.client.hdel(cache.keys.sequences, field)
    else:
        cache.client.hset(cache.keys.sequences, field, 1)
    periodic.rewrite()
    assert {each.decode() for each in cache.client.hkeys(cache.keys.sequences)} == cache.fields()
    assert cache.entries()[-1][1].kind == "reload"


def _import(count: int, levels: int) -> int:
    lines = "".join(f"      S{number:03}USDT: {{parameters: {{top_levels: {levels}}}}}\n" for number in range(count))
    other = f"  ticker_velocity: {{parameters: {{time_window: {levels * 10}}}}}\n"
    text = f"strategies:\n  {SKEW}:\n    symbols:\n{lines}{other}"
    return imports.apply_import(content=text.encode(), origin=OriginFactory()).sequence


def _content(cache: CacheUnderTest, change: change_stream.Change) -> change_stream.SetContent:
    return change.content or change_stream.decode_set(cache.client.get(cache.keys.change_set(change.sequence)))


@pytest.mark.parametrize("count", [3, change_entries.EMBEDDED_LAYERS + 5])
def test_import__of_several_layers__is_one_entry_with_all_documents(cache: CacheUnderTest, count: int) -> None:
    assert publisher.publish_pending()
    sequence = _import(count, 9)
    _, change = cache.entries()[-1]
    assert (change.kind, change.first_sequence, change.sequence) == ("change", 1, sequence)
    assert (change.content is None) is (count > change_entries.EMBEDDED_LAYERS)
    content = _content(cache, change)
    assert [member.sequence for member in content.members] == list(range(1, sequence + 1))
    assert set(content.documents) >= {"ticker_velocity", *(f"{SKEW}:S{number:03}USDT" for number in range(count))}
    assert all(
        cache.document(field) == wire_documents.decode_document(bytes(raw)) for field, raw in content.documents.items()
    )
    assert all(0 < cache.client.ttl(key) <= 86_400 for key in cache.client.keys(f"{cache.keys.prefix}:set:*"))
    events, _ = change_events.changes_after(0, limit=100)
    assert [event.sequence for event in events] == list(range(1, sequence + 1))


@pytest.mark.parametrize("count", [3, change_entries.EMBEDDED_LAYERS + 5])
def test_import__that_redis_missed__is_told_whole_with_what_came_after(
    own_cache: CacheUnderTest, fresh_valkey: Valkey, no_rest: None, count: int
) -> None:
    """Its documents are as of the change after it by then: told apart, they would be half of that one."""
    assert publisher.publish_pending()
    fresh_valkey.stop()
    sequence = _import(count, 9)
    assert not write(parameters={"top_levels": 7}).published
    fresh_valkey.start()
    own_cache.client.set(own_cache.keys.sequence, 0)
    assert publisher.publish_pending()
    _, change = own_cache.entries()[-1]
    assert (change.first_sequence, change.sequence, own_cache.sequence()) == (1, sequence + 1, sequence + 1)
    assert FIELD in _content(own_cache, change).documents


def test_change__of_one_layer_and_row__is_told_as_ever(cache: CacheUnderTest) -> None:
    assert publisher.publish_pending()
    write(parameters={"top_levels": 7})
    _, change = cache.entries()[-1]
    assert (change.first_sequence, change.content, set(change.documents)) == (None, None, {FIELD})

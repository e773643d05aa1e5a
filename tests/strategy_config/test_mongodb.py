"""What only MongoDB does differently: indexes, transactions that conflict, lost connections, migrations."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.models import QuerySet

from strategy_config.history import verification
from strategy_config.history.origins import Origin
from strategy_config.models import ApiToken, ChangeSequence, ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.selectors import stored_layers
from strategy_config.services import layers
from strategy_config.store import circuit_breaker, transactions

pytestmark = [
    pytest.mark.skipif(not settings.IS_ON_MONGODB, reason="needs TEST_STORE=mongodb"),
    pytest.mark.django_db(transaction=True),
]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HISTORY = ConfigAudit.objects.filter(strategy_id="orderbook_skew")
QUERIES: dict[str, tuple[QuerySet[Any], set[str]]] = {
    "list": (HISTORY.order_by("-sequence")[:100], {"audit_newest_first"}),
    "by_symbol": (HISTORY.filter(symbol="BTCUSDT").order_by("-sequence")[:100], {"history_of_layer"}),
    "by_time": (HISTORY.filter(changed_at__gte=NOW), {"history_by_time", "audit_newest_first"}),
    "next_page": (HISTORY.filter(sequence__lt=100).order_by("-sequence")[:100], {"audit_newest_first"}),
    "since_sequence": (ConfigAudit.objects.filter(sequence__gt=7).order_by("sequence"), {"history"}),
    "strategy": (StrategyConfig.objects.filter(strategy_id="orderbook_skew"), {"lookup_strategy"}),
    "layer": (SymbolOverride.objects.filter(strategy_id="orderbook_skew", symbol="BTCUSDT"), {"lookup_layer"}),
    "layers_of_strategy": (SymbolOverride.objects.filter(strategy_id="orderbook_skew"), {"lookup_layer"}),
    "token": (ApiToken.objects.filter(digest="0" * 64), {"lookup_token"}),
}


def origin() -> Origin:
    return Origin(changed_by="tester", actor="tester", channel="api", request_id="r", at=NOW)


def conditions(match: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of a $match, out of the backend's nested $and."""
    for name, value in match.items():
        if name == "$and":
            for inner in value:
                yield from conditions(inner)
        else:
            yield name, value


def match_of(queryset: QuerySet[Any]) -> dict[str, Any]:
    """The query's $match without nesting and without the backend's tests for NULL, which mean nothing here.

    A mongod plans the nested form alike; the wire server's planner does not look into $and.
    """
    compiler = queryset.query.get_compiler("default")
    compiler.pre_sql_setup()
    [match] = [stage["$match"] for stage in compiler.build_query().get_pipeline() if "$match" in stage]
    tests_for_null = ({"$exists": True}, {"$ne": None})
    return {name: value for name, value in conditions(match) if value not in tests_for_null}


def stages(plan: Any) -> Iterator[dict[str, Any]]:
    """Every stage of a plan, whatever the server's version nests it in."""
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan
        plan = list(plan.values())
    if isinstance(plan, list):
        for inner in plan:
            yield from stages(inner)


@pytest.mark.parametrize("name", QUERIES)
def test_query__explained__is_answered_by_its_own_index(name: str) -> None:
    queryset, indexes = QUERIES[name]
    command = {"find": queryset.model._meta.db_table, "filter": match_of(queryset)}
    plan = connection.database.command("explain", command)["queryPlanner"]["winningPlan"]
    scans = [stage for stage in stages(plan) if stage["stage"] in {"IXSCAN", "COLLSCAN"}]
    assert [scan["stage"] for scan in scans] == ["IXSCAN"]
    assert scans[0]["indexName"] in indexes
    # A mongod could not use a partial index here; the wire server is not so strict.
    assert not scans[0]["isPartial"]


def test_migrate__on_an_up_to_date_database__changes_nothing() -> None:
    before = {
        name: connection.database[name].index_information() for name in connection.database.list_collection_names()
    }
    call_command("migrate", verbosity=0)
    after = {
        name: connection.database[name].index_information() for name in connection.database.list_collection_names()
    }
    assert after == before
    assert {"strategy_configs", "strategy_config_overrides", "strategy_config_audit"} <= after.keys()


def test_makemigrations__of_every_app__finds_nothing_to_do() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)


def test_transaction__failing_at_its_end__leaves_nothing() -> None:
    def write() -> None:
        with transactions.atomic():
            SymbolOverride.objects.create(strategy_id="orderbook_skew", symbol="BTCUSDT")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert not SymbolOverride.objects.exists()


def test_transaction__inside_another__is_refused() -> None:
    with pytest.raises(RuntimeError, match="durable"), transactions.atomic(), transactions.atomic():
        pytest.fail("the inner transaction must not begin")


def in_threads(number: int, work: Callable[[int], None]) -> list[BaseException]:
    """Run ``work(0)`` to ``work(number - 1)`` at the same time; answers what they raised."""
    failures: list[BaseException] = []
    barrier = threading.Barrier(number)

    def run(index: int) -> None:
        barrier.wait()
        try:
            work(index)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_set_layer__by_fifty_threads_at_once__counts_every_one() -> None:
    writers = 50

    def write(index: int) -> None:
        parameters = {"top_levels": 1 + index % 20}
        # Forced: two writers of the same value may come after one another.
        layers.set_layer(
            strategy_id="orderbook_skew", symbol="BTCUSDT", parameters=parameters, origin=origin(), is_forced=True
        )

    assert in_threads(writers, write) == []
    history = ConfigAudit.objects.order_by("sequence")
    assert [row.version for row in history] == list(range(1, writers + 1))
    assert ChangeSequence.objects.get().value == writers
    assert verification.verify().bad is None
    layer = stored_layers.layer_config(strategy_id="orderbook_skew", symbol="BTCUSDT", at=NOW)
    last = history.last()
    assert last is not None
    assert (layer.version, layer.own) == (writers, last.new_parameters)


def test_command__answered__is_heard_by_the_breakers_that_its_thread_is_inside() -> None:
    heard: list[str] = []
    for name in ("STORE", "WRITES"):
        breaker: Any = getattr(circuit_breaker, name)
        breaker.heard = partial(heard.append, name)
    with circuit_breaker.STORE.passage(lambda exception: circuit_breaker.Verdict.DEAD):
        ChangeSequence.objects.get()
        assert heard == ["STORE"]
        with circuit_breaker.WRITES.passage(lambda exception: circuit_breaker.Verdict.DEAD):
            ChangeSequence.objects.get()
    assert heard == ["STORE", "STORE", "WRITES"]
    ChangeSequence.objects.get()
    assert heard == ["STORE", "STORE", "WRITES"]

"""`manage.py import_legacy`, on documents as the original service wrote them."""

import io
import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from pymongo.database import Database

from strategy_config.history import verification
from strategy_config.models import ConfigAudit, SymbolOverride
from strategy_config.selectors import stored_layers
from strategy_config.services import layers, rollback
from strategy_config.transfer import legacy_import, legacy_source
from tests.factories import OriginFactory

pytestmark = pytest.mark.django_db(transaction=True)
START = datetime(2025, 3, 1, 8, 0, 0, 123_000)  # noqa: DTZ001  (the original service wrote naive instants in UTC)
SKEW = "orderbook_skew"


@pytest.fixture
def source(mongodb_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database[dict[str, Any]]]:
    """An empty database of the original service, which the command reads."""
    monkeypatch.setattr(settings, "LEGACY_MONGODB_URI", mongodb_uri)
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client[f"legacy_{uuid.uuid4().hex[:8]}"]
        yield database
        client.drop_database(database.name)


def put_config(
    source: Database[dict[str, Any]],
    parameters: Any,
    version: int,
    *,
    symbol: str | None = None,
    minute: int = 0,
    strategy_id: str = SKEW,
) -> None:
    key = {"strategy_id": strategy_id} | ({"symbol": symbol} if symbol else {})
    source["strategy_configs_symbol" if symbol else "strategy_configs_global"].insert_one(
        {
            **key,
            "parameters": parameters,
            "version": version,
            "created_at": START,
            "updated_at": START + timedelta(minutes=minute),
            "metadata": {"changed_by": "trader_1", "reason": "because"},
        }
    )


def put_change(
    source: Database[dict[str, Any]],
    old: tuple[dict[str, Any], int] | None,
    new: tuple[dict[str, Any], int] | None,
    minute: int,
    *,
    symbol: str | None = None,
    **other: Any,
) -> None:
    action = "DELETE" if new is None else "CREATE" if old is None else "UPDATE"
    source.strategy_config_audit.insert_one(
        {
            "strategy_id": SKEW,
            "symbol": symbol,
            "action": action,
            "old_parameters": None if old is None else {**old[0], "version": old[1]},
            "new_parameters": None if new is None else {**new[0], "version": new[1]},
            "changed_by": f"trader_{minute}",
            "changed_at": START + timedelta(minutes=minute),
            "reason": None if minute == 0 else f"reason {minute}",
            **other,
        }
    )


def run(source: Database[dict[str, Any]], mode: str = "--apply") -> dict[str, Any]:
    """The command's report."""
    output = io.StringIO()
    with suppress(CommandError):  # raised after the report where something was left out
        call_command("import_legacy", mode, "--json", "--source-database", source.name, stdout=output)
    report: dict[str, Any] = json.loads(output.getvalue())
    return report


def everything(database: Database[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {name: list(database[name].find().sort("_id")) for name in sorted(database.list_collection_names())}


def test_import__of_a_regular_history__keeps_versions_rows_and_the_chain(source: Database[dict[str, Any]]) -> None:
    a, b = {"top_levels": 10}, {"top_levels": 10, "buy_threshold": 1.5}
    put_config(source, b, 2, minute=5)
    put_change(source, None, (a, 1), 0)
    put_change(source, (a, 1), (b, 2), 5)
    put_config(source, {"top_levels": 3.0}, 1, symbol="BTCUSDT", minute=2)
    put_change(source, None, ({"top_levels": 3.0}, 1), 2, symbol="BTCUSDT")
    before = everything(source)

    report = run(source)

    assert (report["problems"], report["changes"]) == ([], 3)
    assert [(layer["layer"], layer["version"], layer["notes"]) for layer in report["layers"]] == [
        (f"{SKEW} global", 2, []),
        (f"{SKEW} BTCUSDT", 1, []),
    ]
    rows = list(ConfigAudit.objects.order_by("sequence"))
    assert [(row.symbol, row.action, row.version, row.changed_by, row.reason, row.channel) for row in rows] == [
        ("", "CREATE", 1, "trader_0", "", "import"),
        ("BTCUSDT", "CREATE", 1, "trader_2", "reason 2", "import"),
        ("", "UPDATE", 2, "trader_5", "reason 5", "import"),
    ]
    assert rows[2].changed_at == (START + timedelta(minutes=5)).replace(tzinfo=UTC)
    assert (rows[2].old_parameters, rows[2].new_parameters) == (a, b)
    assert verification.verify().bad is None
    config = stored_layers.layer_config(strategy_id=SKEW, symbol="BTCUSDT", at=OriginFactory().at)
    assert (config.own, config.parameters["buy_threshold"], config.version) == ({"top_levels": 3}, 1.5, 1)
    assert everything(source) == before


def test_import__as_dry_run__reports_the_same_and_changes_nothing(source: Database[dict[str, Any]]) -> None:
    put_config(source, {"top_levels": 10}, 1)
    put_change(source, None, ({"top_levels": 10}, 1), 0)
    dry = run(source, "--dry-run")
    assert not ConfigAudit.objects.exists()
    assert {**dry, "applied": True, "published": False} == run(source)


@pytest.mark.parametrize(
    ("changes", "version", "expected"),
    [
        # No history at all: the versions before are said to be unknown.
        ([], 3, [("CREATE", 1), ("UPDATE", 2), ("UPDATE", 3)]),
        # A row is missing in the middle.
        ([(None, 1), (2, 3)], 3, [("CREATE", 1), ("UPDATE", 2), ("UPDATE", 3)]),
        # Two writers made the same version of it: both rows are kept.
        ([(None, 1), (1, 2), (1, 2)], 2, [("CREATE", 1), ("UPDATE", 2), ("UPDATE", 3)]),
        # Deleted, then made again from version 1.
        ([(None, 1), (1, None), (None, 1)], 1, [("CREATE", 1), ("DELETE", 2), ("CREATE", 3)]),
        # The last write left no row.
        ([(None, 1)], 2, [("CREATE", 1), ("UPDATE", 2)]),
    ],
)
def test_import__of_an_irregular_history__has_no_gap_and_ends_in_the_state(
    source: Database[dict[str, Any]],
    changes: list[tuple[int | None, int | None]],
    version: int,
    expected: list[tuple[str, int]],
) -> None:
    state = {"top_levels": 10}
    put_config(source, state, version, minute=30)
    for minute, (old, new) in enumerate(changes):
        put_change(source, old and (state, old), new and (state, new), minute)
    report = run(source)
    rows = ConfigAudit.objects.order_by("sequence")
    assert [(row.action, row.version) for row in rows] == expected
    assert rows.last().new_parameters == state  # type: ignore[union-attr]  # there are rows
    assert report["problems"] == []
    assert report["layers"][0]["notes"] != [] or expected[-1][1] == version
    assert verification.verify().bad is None


def test_import__of_a_layer_deleted_before__keeps_its_history(source: Database[dict[str, Any]]) -> None:
    state = {"top_levels": 10}
    put_change(source, None, (state, 1), 0, symbol="ETHUSDT")
    put_change(source, (state, 1), None, 1, symbol="ETHUSDT")
    run(source)
    row = SymbolOverride.objects.get(symbol="ETHUSDT")
    assert (row.parameters, row.version) == (None, 2)
    origin = OriginFactory()
    assert rollback.roll_back(strategy_id=SKEW, symbol="ETHUSDT", origin=origin, target_version=1).version == 3


@pytest.mark.parametrize(
    ("collection", "document", "message"),
    [
        ("strategy_configs_global", {"parameters": {"top_levels": 99}}, "refused"),
        ("strategy_configs_global", {"parameters": {"gone": 1}}, "refused"),
        ("strategy_configs_global", {"parameters": [1]}, "parameters is no object"),
        ("strategy_configs_global", {"version": "2"}, "version is '2'"),
        ("strategy_configs_global", {"version": 10**7}, "lacks"),
        ("strategy_configs_global", {"updated_at": "yesterday"}, "updated_at is no instant"),
        ("strategy_configs_global", {"parameters": {"top_levels": pymongo.ASCENDING, "x": START}}, "JSON cannot"),
        ("strategy_configs_symbol", {}, "symbol is no text"),
        ("strategy_configs_symbol", {"symbol": "B T C"}, "symbol"),
        ("strategy_config_audit", {"action": "TOUCH"}, "action is 'TOUCH'"),
        ("strategy_config_audit", {"action": "UPDATE"}, "UPDATE without new_parameters"),
        ("strategy_config_audit", {"action": "DELETE", "changed_by": None}, "changed_by is no text"),
    ],
)
def test_import__of_what_cannot_be_read__reports_it_and_takes_over_the_rest(
    source: Database[dict[str, Any]], collection: str, document: dict[str, Any], message: str
) -> None:
    good = {"strategy_id": SKEW, "parameters": {"top_levels": 4}, "version": 1, "updated_at": START}
    source[collection].insert_one(
        {**good, "changed_by": "someone", "changed_at": START, **document} | {"_id": uuid.uuid4().hex}
    )
    put_config(source, {"top_levels": 10}, 1, symbol="BTCUSDT")
    report = run(source)
    [problem] = report["problems"]
    assert message in problem
    assert [layer["layer"] for layer in report["layers"]] == [f"{SKEW} BTCUSDT"]


def test_import__again__leaves_alone_what_is_there(source: Database[dict[str, Any]]) -> None:
    put_config(source, {"top_levels": 10}, 1)
    run(source)
    layers.set_layer(strategy_id=SKEW, parameters={"top_levels": 7}, origin=OriginFactory())
    report = run(source)
    assert (report["layers"], report["changes"]) == ([], 0)
    assert report["problems"] == [f"{SKEW} global: left out, it has been changed here already (version 2)"]


def test_import__of_a_layer_changed_meanwhile__writes_nothing(source: Database[dict[str, Any]]) -> None:
    put_config(source, {"top_levels": 10}, 1)
    put_config(source, {"top_levels": 10}, 1, symbol="BTCUSDT")
    plan = legacy_import.make_plan(legacy_source.read(source))
    layers.set_layer(strategy_id=SKEW, parameters={"top_levels": 7}, origin=OriginFactory())
    with pytest.raises(RuntimeError, match="was changed since"):
        legacy_import.apply(plan)
    assert ConfigAudit.objects.count() == 1
    assert not SymbolOverride.objects.exists()


def test_import__without_a_source_that_answers__fails_without_naming_it(
    source: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strategy_config.management.commands.import_legacy.TIMEOUT_MS", 200)
    monkeypatch.setattr(settings, "LEGACY_MONGODB_URI", "mongodb://user:planted-secret@127.0.0.1:1/")
    with pytest.raises(CommandError, match="LEGACY_MONGODB_URI") as failure:
        call_command("import_legacy", "--dry-run", "--source-database", source.name)
    assert "planted-secret" not in str(failure.value)


def test_import__of_a_database_shared_with_another_service__counts_its_documents_in_one_line(
    source: Database[dict[str, Any]],
) -> None:
    put_config(source, {"top_levels": 10}, 1)
    for number in range(7):
        put_config(source, {"rsi_period": 14}, 1, strategy_id=f"ta_{number}")
        put_config(source, {"rsi_period": 7}, 1, strategy_id=f"ta_{number}", symbol="BTCUSDT")
        put_change(source, None, ({"rsi_period": 14}, 1), number, strategy_id=f"ta_{number}")
    output, errors = io.StringIO(), io.StringIO()
    call_command("import_legacy", "--apply", "--source-database", source.name, stdout=output, stderr=errors)
    lines = output.getvalue().splitlines()
    assert errors.getvalue() == ""
    assert [line for line in lines if "ta_" in line] == [
        "Passed over: 21 documents of 7 strategies not in the code (ta_0, ta_1, ta_2, ta_3, ta_4 and 2 more)"
    ]
    assert [row.strategy_id for row in ConfigAudit.objects.all()] == [SKEW]

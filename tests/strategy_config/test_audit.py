"""The chain of the history: whole, tampered with in every way, from a checkpoint."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from strategy_config.history import audit_rows, chain, verification
from strategy_config.models import ChangeSequence, ConfigAudit, ImmutableRowError, StrategyConfig, SymbolOverride
from tests.factories import NOON
from tests.strategy_config.test_services import BTC, SKEW, history, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
HISTORY = ConfigAudit._meta.db_table
HEAD = ChangeSequence._meta.db_table
JSON_COLUMNS = {"parameters", "old_parameters", "new_parameters", "changes", "salts", "redacted"}


@pytest.fixture
def six_rows() -> list[ConfigAudit]:
    for levels in (1, 2, 3):
        write(parameters={"top_levels": levels})
        write(symbol=None, parameters={"top_levels": levels})
    return list(ConfigAudit.objects.order_by("position"))


def forge(table: str, values: dict[str, Any], **where: Any) -> None:
    """Change rows behind the models' back."""
    if settings.IS_ON_MONGODB:
        connection.database[table].update_many(where, {"$set": values})
        return
    columns = ", ".join(f"{column} = %s" for column in values)
    condition = " AND ".join(["TRUE", *(f"{column} = %s" for column in where)])
    stored = [
        json.dumps(value) if column in JSON_COLUMNS and value is not None else value for column, value in values.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {columns} WHERE {condition}", [*stored, *where.values()])  # noqa: S608


def take_out(*positions: int) -> None:
    """Delete rows of the history behind the model's back."""
    if settings.IS_ON_MONGODB:
        connection.database[HISTORY].delete_many({"position": {"$in": positions}})
        return
    with connection.cursor() as cursor:
        for position in positions:
            cursor.execute(f"DELETE FROM {HISTORY} WHERE position = %s", [position])  # noqa: S608


def test_verify__whole_history__gives_the_checkpoint(six_rows: list[ConfigAudit]) -> None:
    seen: list[tuple[int, int]] = []
    found = verification.verify(progress=lambda done, total: seen.append((done, total)))
    assert (found.bad, found.rows, found.position, found.hash) == (None, 6, 6, six_rows[-1].hash)
    assert seen[-1] == (6, 6)


def test_verify__nothing_ever_written__holds() -> None:
    assert verification.verify() == verification.Verification(0, 0, chain.GENESIS, None)


@pytest.mark.parametrize("first", [1, 4, 6, 7])
def test_verify__from_a_sequence__starts_there(six_rows: list[ConfigAudit], first: int) -> None:
    found = verification.verify(first)
    assert (found.bad, found.rows, found.position, found.hash) == (None, 7 - first, 6, six_rows[-1].hash)


def test_verify__several_batches__is_the_same(six_rows: list[ConfigAudit], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BATCH_SIZE", 2)
    assert verification.verify().rows == 6


def _relink(sequence: int) -> None:
    """A forger who knows how the hash is made, but not of those that follow."""
    row = ConfigAudit.objects.get(sequence=sequence)
    forge(HISTORY, {"hash": audit_rows.content_hash(row)}, sequence=sequence)


# What a store cannot give back as the field that it should be; PostgreSQL takes nothing of the kind.
UNREADABLE = {"version": "x"} if settings.IS_ON_MONGODB else {"id": "x"}


def test_verify__from_beyond_the_end__is_no_checkpoint(six_rows: list[ConfigAudit]) -> None:
    beyond = verification.verify(8)
    assert (beyond.bad.position, beyond.rows, beyond.position) == (7, 0, 6)
    assert beyond.bad.problem.startswith("missing: the history ends at 6")


TAMPERED: dict[str, tuple[Callable[[], None], int, str]] = {
    "parameters": (lambda: forge(HISTORY, {"new_parameters": {}}, sequence=3), 3, "content hash"),
    "who": (lambda: forge(HISTORY, {"actor": "mallory"}, sequence=1), 1, "content hash"),
    "when": (lambda: forge(HISTORY, {"changed_at": datetime(2020, 1, 1)}, sequence=6), 6, "content"),  # noqa: DTZ001
    "row taken out": (lambda: take_out(4), 4, "gap"),
    "first taken out": (lambda: take_out(1), 1, "gap"),
    "end cut off": (lambda: take_out(5, 6), 5, "missing"),
    "end forgotten": (lambda: forge(HEAD, {"position": 5}), 5, "hash"),
    "sequence forgotten": (lambda: forge(HEAD, {"value": 5}), 6, "sequence"),
    "head replaced": (lambda: forge(HEAD, {"head_hash": "f" * 64}), 6, "hash"),
    "text for JSON": (lambda: forge(HISTORY, {"changes": "x"}, sequence=2), 2, "content hash"),
    "unreadable": (lambda: forge(HISTORY, UNREADABLE, sequence=2), 2, "unreadable"),
}
if settings.IS_ON_POSTGRESQL:
    del TAMPERED["unreadable"]


@pytest.mark.parametrize("case", TAMPERED)
def test_verify__tampered__names_the_first_bad_row(six_rows: list[ConfigAudit], case: str) -> None:
    tamper, sequence, problem = TAMPERED[case]
    tamper()
    bad = verification.verify().bad
    assert bad is not None
    assert bad.position == sequence
    assert problem in bad.problem


OVERRIDES = SymbolOverride._meta.db_table
STRATEGIES = StrategyConfig._meta.db_table
TAMPERED_LIVE: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "parameters of a symbol": (OVERRIDES, {"parameters": {"top_levels": 9}}, 5, f"parameters of {SKEW} {BTC}"),
    "parameters of all": (STRATEGIES, {"parameters": {"top_levels": 9}}, 6, f"parameters of {SKEW} global"),
    "parameters gone": (OVERRIDES, {"parameters": None}, 5, "parameters"),
    "version": (OVERRIDES, {"version": 2}, 5, "version"),
    "sequence": (STRATEGIES, {"sequence": 7}, 6, "sequence"),
    "switch of a symbol": (OVERRIDES, {"enabled": False}, 5, "enabled"),
    "switch of all": (STRATEGIES, {"enabled": True}, 6, "enabled"),
    "symbol": (OVERRIDES, {"symbol": "ETHUSDT"}, 0, "ETHUSDT"),
    "expiry": (OVERRIDES, {"expires_at": NOON}, 5, "expires_at"),
    "author": (OVERRIDES, {"updated_by": "mallory"}, 5, "updated_by"),
    "reason": (STRATEGIES, {"reason": "never said"}, 6, "reason"),
    "instant": (OVERRIDES, {"updated_at": NOON + timedelta(days=1)}, 5, "updated_at"),
    "beginning": (OVERRIDES, {"created_at": NOON + timedelta(days=1)}, 5, "created_at"),
}
ONLY_IN_A_WHOLE_HISTORY = {"switch of a symbol", "switch of all", "expiry", "beginning"}


@pytest.mark.parametrize("case", TAMPERED_LIVE)
@pytest.mark.parametrize("first", [0, 3])
def test_verify__live_row_tampered__names_its_last_change(six_rows: list[ConfigAudit], case: str, first: int) -> None:
    table, values, sequence, problem = TAMPERED_LIVE[case]
    forge(table, values, strategy_id=SKEW)
    found = verification.verify(first)
    if first and case in ONLY_IN_A_WHOLE_HISTORY:
        assert found.bad is None
        return
    if first and case == "symbol":
        sequence, problem = 5, "missing"
    assert (found.bad.position, found.position) == (sequence, 6)
    assert found.bad.problem.startswith("live row: ")
    assert problem in found.bad.problem


def test_verify__switched_and_deleted__live_rows_hold_until_tampered_with(six_rows: list[ConfigAudit]) -> None:
    write("switch", enabled=False)
    write("delete_layer")
    assert verification.verify().bad is None
    assert verification.verify(7).bad is None
    forge(OVERRIDES, {"enabled": True}, strategy_id=SKEW)
    assert (
        verification.verify().bad
        == verification.verify(7).bad
        == verification.BadRow(8, f"live row: enabled of {SKEW} {BTC} not as last recorded")
    )


@pytest.mark.parametrize("first", [0, 7])
def test_verify__expiry_set_and_kept__live_row_holds_until_it_is_moved(six_rows: list[ConfigAudit], first: int) -> None:
    write(parameters={"top_levels": 4}, expires_at=NOON + timedelta(days=1))
    write("switch", enabled=False)
    assert verification.verify(first).bad is None
    forge(OVERRIDES, {"expires_at": NOON + timedelta(days=2)}, strategy_id=SKEW)
    assert verification.verify(first).bad == verification.BadRow(
        8, f"live row: expires_at of {SKEW} {BTC} not as last recorded"
    )


def test_verify__several_live_rows_tampered__names_the_oldest(six_rows: list[ConfigAudit]) -> None:
    forge(STRATEGIES, {"version": 9}, strategy_id=SKEW)
    forge(OVERRIDES, {"version": 9}, strategy_id=SKEW)
    assert verification.verify().bad.position == 5


def test_verify__row_forged_with_its_own_hash__breaks_the_link_of_the_next(six_rows: list[ConfigAudit]) -> None:
    forge(HISTORY, {"actor": "mallory"}, sequence=3)
    _relink(3)
    bad = verification.verify().bad
    assert (bad.position, bad.problem.split(":")[0]) == (4, "link")


def test_verify__version_left_out__is_seen_even_where_the_hashes_fit(six_rows: list[ConfigAudit]) -> None:
    forge(HISTORY, {"version": 9}, sequence=6)
    _relink(6)
    forge(HEAD, {"head_hash": ConfigAudit.objects.get(sequence=6).hash})
    bad = verification.verify().bad
    assert (bad.position, bad.problem.split(":")[0]) == (6, "version gap")


def test_verify__many_rows_missing__finds_the_next_one(
    six_rows: list[ConfigAudit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "BATCH_SIZE", 1)
    take_out(2, 3, 4, 5)
    bad = verification.verify().bad
    assert bad == verification.BadRow(2, "gap: this row is missing, the next one is 6")


def test_content_hash__every_field__changes_it(six_rows: list[ConfigAudit]) -> None:
    row = six_rows[2]
    original = audit_rows.content_hash(row)
    for field in ConfigAudit._meta.concrete_fields:
        if field.name in {"hash", "redacted"}:
            continue
        value = getattr(row, field.name)
        setattr(row, field.name, NOON.replace(year=2020) if field.name == "changed_at" else f"{value}x")
        assert audit_rows.content_hash(row) != original, field.name
        setattr(row, field.name, value)
    assert audit_rows.content_hash(row) == original


def test_content_hash__whole_float__is_the_integer(six_rows: list[ConfigAudit]) -> None:
    row = six_rows[0]
    row.new_parameters = {"buy_threshold": 2.0}
    as_float = audit_rows.content_hash(row)
    row.new_parameters = {"buy_threshold": 2}
    assert audit_rows.content_hash(row) == as_float


@pytest.mark.parametrize(
    "write_history",
    [
        lambda row: row.save(),
        lambda row: row.delete(),
        lambda row: ConfigAudit.objects.update(actor="x"),
        lambda row: ConfigAudit.objects.all().delete(),
        lambda row: ConfigAudit.objects.bulk_update([row], ["actor"]),
        lambda row: ConfigAudit.objects.update_or_create(pk=row.pk, defaults={"actor": "x"}),
        lambda row: ConfigAudit.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["id"], update_fields=["actor"]
        ),
    ],
)
def test_config_audit__any_change__is_refused(six_rows: list[ConfigAudit], write_history: Any) -> None:
    with pytest.raises(ImmutableRowError):
        write_history(six_rows[0])
    assert verification.verify().bad is None


@pytest.mark.parametrize("same", [{"position": 1}, {"sequence": 1}, {"strategy_id": SKEW, "symbol": BTC, "version": 1}])
def test_config_audit__second_row_of_a_place__is_refused_by_the_store(
    six_rows: list[ConfigAudit], same: dict[str, Any]
) -> None:
    fields = {
        "position": 77,
        "sequence": 77,
        "strategy_id": "x",
        "symbol": "",
        "version": 1,
        "changed_at": NOON,
        "action": "CREATE",
    }
    with pytest.raises(IntegrityError), transaction.atomic():
        ConfigAudit(**{**fields, **same}).save()


def test_symbol_override__second_row_of_a_symbol__is_refused_by_the_store(six_rows: list[ConfigAudit]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        SymbolOverride(strategy_id=SKEW, symbol=BTC).save()


def test_verify_audit__whole__prints_the_checkpoint(six_rows: list[ConfigAudit], capsys: Any) -> None:
    call_command("verify_audit")
    assert capsys.readouterr().out == f"verified up to 6 (6 rows)\ncheckpoint: 6 {six_rows[-1].hash}\n"
    call_command("verify_audit", json=True)
    report = json.loads(capsys.readouterr().out)
    assert report == {
        "ok": True,
        "rows": 6,
        "redacted": 0,
        "checkpoint": {"position": 6, "hash": six_rows[-1].hash},
        "bad": None,
    }


def test_verify_audit__tampered__fails_and_names_the_row(six_rows: list[ConfigAudit], capsys: Any) -> None:
    forge(HISTORY, {"reason": "forged"}, sequence=2)
    with pytest.raises(CommandError, match="2: content hash") as failure:
        call_command("verify_audit", json=True)
    assert failure.value.returncode == 1
    assert json.loads(capsys.readouterr().out)["bad"]["position"] == 2


def test_history__head__is_that_of_the_last_row(six_rows: list[ConfigAudit]) -> None:
    head = ChangeSequence.objects.get()
    assert (head.position, head.value, head.head_hash) == (6, 6, history("")[-1].hash)

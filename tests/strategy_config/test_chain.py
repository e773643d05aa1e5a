"""The chain beyond layers: acts on objects, rows of one transaction, rows of a release before, redacted rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import audit_rows, chain, change_events, positions, verification
from strategy_config.models import ChangeSequence, ConfigAudit, SymbolOverride
from strategy_config.selectors import history
from strategy_config.services import halts, rollback
from strategy_config.store import transactions
from strategy_config.store.driver_errors import CommitLostError
from strategy_core.configuration.halts import EVERYTHING
from tests.factories import NOON, OriginFactory
from tests.strategy_config import test_services
from tests.strategy_config.test_audit import HISTORY, forge
from tests.strategy_config.test_services import BTC, SKEW

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)


def write(action: str = "set_layer", **given: Any) -> Any:
    """As in the tests of services; by itself another value each time: one that is there already makes no version."""
    if action == "set_layer" and "parameters" not in given:
        given["parameters"] = {"top_levels": 1 + ConfigAudit.objects.count() % 10}
    return test_services.write(action, **given)


def act(version: int) -> ConfigAudit:
    return chain.write(
        lambda end: end.append_object(
            kind="token", object_id="x", version=version, action="MADE", origin=OriginFactory()
        )
    )


def places() -> list[tuple[int | None, int | None]]:
    return list(ConfigAudit.objects.order_by("position").values_list("position", "sequence"))


def test_append_object__between_changes_of_layers__takes_a_position_and_no_sequence() -> None:
    write()
    act(1)
    halts.halt(scope=EVERYTHING, origin=OriginFactory())
    write()
    assert places() == [(1, 1), (2, None), (3, 2), (4, 3)]
    assert (ChangeSequence.objects.get().position, positions.last_sequence()) == (4, 3)
    assert verification.verify().bad is None
    assert [change.sequence for change in change_events.changes_after(2, limit=10)[0]] == [3]
    assert [row.sequence for row in history.last_changes(9)] == [3, 2, 1]


def test_append_object__version_left_out__is_found() -> None:
    act(1)
    act(3)
    bad = verification.verify().bad
    assert (bad.position, bad.problem) == (2, "version gap: version 3 of token x follows version 1")


def test_append_object__same_version_twice__is_refused_by_the_store() -> None:
    act(1)
    with pytest.raises(IntegrityError), transaction.atomic():
        ConfigAudit(position=9, object_kind="token", object_id="x", object_version=1, changed_at=NOON).save()


def test_write__several_rows__are_one_set_that_begins_with_its_identity() -> None:
    write(parameters={"top_levels": 5}, expires_at=NOON + timedelta(hours=1))
    write(parameters={"top_levels": 6}, origin=OriginFactory(at=NOON + timedelta(hours=2)))
    alone, expiry, change = ConfigAudit.objects.order_by("position")
    assert (alone.set_id, expiry.action, change.action) == (None, "EXPIRE", "CREATE")
    assert expiry.set_id == change.set_id == expiry.id
    assert verification.verify().bad is None


def test_roll_back__past_an_expiry_that_nobody_has_recorded__finds_it() -> None:
    write(parameters={"top_levels": 5}, expires_at=NOON + timedelta(hours=1))
    later = OriginFactory(at=NOON + timedelta(hours=2))
    written = rollback.roll_back(strategy_id=SKEW, symbol=BTC, origin=later)
    assert (written.version, written.config.own) == (3, {"top_levels": 5})
    again = rollback.roll_back(strategy_id=SKEW, symbol=BTC, origin=later, target_version=2)
    assert again.config.own == {}


def lose_first_commit(monkeypatch: pytest.MonkeyPatch, *, is_made: bool) -> list[None]:
    """Have the next transaction end unanswered, after its commit or before; the list counts the attempts."""
    atomic, attempts = transactions.atomic, list[None]()

    @contextmanager
    def lost() -> Iterator[None]:
        attempts.append(None)
        with atomic():
            yield
            if len(attempts) == 1 and not is_made:
                raise CommitLostError("no answer")
        if len(attempts) == 1:
            raise CommitLostError("no answer")

    monkeypatch.setattr(transactions, "atomic", lost)
    return attempts


@pytest.mark.parametrize("is_made", [True, False])
def test_write__commit_that_was_not_answered__is_made_exactly_once(
    monkeypatch: pytest.MonkeyPatch, is_made: bool
) -> None:
    first = write()
    attempts = lose_first_commit(monkeypatch, is_made=is_made)
    written = write("switch", enabled=False)
    assert (first.version, written.version, written.sequence, written.config.enabled) == (1, 2, 2, False)
    assert len(attempts) == 2
    assert [row.version for row in ConfigAudit.objects.order_by("position")] == [1, 2]
    assert write().version == 3
    assert verification.verify().bad is None


def test_write__commit_never_answered__is_not_told_to_have_changed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def lost() -> Iterator[None]:
        yield
        raise CommitLostError("no answer")

    monkeypatch.setattr(transactions, "LOST_SECONDS", 0.05)
    monkeypatch.setattr(transactions, "atomic", lost)
    with pytest.raises(StoreUnavailableError, match="lost while it committed"):
        write()


def write_as_the_release_before() -> None:
    """One change with the columns and in the way of a release that knows no positions."""
    head = ChangeSequence.objects.get()
    row = ConfigAudit.objects.filter(sequence=head.value).first()
    assert row is not None
    old = ConfigAudit(
        sequence=head.value + 1,
        strategy_id=row.strategy_id,
        symbol=row.symbol,
        action="UPDATE",
        version=row.layer_version + 1,
        old_parameters=row.new_parameters,
        new_parameters=row.new_parameters,
        changed_by="bob",
        actor="bob",
        channel="api",
        changed_at=NOON,
        reason="from an old pod",
        previous_hash=head.head_hash,
    )
    old.hash = audit_rows.content_hash(old)
    old.save()
    live = {"version": old.version, "sequence": old.sequence, "updated_at": NOON, "updated_by": "bob"}
    SymbolOverride.objects.update(**live, reason=old.reason)
    ChangeSequence.objects.update(value=old.sequence, head_hash=old.hash)


@pytest.mark.parametrize("then", [lambda: verification.verify(), lambda: write()])
def test_rows_of_the_release_before__during_an_upgrade__get_their_positions(then: Callable[[], Any]) -> None:
    write()
    act(1)
    write_as_the_release_before()
    write_as_the_release_before()
    then()
    assert places()[:4] == [(1, 1), (2, None), (3, 2), (4, 3)]
    assert verification.verify().bad is None


def test_row_without_a_position__that_no_writer_knows__is_found() -> None:
    write()
    QuerySet(ConfigAudit).create(changed_at=NOON, strategy_id="x", version=1)
    assert "unexpected" in verification.verify().bad.problem


def redact(position: int, name: str) -> None:
    """What a redaction leaves: no text, no salt, the digest."""
    row = ConfigAudit.objects.get(position=position)
    digest = audit_rows.content(row)[f"{name}_digest"]
    salts = {other: salt for other, salt in row.salts.items() if other != name}
    QuerySet(ConfigAudit).filter(position=position).update(**{name: "", "salts": salts, "redacted": {name: digest}})


def test_redacted_row__verifies_and_says_so() -> None:
    write("switch", enabled=False)
    write()
    assert verification.verify().redacted == 0
    redact(1, "reason")
    found = verification.verify()
    assert (found.bad, found.redacted) == (None, 1)


FORGED: dict[str, dict[str, Any]] = {
    "another text": {"actor": "mallory"},
    "a text where one was taken out": {"reason": "forged"},
    "another digest": {"redacted": {"reason": "f" * 64}},
    "another salt": {"salts": {}},
    "nothing redacted": {"redacted": None},
}


@pytest.mark.parametrize("case", FORGED)
def test_redacted_row__forged__is_found(case: str) -> None:
    write()
    write()
    redact(1, "reason")
    forge(HISTORY, FORGED[case], position=1)
    assert verification.verify().bad == verification.BadRow(1, "content hash: the row is not what was written")


def test_read_row__names_every_column_once() -> None:
    columns = [field.attname for field in ConfigAudit._meta.concrete_fields]
    assert sorted(columns) == sorted(audit_rows.ReadRow._fields)

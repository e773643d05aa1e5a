"""What the store alone does not show: the history against checkpoints, Redis, the relay, and tokens against it."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models import QuerySet
from django.utils import timezone

from strategy_config.accounts import tokens
from strategy_config.history import audit_rows, checkpoints, integrity, positions
from strategy_config.history.chain import GENESIS
from strategy_config.history.checkpoints import Checkpoint
from strategy_config.models import ApiToken, ChangeSequence, ConfigAudit, RelayPosition, SymbolOverride
from strategy_config.publication import publisher
from strategy_config.tasks import periodic
from tests.factories import OriginFactory, UserFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_audit import forge
from tests.strategy_config.test_chain import write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
HASH = "ab" * 32
TOKENS = ApiToken._meta.db_table
RELAY = RelayPosition._meta.db_table


def make_anew() -> None:
    """What a forger does who knows the code and can write the whole store: another author, every hash right."""
    previous = GENESIS
    rows: QuerySet[ConfigAudit] = QuerySet(ConfigAudit)
    for row in ConfigAudit.objects.order_by("position"):
        row.actor, row.previous_hash = "mallory", previous
        previous = audit_rows.content_hash(row)
        rows.filter(pk=row.pk).update(actor="mallory", previous_hash=row.previous_hash, hash=previous)
    ChangeSequence.objects.update(head_hash=previous, position_hash=previous)


def cut_off_newest() -> None:
    """The newest change undone without a trace in the store: its row, the end of the chain, the layer."""
    rows: QuerySet[ConfigAudit] = QuerySet(ConfigAudit)
    newest, former = ConfigAudit.objects.order_by("-position")[:2]
    rows.filter(pk=newest.pk).delete()
    end = {"head_hash": former.hash, "position_hash": former.hash}
    ChangeSequence.objects.update(position=former.position, value=former.sequence, **end)
    live = {"parameters": former.new_parameters, "version": former.version, "sequence": former.sequence}
    SymbolOverride.objects.update(
        **live, updated_at=former.changed_at, updated_by=former.changed_by, reason=former.reason
    )


FORGED: dict[str, tuple[Callable[[], None], str]] = {
    "the whole chain rewritten": (make_anew, "checkpoint"),
    "the newest row cut off": (cut_off_newest, "checkpoint"),
}


@pytest.mark.parametrize("case", FORGED)
def test_check__forged_without_a_trace_in_the_store__is_found_by_what_redis_kept(
    cache: CacheUnderTest, case: str
) -> None:
    forgery, problem = FORGED[case]
    write()
    write(parameters={"top_levels": 8})
    assert integrity.check().bad is None
    forgery()
    assert integrity.check(is_redis_asked=False).bad is None, "the store shows nothing: the test proves nothing"
    assert integrity.check().bad.problem.startswith(problem)


@pytest.mark.parametrize("case", FORGED)
@pytest.mark.parametrize("kind", ["text", "output", "json", "log"])
def test_verify_audit__against_what_was_kept_elsewhere__finds_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, kind: str
) -> None:
    write()
    write(parameters={"top_levels": 8})
    head = ChangeSequence.objects.get()
    kept = tmp_path / "kept"
    call_command("verify_audit", without_redis=True, json=kind == "json")
    log = json.dumps({"event": "audit.verified", "position": head.position, "hash": head.head_hash})
    kept.write_text(log if kind == "log" else capsys.readouterr().out)
    given = f"{head.position} {head.head_hash}" if kind == "text" else str(kept)
    call_command("verify_audit", without_redis=True, against=[given])
    FORGED[case][0]()
    with pytest.raises(CommandError, match="checkpoint") as failure:
        call_command("verify_audit", without_redis=True, against=[given])
    assert failure.value.returncode == 1


@pytest.mark.parametrize("given", ["12", "no such file", "7 abc"])
def test_verify_audit__against_nothing_that_can_be_read__says_so(given: str) -> None:
    with pytest.raises(CommandError, match="--against") as failure:
        call_command("verify_audit", without_redis=True, against=[given])
    assert failure.value.returncode == 2


def test_check__newer_rows_cut_off_than_any_checkpoint__is_found_by_redis_sequence(cache: CacheUnderTest) -> None:
    write()
    assert integrity.check().bad is None
    write(parameters={"top_levels": 8})
    cut_off_newest()
    assert "received changes up to sequence 2, the database ends at 1" in integrity.check().bad.problem
    publisher.publish_pending()
    assert cache.sequence() == 1
    assert "received changes up to sequence 2" in integrity.check().bad.problem, "publishing made it be forgotten"
    integrity.forget_checkpoints()
    assert integrity.check().bad is None


def test_forget_checkpoints__restored_to_before__holds_until_it_was_published_and_watches_then(
    cache: CacheUnderTest,
) -> None:
    write()
    write(parameters={"top_levels": 8})
    cut_off_newest()
    integrity.forget_checkpoints()
    assert integrity.check().bad is None
    publisher.publish_pending()
    assert integrity.check().bad is None
    assert not checkpoints.witness().is_replaced
    write(parameters={"top_levels": 8})
    cut_off_newest()
    assert integrity.check().bad is not None


@pytest.mark.parametrize(("position", "problem"), [(9, "relay: its position is 9"), (0, "relay: its position is 0")])
def test_check__relay_position_moved__is_found(cache: CacheUnderTest, position: int, problem: str) -> None:
    write()
    positions.record_relayed(sequence=1)
    assert integrity.check().bad is None
    forge(RELAY, {"sequence": position})
    assert integrity.check().bad.problem.startswith(problem)


def test_check__redis_away__is_a_smaller_check() -> None:
    write()
    assert integrity.check().bad is None
    assert not integrity.forget_checkpoints()


def test_task__broken_by_a_checkpoint__shows_in_the_metric(cache: CacheUnderTest) -> None:
    write()
    periodic.verify_audit()
    assert periodic.audit_intact._value.get() == 1
    make_anew()
    periodic.verify_audit()
    assert periodic.audit_intact._value.get() == 0


def made() -> ApiToken:
    return tokens.issue_token(
        user=UserFactory(username="ann"), name="bot", days=1, at=timezone.now(), origin=OriginFactory()
    )[0]


def test_tokens__made_and_revoked__are_two_rows_without_a_sequence() -> None:
    token = made()
    tokens.revoke_token(token=token, at=timezone.now(), origin=OriginFactory())
    tokens.revoke_token(token=token, at=timezone.now())
    first, second = ConfigAudit.objects.order_by("position")
    assert [(row.action, row.object_version, row.sequence) for row in (first, second)] == [
        ("CREATE", 1, None),
        ("REVOKE", 2, None),
    ]
    assert (first.object_kind, first.object_id, first.actor) == ("token", str(token.pk), "trader")
    assert "rts_" not in json.dumps([audit_rows.as_json(row) for row in (first, second)])
    assert integrity.check(is_redis_asked=False).bad is None


FORGED_TOKENS: dict[str, dict[str, Any]] = {
    "another secret": {"digest": HASH},
    "a longer life": {"expires_at": timezone.now() + timedelta(days=900)},
    "no revocation": {"revoked_at": None},
}


@pytest.mark.parametrize("case", FORGED_TOKENS)
def test_check__token_forged__is_found(case: str) -> None:
    token = made()
    tokens.revoke_token(token=token, at=timezone.now())
    forge(TOKENS, FORGED_TOKENS[case])
    assert f"of token {token.pk} not as last recorded" in integrity.check(is_redis_asked=False).bad.problem


def test_check__token_given_to_another_user__is_found_until_it_is_revoked() -> None:
    """Whoever writes into the store could make a reader's token an admin's, and no check said so."""
    token = made()
    forge(TOKENS, {"user_id": UserFactory().pk})
    found = integrity.check(is_redis_asked=False).bad
    assert found.problem == f"live row: user of token {token.pk} not as last recorded"
    tokens.revoke_token(token=token, at=timezone.now())
    assert integrity.check(is_redis_asked=False).bad is None


def test_check__user_of_a_token_renamed__is_nothing() -> None:
    user = made().user
    user.username = "married"
    user.save()
    assert integrity.check(is_redis_asked=False).bad is None


def insert_token() -> ApiToken:
    now = timezone.now()
    user = UserFactory()
    return ApiToken.objects.create(user=user, name="x", digest=HASH, last_four="x", created_at=now, expires_at=now)


def test_check__token_that_nobody_made__is_found() -> None:
    made()
    forged = insert_token()
    assert f"created token {forged.pk}" in integrity.check(is_redis_asked=False).bad.problem


def test_adopt_tokens__older_than_their_history__have_a_row_each_once() -> None:
    insert_token()
    assert integrity.check(is_redis_asked=False).bad is None
    tokens.adopt_tokens(at=timezone.now())
    tokens.adopt_tokens(at=timezone.now())
    assert [(row.action, row.object_version) for row in ConfigAudit.objects.all()] == [("ADOPT", 1)]
    assert integrity.check(is_redis_asked=False).bad is None


def test_parse__every_kind_of_line__finds_the_checkpoints() -> None:
    text = f"""{{"event": "other"}}
checkpoint: 12 {HASH}
{{"ok": true, "checkpoint": {{"position": 13, "hash": "{HASH}"}}}}
2026-11-30 worker | {{"sequence": 14, "hash": "{HASH}"}}
{{"sequence": 15, "hash": "{HASH}"}}
nothing {HASH[:-1]} 3
"""
    assert checkpoints.parse(text) == [Checkpoint(number, HASH) for number in (12, 13, 15)]

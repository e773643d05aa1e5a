"""The commands, the catalogue, and the migrations behind them."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import override_settings

from strategy_config.accounts import tokens
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import verification
from strategy_config.models import ApiToken, ChangeSequence, StrategyConfig
from strategy_config.services import catalogue
from strategy_core.strategies.registry import STRATEGIES
from tests.factories import UserFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_services import write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)


def test_makemigrations__models__are_all_migrated() -> None:
    call_command("makemigrations", "strategy_config", check=True, dry_run=True, verbosity=0)


def test_migrate__every_strategy__has_its_row() -> None:
    assert set(StrategyConfig.objects.values_list("strategy_id", flat=True)) == set(STRATEGIES)
    assert ChangeSequence.objects.count() == 1


@pytest.mark.parametrize(
    ("group", "allowed"),
    [
        ("viewer", {"view_strategyconfig", "view_symboloverride", "view_configaudit"}),
        ("trader", {"change_parameters", "stop_strategy"}),
        ("operator", {"change_parameters", "stop_strategy", "switch_strategy", "refresh_cache"}),
        (
            "admin",
            {"change_parameters", "stop_strategy", "switch_strategy", "refresh_cache", "add_apitoken", "change_user"},
        ),
    ],
)
def test_groups__each__may_what_it_should(group: str, allowed: set[str]) -> None:
    held = set(Group.objects.get(name=group).permissions.values_list("codename", flat=True))
    assert allowed <= held
    special = {"change_parameters", "stop_strategy", "switch_strategy", "refresh_cache", "add_apitoken", "change_user"}
    assert held & special == allowed & special


def test_sync_catalogue__again__changes_nothing_and_keeps_what_was_added() -> None:
    write(symbol=None, parameters={"top_levels": 3})
    extra = Group.objects.get(name="admin").permissions.get(codename="add_user")
    Group.objects.get(name="viewer").permissions.add(extra)
    catalogue.sync_catalogue()
    assert StrategyConfig.objects.count() == len(STRATEGIES)
    assert ChangeSequence.objects.get().value == 1
    assert extra in Group.objects.get(name="viewer").permissions.all()


def test_create_token__user__prints_it_once_and_keeps_a_digest(capsys: Any) -> None:
    user = UserFactory(groups=("trader",))
    call_command("create_token", user.username, days=3, name="bot")
    printed = capsys.readouterr().out.strip()
    token = ApiToken.objects.get()
    assert printed.startswith("rts_")
    assert (token.digest, token.last_four) == (tokens.digest_of(printed), printed[-4:])
    assert (token.user, token.name, (token.expires_at - token.created_at).days) == (user, "bot", 3)


@pytest.mark.parametrize(("name", "days"), [("nobody", 3), ("alice", 0), ("alice", 100_000)])
def test_create_token__impossible__says_so(name: str, days: int) -> None:
    UserFactory(username="alice")
    with pytest.raises(CommandError):
        call_command("create_token", name, days=days)
    assert not ApiToken.objects.exists()


def test_create_demo_users__twice__leaves_existing_users_alone(capsys: Any) -> None:
    call_command("create_demo_users", json=True)
    made = json.loads(capsys.readouterr().out)
    assert set(made["users"]) == {"viewer", "trader", "operator", "admin"}
    assert all(User.objects.get(username=name).check_password(password) for name, password in made["users"].items())
    assert ApiToken.objects.get(digest=tokens.digest_of(made["token"])).user.username == "admin"
    call_command("create_demo_users", json=True)
    assert json.loads(capsys.readouterr().out) == {"users": {}, "token": None}


def test_create_demo_users__reset__ends_the_former_token(capsys: Any) -> None:
    call_command("create_demo_users", json=True)
    call_command("create_demo_users", json=True, reset=True)
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["users"].keys() == second["users"].keys()
    revoked = {token.digest: token.revoked_at is not None for token in ApiToken.objects.all()}
    assert revoked == {tokens.digest_of(first["token"]): True, tokens.digest_of(second["token"]): False}


def test_reconcile__redis_there__publishes(cache: CacheUnderTest) -> None:
    call_command("reconcile")
    assert cache.sequence() == 0


def test_verify_audit__store_away__is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise StoreUnavailableError("The store cannot be reached right now.")

    monkeypatch.setattr(verification, "verify", refuse)
    with pytest.raises(CommandError, match="Not verified: The store") as refusal:
        call_command("verify_audit")
    assert refusal.value.returncode == 2


def test_reconcile__redis_away__fails() -> None:
    with pytest.raises(CommandError):
        call_command("reconcile")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"NATS_URL": ""}, "NATS_URL must be set"),
        ({"NATS_CREDS_FILE": __file__}, "NATS_CREDS_FILE must be a file of credentials"),
        ({"NATS_NKEY_SEED_FILE": __file__}, "NATS_NKEY_SEED_FILE must be a file with the seed"),
    ],
)
def test_relay_changes__that_could_never_connect__says_so(changes: dict[str, str], problem: str) -> None:
    with override_settings(**{"NATS_URL": "nats://127.0.0.1:1"} | changes), pytest.raises(CommandError, match=problem):
        call_command("relay_changes")

"""What only PostgreSQL can do to the site: hang, break, lock, end sessions. Needs a server: POSTGRES_TEST_URL."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from configsite.postgresql import driver
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import chain
from strategy_config.models import ChangeSequence, SymbolOverride
from strategy_config.store import circuit_breaker, transactions
from tests.lost_store import assert_whole, switch_off_together, write, write_once_back
from tests.relay import Relay

ANSWER_SECONDS = 1.0
pytestmark = [
    pytest.mark.skipif(not settings.IS_ON_POSTGRESQL, reason="needs TEST_STORE=postgresql"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """What stands between the site and its server in this test."""
    former = connection.settings_dict.copy()
    monkeypatch.setattr(driver, "ANSWER_SECONDS", ANSWER_SECONDS)
    with Relay((former["HOST"] or "127.0.0.1", int(former["PORT"] or 5432))) as relay:
        connection.close()
        connection.settings_dict.update(HOST="127.0.0.1", PORT=str(relay.port))
        yield relay
        connection.close()
    connection.settings_dict.update(former)


@pytest.fixture
def other() -> Iterator[psycopg.Connection[Any]]:
    """A connection of somebody else to the same database."""
    at = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    with psycopg.connect(**{name: at[key] for name, key in names.items() if at[key]}) as other:
        yield other


def test_write__server_hanging__is_refused_and_holds_up_nobody_later(relay: Relay) -> None:
    write()
    relay.pause()
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="is unreachable"):
            write()
    relay.resume()
    assert write_once_back().version == 2
    assert_whole(2)


def test_connect__server_that_accepts_and_never_answers__is_given_up(relay: Relay) -> None:
    relay.pause()
    with pytest.raises(StoreUnavailableError, match="is unreachable"):
        write()


@pytest.mark.parametrize("is_cut", [False, True])
def test_write__server_lost_at_the_commit__is_all_or_nothing_and_says_so(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, is_cut: bool
) -> None:
    write()
    close = chain.Chain.close

    def close_and_lose(chain: chain.Chain) -> None:
        close(chain)
        relay.cut() if is_cut else relay.pause()

    with monkeypatch.context() as patch:
        patch.setattr(chain.Chain, "close", close_and_lose)
        with pytest.raises(StoreUnavailableError, match="lost while it committed"):
            write()
    relay.resume()
    version = write_once_back().version
    assert version in {2, 3}
    assert_whole(version)


@pytest.mark.parametrize("at_once", [False, True])
def test_write__commit_whose_answer_is_lost__is_answered_and_made_once(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    write()
    close = chain.Chain.close
    calls: list[None] = []

    def close_and_lose(end: chain.Chain) -> None:
        close(end)
        calls.append(None)
        if len(calls) == 1:
            relay.lose_answer()

    monkeypatch.setattr(chain.Chain, "close", close_and_lose)
    version = switch_off_together() if at_once else write().version
    assert len(calls) == 2, "the use case was not asked again"
    assert version == 2
    assert_whole(2)


def test_write__connection_broken_before__takes_another_one(relay: Relay) -> None:
    write()
    relay.cut()
    assert write().version == 2
    assert_whole(2)


def test_write__session_ended_by_the_server__takes_another_one(other: psycopg.Connection[Any]) -> None:
    write()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        process = cursor.fetchone()[0]
    other.execute("SELECT pg_terminate_backend(%s)", [process])
    assert write().version == 2
    assert_whole(2)


def test_write__locked_by_a_writer_that_hangs__is_refused_as_busy(
    other: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    monkeypatch.setattr(transactions, "PATIENCE_SECONDS", 0.0)
    other.execute(f"SELECT value FROM {ChangeSequence._meta.db_table} FOR UPDATE")  # noqa: S608  (a name of ours)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 100")
    with pytest.raises(StoreUnavailableError, match="busy with other writers"):
        write()
    assert not circuit_breaker.STORE.is_open
    assert SymbolOverride.objects.get().version == 1


def test_write__twenty_threads_at_once__wait_for_each_other() -> None:
    refused: list[BaseException] = []

    def write_and_close() -> None:
        try:
            write()
        except StoreUnavailableError as exception:
            refused.append(exception)
        finally:
            connection.close()

    threads = [threading.Thread(target=write_and_close) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []
    assert_whole(20)


def test_limits__of_every_session__are_set() -> None:
    with connection.cursor() as cursor:
        found = {}
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute("SELECT setting::int FROM pg_settings WHERE name = %s", [name])
            found[name] = cursor.fetchone()[0]
    assert found == {"statement_timeout": 5_000, "lock_timeout": 3_000, "idle_in_transaction_session_timeout": 10_000}

"""A MongoDB that hangs, dies or comes back: nothing half-done, and no restart of the site."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect
from pytest_django import Settings

from embedded.mongo import MongoWireServer
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import chain
from tests.lost_store import assert_whole, write, write_once_back
from tests.mongo_store import CleanState

TIMEOUT_MS = 2_000
pytestmark = [
    pytest.mark.skipif(not django_settings.IS_ON_MONGODB, reason="needs TEST_STORE=mongodb"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MongoWireServer, list[CleanState]]]:
    """A server of these tests' own, and what is in it before each of them (nothing before the first)."""
    with MongoWireServer(tmp_path_factory.mktemp("lost")) as server:
        yield server, []


@pytest.fixture
def server(own_server: tuple[MongoWireServer, list[CleanState]], settings: Settings) -> Iterator[MongoWireServer]:
    """The server that the site uses in this test, running, with the tables made."""
    server, clean = own_server
    server.start()
    store: Any = connection
    former = store.settings_dict.copy()
    store.close_pool()
    store.settings_dict["HOST"] = server.url
    if clean:
        clean[0].restore()
    else:
        call_command("migrate", verbosity=0)
        clean.append(CleanState())
    store.close_pool()
    settings.MONGODB_TIMEOUT_MS = TIMEOUT_MS
    timeouts = dict.fromkeys(("timeoutMS", "serverSelectionTimeoutMS", "connectTimeoutMS"), TIMEOUT_MS)
    store.settings_dict["OPTIONS"] = {**former["OPTIONS"], **timeouts}
    yield server
    store.close_pool()
    store.settings_dict.update(former)


def test_write__server_hanging__is_refused_and_holds_up_nobody_later(server: MongoWireServer) -> None:
    write()
    server.pause()
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="is unreachable"):
            write()
    server.resume()
    # The server carries out late what it was sent, and would keep that transaction open for a minute.
    assert write_once_back().version == 2
    assert_whole(2)


def test_write__server_hanging_at_the_commit__is_all_or_nothing(
    server: MongoWireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    close = chain.Chain.close

    def close_and_hang(chain: chain.Chain) -> None:
        close(chain)
        server.pause()

    with monkeypatch.context() as patch:
        patch.setattr(chain.Chain, "close", close_and_hang)
        with pytest.raises(StoreUnavailableError, match="lost while it committed"):
            write()
    server.resume()
    version = write_once_back().version
    assert version in {2, 3}
    assert_whole(version)


def test_write__server_killed_in_the_middle__leaves_nothing(
    server: MongoWireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    with monkeypatch.context() as patch:
        patch.setattr(chain.Chain, "close", lambda chain: server.kill())
        with pytest.raises(StoreUnavailableError):
            write()
    server.start()
    assert_whole(1)
    assert write_once_back().version == 2


def test_write__server_killed_between_commit_and_answer__is_answered_and_made_once(
    server: MongoWireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    commit = ClientSession.commit_transaction
    calls: list[None] = []

    def commit_and_lose(session: ClientSession) -> None:
        commit(session)
        calls.append(None)
        if len(calls) == 1:
            server.kill()
            server.start()
            error = AutoReconnect("connection closed")
            error._add_error_label("UnknownTransactionCommitResult")
            raise error

    monkeypatch.setattr(ClientSession, "commit_transaction", commit_and_lose)
    assert write().version == 2
    assert calls
    assert_whole(2)


def test_write__server_restarted__succeeds_at_once(server: MongoWireServer) -> None:
    write()
    server.kill()
    server.start()
    assert write().version == 2
    assert_whole(2)


def test_write__server_gone_and_back__heals_by_itself(server: MongoWireServer) -> None:
    write()
    server.stop()
    with pytest.raises(StoreUnavailableError, match="is unreachable"):
        write()
    server.start()
    assert write_once_back().version == 2
    assert_whole(2)

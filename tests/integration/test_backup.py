"""Back up, restore into another store, and find the same history, layers, users and tokens there."""

import gzip
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymongo
import pytest
import redis

from embedded.servers import Valkey
from strategy_core.configuration import redis_keys, wire_documents
from tests.conftest import PROJECT_ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SKEW = "orderbook_skew"
_PREAMBLE = """
import json, os, django
django.setup()
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.utils import timezone
from strategy_config.history import audit_rows
from strategy_config.accounts import tokens
from strategy_config.history.origins import Origin
from strategy_config.services import layers, switches
from strategy_config.models import ApiToken, ConfigAudit, StrategyConfig, SymbolOverride

def origin(name):
    return Origin(name, name, "api", request_id="", at=timezone.now(), reason="a test")

def set_layer(symbol, who, **parameters):
    layers.set_layer(strategy_id="orderbook_skew", symbol=symbol, parameters=parameters, origin=origin(who))

def print_content():
    names = ("strategy_id", "parameters", "version", "sequence", "updated_by", "reason", "enabled")
    ann = User.objects.get(username="ann")
    token = ApiToken.objects.get()
    print(json.dumps({
        "history": [audit_rows.as_json(row) for row in ConfigAudit.objects.order_by("sequence")],
        "global": list(StrategyConfig.objects.order_by("strategy_id").values(*names)),
        "symbols": list(SymbolOverride.objects.order_by("strategy_id", "symbol").values(*names, "symbol")),
        "ann": [ann.check_password("correct horse"), [group.name for group in ann.groups.all()]],
        "token": [token.digest, token.user.username],
        "groups": {
            group.name: sorted(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()
        },
    }))
"""
_USE = """
ann = User.objects.create_user("ann", password="correct horse")
ann.groups.set(Group.objects.filter(name="trader"))
trader = Group.objects.get(name="trader")
trader.permissions.add(*Group.objects.get(name="admin").permissions.filter(codename="add_user"))
tokens.issue_token(user=ann, name="bot", days=1, at=timezone.now())
set_layer(None, "ann", top_levels=7)
set_layer("BTCUSDT", "bob", buy_threshold=2.0)
set_layer("ETHUSDT", "ann", top_levels=3)
layers.delete_layer(strategy_id="orderbook_skew", symbol="ETHUSDT", origin=origin("ann"))
switches.switch(strategy_id="iceberg_detector", symbol=None, enabled=False, origin=origin("ann"))
"""
_BACK_UP = (
    _USE
    + """
call_command("backup", os.environ["FILE"])
call_command("verify_audit")
"""
)
_BACK_UP_WHILE_WRITING = """
import threading, time
is_enough = threading.Event()

def keep_writing():
    for number in range(10_000):
        if is_enough.is_set():
            break
        set_layer(f"COIN{number % 50}USDT", "bob", top_levels=number % 20 + 1)

writer = threading.Thread(target=keep_writing)
writer.start()
while ConfigAudit.objects.count() < 100:
    time.sleep(0.01)
call_command("backup", os.environ["FILE"])
is_enough.set()
writer.join()
print(ConfigAudit.objects.count())
"""


class Store:
    """A store of this test's own, in processes of their own."""

    def __init__(self, variables: dict[str, str], valkey: Valkey, prefix: str) -> None:
        self._environ = {
            **{name: value for name, value in os.environ.items() if name not in {"MONGODB_URI", "DATABASE_URL"}},
            "DJANGO_SETTINGS_MODULE": "configsite.settings.base",
            "SECRET_KEY": "of a test",
            "REDIS_URL": valkey.url,
            "REDIS_KEY_PREFIX": prefix,
            "LOG_LEVEL": "ERROR",
            **variables,
        }

    def run(self, script: str, file: Path | None = None, *, is_new: bool = False) -> list[str]:
        """The lines that the script prints; ``FILE`` is the backup. A new store is migrated first."""
        migrate = 'call_command("migrate", verbosity=0)\n' if is_new else ""
        done = self._run(["-c", _PREAMBLE + migrate + script], file)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def fail(self, *command: str | Path) -> str:
        """What ``manage.py`` says when it fails, as it must."""
        done = self._run(["manage.py", *map(str, command)], None)
        assert done.returncode == 1
        return done.stdout + done.stderr

    def _run(self, arguments: list[str], file: Path | None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            env=self._environ | {"FILE": str(file)},
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=240,
        )


class Stores:
    """Names stores of either kind, none of which is there yet."""

    def __init__(self, directory: Path, mongodb_uri: str, valkey: Valkey, prefix: str) -> None:
        self.databases: list[str] = []
        self._directory = directory
        self._mongodb_uri = mongodb_uri
        self._site = valkey, prefix

    def sqlite(self, name: str = "") -> Store:
        path = self._directory / (name or f"{uuid.uuid4().hex}.sqlite3")
        return Store({"DATABASE_URL": f"sqlite:///{path}"}, *self._site)

    def mongodb(self) -> Store:
        self.databases.append(f"backup_{uuid.uuid4().hex[:12]}")
        return Store({"MONGODB_URI": self._mongodb_uri, "MONGODB_DATABASE": self.databases[-1]}, *self._site)


@pytest.fixture
def stores(tmp_path: Path, mongodb_uri: str, valkey: Valkey, redis_prefix: str) -> Iterator[Stores]:
    made = Stores(tmp_path, mongodb_uri, valkey, redis_prefix)
    yield made
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        for name in made.databases:
            client.drop_database(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.jsonl.gz"


@pytest.mark.parametrize(
    ("source", "target"), [("sqlite", "sqlite"), ("mongodb", "mongodb"), ("sqlite", "mongodb"), ("mongodb", "sqlite")]
)
def test_backup__restored_into_another_store__is_the_same_to_the_last_hash(
    stores: Stores, file: Path, source: str, target: str
) -> None:
    _, checkpoint, _, checkpoint_then, before = getattr(stores, source)().run(
        _BACK_UP + "print_content()", file, is_new=True
    )
    assert checkpoint == checkpoint_then
    assert file.stat().st_mode & 0o077 == 0

    after = getattr(stores, target)().run(
        'call_command("restore", os.environ["FILE"])\ncall_command("verify_audit")\nprint_content()', file, is_new=True
    )

    assert after == [
        "restored and verified up to 6 (6 rows)",
        checkpoint,
        "verified up to 6 (6 rows)",
        checkpoint,
        before,
    ]


@pytest.mark.parametrize("kind", ["sqlite", "mongodb"])
def test_backup__while_somebody_writes__is_of_one_moment(stores: Stores, file: Path, kind: str) -> None:
    *_, checkpoint, written = getattr(stores, kind)().run(_BACK_UP_WHILE_WRITING, file, is_new=True)
    sequence = int(checkpoint.split()[1])
    assert 100 <= sequence <= int(written)
    after = stores.sqlite().run('call_command("restore", os.environ["FILE"])', file, is_new=True)
    assert after == [f"restored and verified up to {sequence} ({sequence} rows)", checkpoint]


def test_restore__of_an_older_state__takes_the_shared_cache_back_with_it(
    stores: Stores, file: Path, valkey: Valkey, redis_prefix: str
) -> None:
    later = 'set_layer("BTCUSDT", "eve", buy_threshold=1.0)\nset_layer("XRPUSDT", "eve", top_levels=1)\n'
    stores.sqlite().run(_BACK_UP + later, file, is_new=True)
    client, keys = redis.Redis.from_url(valkey.url), redis_keys.Keys(redis_prefix)
    assert client.get(keys.sequence) == b"7"

    stores.sqlite().run('call_command("restore", os.environ["FILE"])\ncall_command("reconcile")', file, is_new=True)

    assert client.get(keys.sequence) == b"5"
    raw = client.hget(keys.config, redis_keys.field_name(SKEW, "BTCUSDT"))
    assert isinstance(raw, bytes)
    assert wire_documents.decode_document(raw).config.own == {"buy_threshold": 2.0}
    assert not client.hexists(keys.config, redis_keys.field_name(SKEW, "XRPUSDT"))


def test_restore__into_a_store_in_use__is_refused_and_changes_nothing(stores: Stores, file: Path) -> None:
    store = stores.sqlite("used.sqlite3")
    before = store.run(_BACK_UP + "print_content()", file, is_new=True)[-1]
    assert "This database has a history" in store.fail("restore", file)
    assert store.run("print_content()") == [before]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-100], "cannot be read as a backup"),
        (lambda content: gzip.compress(b"{}\n"), "is not a backup"),
        (lambda content: gzip.compress(b"".join(gzip.decompress(content).splitlines(True)[:-1])), "declares"),
        (
            lambda content: gzip.compress(gzip.decompress(content).replace(b'd_by": "bob"', b'd_by": "eve"')),
            "bad row: 3",  # Its position: making a token took one too.
        ),
    ],
    ids=["cut", "foreign", "lacks a row", "changed row"],
)
def test_restore__of_a_damaged_file__says_so(
    stores: Stores, file: Path, damage: Callable[[bytes], bytes], said: str
) -> None:
    stores.sqlite().run(_BACK_UP, file, is_new=True)
    file.write_bytes(damage(file.read_bytes()))
    target = stores.sqlite("target.sqlite3")
    target.run("", is_new=True)
    assert said in target.fail("restore", file)


def test_sqlite_file__copied_while_in_use__holds(stores: Stores, tmp_path: Path) -> None:
    stores.sqlite("live.sqlite3").run(_USE, is_new=True)
    path = tmp_path / "live.sqlite3"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as writer,
        closing(sqlite3.connect(path)) as live,
        closing(sqlite3.connect(tmp_path / "copy.sqlite3")) as copy,
    ):
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM strategy_config_audit")
        live.backup(copy)
    assert stores.sqlite("copy.sqlite3").run('call_command("verify_audit")')[0] == "verified up to 6 (6 rows)"

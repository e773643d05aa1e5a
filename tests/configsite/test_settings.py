"""Settings: what stops the start, and by which name."""

import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from configsite import env
from configsite.settings import database
from tests.clean_environment import clean_environment
from tests.settings_reader import read_settings

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "0123456789" * 5


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    """Start Django in a process of its own, with nothing but ``variables`` in its environment."""
    environment = {**clean_environment(), "DJANGO_SETTINGS_MODULE": "configsite.settings.base", **variables}
    command = [sys.executable, "-c", "import django; django.setup()"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_start__without_a_secret_key__stops_and_names_it() -> None:
    started = start()
    assert started.returncode != 0
    assert "ImproperlyConfigured: SECRET_KEY" in started.stderr


@pytest.mark.parametrize(
    ("settings", "variables", "named"),
    [
        ("base", {}, "SECRET_KEY"),
        ("base", {"SECRET_KEY": SECRET, "LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ("base", {"SECRET_KEY": SECRET, "DATABASE_URL": "oracle://somewhere/x"}, "DATABASE_URL"),
        ("base", {"SECRET_KEY": SECRET, "CONFIG_CACHE_TTL_SECONDS": "soon"}, "CONFIG_CACHE_TTL_SECONDS"),
        ("production", {"SECRET_KEY": "short", "ALLOWED_HOSTS": "example.org"}, "SECRET_KEY"),
        ("production", {"SECRET_KEY": SECRET}, "ALLOWED_HOSTS"),
        ("production", {"SECRET_KEY": SECRET, "ALLOWED_HOSTS": "example.org", "DEBUG": "true"}, "DEBUG"),
    ],
)
def test_settings__missing_or_unparsable__name_the_variable(
    settings: str, variables: dict[str, str], named: str, tmp_path: Path
) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^{named}"):
        read_settings(settings, {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", **variables})


def test_start__strategy_variable_that_is_nonsense__does_not_stop_it(tmp_path: Path) -> None:
    database_url = f"sqlite:///{tmp_path}/db.sqlite3"
    started = start(SECRET_KEY=SECRET, DATABASE_URL=database_url, ORDERBOOK_SKEW_TOP_LEVELS="many")
    assert (started.returncode, started.stderr) == (0, "")


READERS: list[tuple[Callable[[], Any], str, Any]] = [
    (lambda: env.text("X", "fallback"), "", "fallback"),
    (lambda: env.text("X"), "", ImproperlyConfigured),
    (lambda: env.flag("X", default=False), "YES", True),
    (lambda: env.flag("X", default=True), "", True),
    (lambda: env.flag("X", default=True), "maybe", ImproperlyConfigured),
    (lambda: env.integer("X", default=5, minimum=1), "7", 7),
    (lambda: env.integer("X", default=5, minimum=1), "0", ImproperlyConfigured),
    (lambda: env.integer("X", default=5, minimum=1), "1.5", ImproperlyConfigured),
    (lambda: env.choice("X", "none", "read", default="none"), "READ", "read"),
    (lambda: env.choice("X", "none", "read", default="none"), "all", ImproperlyConfigured),
    (lambda: env.items("X"), " a, ,b ", ["a", "b"]),
    (lambda: env.pairs("X"), "a=http://h:1/?q=1, b=c", {"a": "http://h:1/?q=1", "b": "c"}),
    (lambda: env.pairs("X"), "", {}),
    (lambda: env.grants("X", "read", "stop"), "None", ()),
    (
        lambda: env.grants("X", "read", "stop"),
        "READ, stop@10.0.0.0/8",
        (env.Grant("read", None), env.Grant("stop", ip_network("10.0.0.0/8"))),
    ),
    (lambda: env.grants("X", "read"), "all", ImproperlyConfigured),
    (lambda: env.grants("X", "read"), "read, none", ImproperlyConfigured),
    (lambda: env.grants("X", "read"), "read@10.0.0.1/8", ImproperlyConfigured),
    (lambda: env.grants("X", "read"), "read@", ImproperlyConfigured),
    (lambda: env.header_names("X"), "X-My-Token, Other", ("HTTP_X_MY_TOKEN", "HTTP_OTHER")),
    (lambda: env.header_names("X"), "X_My_Token", ImproperlyConfigured),
    (lambda: env.pairs("X"), "a", ImproperlyConfigured),
]


@pytest.mark.parametrize(("read", "value", "expected"), READERS)
def test_env__value__is_typed_or_named(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], Any], value: str, expected: Any
) -> None:
    monkeypatch.setenv("X", value)
    if expected is ImproperlyConfigured:
        with pytest.raises(ImproperlyConfigured, match="X"):
            read()
    else:
        assert read() == expected


def test_database__postgresql__is_taken_apart() -> None:
    found = database.from_url("postgresql://us%40er:p%2Fw@db:6432/name?sslmode=require", "DATABASE_URL")
    assert {name: found[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")} == {
        "NAME": "name",
        "USER": "us@er",
        "PASSWORD": "p/w",
        "HOST": "db",
        "PORT": "6432",
    }
    assert found["OPTIONS"]["sslmode"] == "require"


@pytest.mark.parametrize("url", ["", "sqlite://", "mysql://h/n", "postgresql://user:secret@host:port/n", "://"])
def test_database__unusable_url__is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as refusal:
        database.from_url(url, "DATABASE_URL")
    assert "secret" not in str(refusal.value)

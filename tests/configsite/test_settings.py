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


PARSERS: list[tuple[Callable[[str], Any], str, Any]] = [
    (env.pairs, "a=http://h:1/?q=1, b=c", {"a": "http://h:1/?q=1", "b": "c"}),
    (env.pairs, "", {}),
    (env.pairs, "a", ValueError),
    (env.grants, "None", ()),
    (
        env.grants,
        "READ, stop@10.0.0.0/8",
        (env.Grant("read", None), env.Grant("stop", ip_network("10.0.0.0/8"))),
    ),
    (env.grants, "all", ValueError),
    (env.grants, "read, none", ValueError),
    (env.grants, "read@10.0.0.1/8", ValueError),
    (env.grants, "read@", ValueError),
    (env.header, "X-Forwarded-Proto=https", ("HTTP_X_FORWARDED_PROTO", "https")),
    (env.header, "None", None),
    (env.header, "=x", ValueError),
    (env.header_names, "X-My-Token, Other", ("HTTP_X_MY_TOKEN", "HTTP_OTHER")),
    (env.header_names, "X_My_Token", ValueError),
]


@pytest.mark.parametrize(("parse", "text", "expected"), PARSERS)
def test_env__text__is_typed_or_refused(parse: Callable[[str], Any], text: str, expected: Any) -> None:
    if expected is ValueError:
        with pytest.raises(ValueError, match="must"):
            parse(text)
    else:
        assert parse(text) == expected


def test_settings__several_unusable_variables__are_named_at_once_and_no_password_is_shown() -> None:
    bad = {
        "SECRET_KEY": "short hunter2",
        "DATABASE_URL": "postgresql://me:hunter2@host:port/name",
        "MONGODB_TIMEOUT_MS": "soon",
        "SECURE_SSL_REDIRECT": "maybe",
        "CONFLICT_CHECK_URLS": "http://me:hunter2@host",
    }
    with pytest.raises(ImproperlyConfigured) as raised:
        read_settings("production", bad)
    assert {*bad, "ALLOWED_HOSTS", "REDIS_URL"} == {problem.split(" ")[0] for problem in str(raised.value).split("; ")}
    assert "hunter2" not in str(raised.value)


def test_database__postgresql__is_taken_apart() -> None:
    found = database.from_url("postgresql://us%40er:p%2Fw@db:6432/name?sslmode=require")
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
    with pytest.raises(ValueError, match="URL|database|must start") as refusal:
        database.from_url(url)
    assert "secret" not in str(refusal.value)

"""Which store the environment chooses: MONGODB_URI, else DATABASE_URL, else SQLite beside the project."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.settings_reader import read_settings

MONGODB = "mongodb://user:planted-secret@host/?replicaSet=r"
POSTGRESQL = "postgresql://user:planted-secret@host:5433/strategies"
SECRET_KEY = {"SECRET_KEY": "of a test"}
ENGINES = {"mongodb": "django_mongodb_backend", "postgresql": "configsite.postgresql", "sqlite": "sqlite3"}


@pytest.mark.parametrize(
    ("variables", "store", "name"),
    [
        ({}, "sqlite", "db.sqlite3"),
        ({"MONGODB_URI": "", "DATABASE_URL": ""}, "sqlite", "db.sqlite3"),
        ({"DATABASE_URL": POSTGRESQL}, "postgresql", "strategies"),
        ({"DATABASE_URL": POSTGRESQL.replace("postgresql", "postgres")}, "postgresql", "strategies"),
        ({"MONGODB_URI": MONGODB}, "mongodb", "petrosa"),
        ({"MONGODB_URI": MONGODB, "MONGODB_DATABASE": "other"}, "mongodb", "other"),
        ({"MONGODB_URI": MONGODB, "DATABASE_URL": POSTGRESQL}, "mongodb", "petrosa"),
    ],
)
def test_store__of_the_environment__is_chosen(variables: dict[str, str], store: str, name: str) -> None:
    found = read_settings("base", SECRET_KEY | variables)
    chosen = found["DATABASES"]["default"]
    assert chosen["ENGINE"].endswith(ENGINES[store])
    assert str(chosen["NAME"]).endswith(name)
    is_on_mongodb = store == "mongodb"
    assert ("ObjectId" in found["DEFAULT_AUTO_FIELD"]) == is_on_mongodb
    assert bool(found["MIGRATION_MODULES"]) == is_on_mongodb
    assert ("django.contrib.auth" in found["INSTALLED_APPS"]) != is_on_mongodb


@pytest.mark.parametrize(
    ("named", "variables"),
    [
        ("DATABASE_URL", {"DATABASE_URL": "mysql://user:planted-secret@host/name"}),
        ("DATABASE_URL", {"DATABASE_URL": "postgresql://user:planted-secret@host"}),
        ("DATABASE_URL", {"DATABASE_URL": "postgresql://user:planted-secret@host:port/name"}),
        ("DATABASE_URL", {"DATABASE_URL": MONGODB}),
        ("MONGODB_URI", {"MONGODB_URI": POSTGRESQL}),
        ("MONGODB_URI", {"MONGODB_URI": "planted-secret", "DATABASE_URL": POSTGRESQL}),
        ("MONGODB_TIMEOUT_MS", {"MONGODB_URI": MONGODB, "MONGODB_TIMEOUT_MS": "soon"}),
        ("MONGODB_TIMEOUT_MS", {"MONGODB_URI": MONGODB, "MONGODB_TIMEOUT_MS": "0"}),
    ],
)
def test_store__bad_value__stops_the_start_by_name_without_secrets(named: str, variables: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^{named} ") as refusal:
        read_settings("base", SECRET_KEY | variables)
    assert "planted-secret" not in str(refusal.value)


def test_postgresql__every_wait__is_bounded_and_the_url_may_say_how_long() -> None:
    bounded = read_settings("base", {**SECRET_KEY, "DATABASE_URL": POSTGRESQL})["DATABASES"]["default"]["OPTIONS"]
    assert bounded["connect_timeout"] == 3
    assert bounded["options"].split() == [
        *("-c", "statement_timeout=5000", "-c", "lock_timeout=3000"),
        *("-c", "idle_in_transaction_session_timeout=10000"),
    ]
    own = f"{POSTGRESQL}?connect_timeout=9&options=-c%20statement_timeout%3D0"
    chosen = read_settings("base", {**SECRET_KEY, "DATABASE_URL": own})["DATABASES"]["default"]["OPTIONS"]
    assert chosen == {"connect_timeout": "9", "options": "-c statement_timeout=0"}

"""`migrate` keeps away from the original service's database."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from pymongo.database import Database

from tests.conftest import PROJECT_ROOT


@pytest.fixture
def original(mongodb_uri: str) -> Iterator[Database[dict[str, Any]]]:
    """A database of the original service, empty yet."""
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client[f"original_{uuid.uuid4().hex[:8]}"]
        yield database
        client.drop_database(database.name)


@pytest.mark.parametrize("collection", ["strategy_configs_global", "strategy_configs_symbol", "strategy_config_audit"])
def test_migrate__into_the_database_of_the_original_service__is_refused_and_leaves_it_as_it_is(
    mongodb_uri: str, original: Database[dict[str, Any]], collection: str
) -> None:
    original[collection].insert_one({"strategy_id": "orderbook_skew"})
    variables = {"MONGODB_URI": mongodb_uri, "MONGODB_DATABASE": original.name, "SECRET_KEY": "of a test"}
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput"],
        env={**os.environ, **variables, "DJANGO_SETTINGS_MODULE": "configsite.settings.base"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert f"The database {original.name} is that of the original service." in done.stderr
    assert "MONGODB_DATABASE" in done.stderr
    assert original.list_collection_names() == [collection]

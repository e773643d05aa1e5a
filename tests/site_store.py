"""The store of one site under test: a SQLite file, or a database of its own on the server that TEST_STORE names."""

import os
import shutil
import uuid
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import psycopg
import pymongo
from django.conf import settings
from psycopg import sql


class SiteStore:
    """A store that nobody else uses; it is made by `migrate`, or as a `copy` of one that was."""

    _on_server: ClassVar[list[str]] = []

    def __init__(self, directory: Path) -> None:
        self.path = directory / "site.sqlite3"
        self.database = f"site_{uuid.uuid4().hex[:12]}"
        self._on_server.append(self.database)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process use this store."""
        if settings.IS_ON_MONGODB:
            return {"MONGODB_URI": os.environ["MONGODB_URI"], "MONGODB_DATABASE": self.database}
        if settings.IS_ON_POSTGRESQL:
            return {"DATABASE_URL": urlsplit(os.environ["POSTGRES_TEST_URL"])._replace(path=self.database).geturl()}
        return {"DATABASE_URL": f"sqlite:///{self.path}"}

    def create(self) -> None:
        """Make the empty database, where that is not done by the first who connects."""
        if settings.IS_ON_POSTGRESQL:
            _run(sql.SQL("CREATE DATABASE {}"), self.database)

    def copy(self, template: "SiteStore") -> None:
        """Become what ``template`` is now; nobody may be using it."""
        if settings.IS_ON_MONGODB:
            self._copy_collections(template)
        elif settings.IS_ON_POSTGRESQL:
            _run(sql.SQL("CREATE DATABASE {} TEMPLATE {}"), self.database, template.database)
        else:
            shutil.copy(template.path, self.path)

    @classmethod
    def drop_all(cls) -> None:
        """Remove from the server every database that this process has named."""
        names, cls._on_server = cls._on_server, []
        if settings.IS_ON_MONGODB:
            with pymongo.MongoClient[dict[str, Any]](os.environ["MONGODB_URI"]) as client:
                for name in names:
                    client.drop_database(name)
        elif settings.IS_ON_POSTGRESQL:
            for name in names:
                _run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"), name)

    def _copy_collections(self, template: "SiteStore") -> None:
        with pymongo.MongoClient[dict[str, Any]](os.environ["MONGODB_URI"]) as client:
            source, target = client[template.database], client[self.database]
            for name in source.list_collection_names():
                target.create_collection(name)
                for index in source[name].list_indexes():
                    if index["name"] != "_id_":
                        keys = list(index["key"].items())
                        options = {key: value for key, value in index.items() if key not in {"key", "v", "ns"}}
                        target[name].create_index(keys, **options)
                if documents := list(source[name].find()):
                    target[name].insert_many(documents)


def _run(statement: sql.SQL, *databases: str) -> None:
    with psycopg.connect(os.environ["POSTGRES_TEST_URL"], autocommit=True) as connection:
        connection.execute(statement.format(*map(sql.Identifier, databases)))

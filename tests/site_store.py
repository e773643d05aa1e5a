"""The store of one site under test: a SQLite file, or with TEST_STORE=mongodb a database of its own."""

import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import pymongo
from django.conf import settings


class SiteStore:
    """A store that nobody else uses; it is made by `migrate`, or as a `copy` of one that was."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "site.sqlite3"
        self.database = f"site_{uuid.uuid4().hex[:12]}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process use this store."""
        if settings.IS_ON_MONGODB:
            return {"MONGODB_URI": os.environ["MONGODB_URI"], "MONGODB_DATABASE": self.database}
        return {"DATABASE_URL": f"sqlite:///{self.path}"}

    def copy(self, template: "SiteStore") -> None:
        """Become what ``template`` is now."""
        if not settings.IS_ON_MONGODB:
            shutil.copy(template.path, self.path)
            return
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

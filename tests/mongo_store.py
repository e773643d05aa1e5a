"""Puts a MongoDB back to what `migrate` left, after each test."""

from typing import Any

from django.db import connection
from django.test import TransactionTestCase


class CleanState:
    """What every collection held when this was made.

    Django's own way, `flush` and the signals of `migrate`, takes half a second a test on the wire server.
    """

    def __init__(self) -> None:
        self._documents = self._read()

    def replace_flush(self) -> None:
        """From now on Django's tests end with `restore`."""
        TransactionTestCase._fixture_teardown = lambda case: self.restore()

    def restore(self) -> None:
        """Rewrite the collections that differ."""
        now = self._read()
        for name in now.keys() | self._documents.keys():
            documents = self._documents.get(name, [])
            if now.get(name) == documents:
                continue
            collection = connection.database[name]
            collection.delete_many({})
            if documents:
                collection.insert_many(documents)

    @staticmethod
    def _read() -> dict[str, list[dict[str, Any]]]:
        connection.ensure_connection()
        database = connection.database
        return {name: list(database[name].find().sort("_id")) for name in database.list_collection_names()}

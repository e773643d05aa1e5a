"""The MongoDB wire server of the tests keeps what it answered, and reads nested stages as a mongod does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from embedded.mongo import MongoWireServer

TIMEOUT_MS = 2000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
    with (
        MongoWireServer(tmp_path_factory.mktemp("mongo")) as server,
        pymongo.MongoClient[dict[str, Any]](server.url, serverSelectionTimeoutMS=TIMEOUT_MS) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ([{"$project": {"a": {"b": 1}}}], {"_id": 1, "a": {"b": 1}}),
        ([{"$project": {"a": {"b": 1, "z": "$c"}}}], {"_id": 1, "a": {"b": 1, "z": 5}}),
        ([{"$addFields": {"a": {"z": "$c"}}}], {"_id": 1, "a": {"b": 1, "x": 2, "z": 5}, "c": 5}),
        ([{"$addFields": {"a": {"z": {"y": {"$add": ["$c", 1]}}}}}, {"$project": {"a": {"z": 1}}}],
         {"_id": 1, "a": {"z": {"y": 6}}}),
        ([{"$project": {"d": {"$cond": [True, "$c", 0]}}}], {"_id": 1, "d": 5}),
    ],
)  # fmt: skip
def test_stage__with_a_nested_document__is_read_as_paths(
    client: pymongo.MongoClient[dict[str, Any]], pipeline: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    collection = client.test.stages
    collection.replace_one({"_id": 1}, {"a": {"b": 1, "x": 2}, "c": 5}, upsert=True)
    assert list(collection.aggregate(pipeline)) == [expected]


def test_transaction__conflicting_with_another__is_refused_as_transient(
    client: pymongo.MongoClient[dict[str, Any]],
) -> None:
    collection = client.test.conflicts
    collection.insert_one({"_id": 1, "n": 0})
    with client.start_session() as first, client.start_session() as second:
        with first.start_transaction():
            collection.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=first)
            with pytest.raises(OperationFailure) as failure, second.start_transaction():
                collection.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=second)
        assert failure.value.has_error_label("TransientTransactionError")
    assert collection.find_one() == {"_id": 1, "n": 1}


@pytest.mark.parametrize("end", ["kill", pytest.param("stop", marks=pytest.mark.slow)])
def test_mongo__ended_and_started_again__has_every_answered_transaction(end: str, tmp_path: Path) -> None:
    with MongoWireServer(tmp_path) as server:
        url, number = server.url, 100
        with pymongo.MongoClient[dict[str, Any]](url) as client:
            client.test.create_collection("rows")
            for n in range(number):
                with client.start_session() as session, session.start_transaction():
                    client.test.rows.insert_one({"n": n}, session=session)
        getattr(server, end)()
        with (
            pymongo.MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=200) as client,
            pytest.raises(ServerSelectionTimeoutError),
        ):
            client.test.rows.find_one()
        server.start()
        assert server.url == url
        with pymongo.MongoClient[dict[str, Any]](url) as client:
            assert [row["n"] for row in client.test.rows.find().sort("n")] == list(range(number))

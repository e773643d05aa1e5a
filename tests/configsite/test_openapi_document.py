"""The OpenAPI document as it is served."""

import json

import pytest
import yaml
from django.test import Client
from drf_spectacular.generators import SchemaGenerator


def content_of(client: Client, path: str, **headers: str) -> bytes:
    return b"".join(client.get(path, headers=headers).streaming_content)


def test_document__json_and_yaml__name_the_same_paths(client: Client) -> None:
    document = json.loads(content_of(client, "/api/schema/?format=json"))
    assert document["paths"].keys() == yaml.safe_load(content_of(client, "/api/schema/"))["paths"].keys()
    assert document == json.loads(content_of(client, "/api/schema/", Accept="application/json"))
    assert document == json.loads(content_of(client, "/openapi.json", Accept="*/*"))


def test_document__asked_for_in_many_ways__is_made_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query or header of a caller's own used to make it anew, in a second of a core."""
    content_of(client, "/api/schema/?format=json")
    monkeypatch.setattr(SchemaGenerator, "get_schema", None)
    for number in range(3):
        query = f"/api/schema/?format=json&x={number}&lang=x{number}&version={number}"
        assert b'"openapi"' in content_of(client, query, Accept=f"*/*; q=0.{number + 1}")


@pytest.mark.parametrize("path", ["/openapi.json", "/api/schema/?format=json"])
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("*/*", "application/vnd.oai.openapi+json"),
        ("text/html", "application/vnd.oai.openapi+json"),
    ],
)
def test_document__json_named__answers_whatever_is_accepted(
    client: Client, path: str, accept: str, media_type: str
) -> None:
    """Clients that accept application/json, as generators of types do, used to get 406."""
    answer = client.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, media_type)
    assert b'"openapi"' in b"".join(answer.streaming_content)

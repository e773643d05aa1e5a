"""Every page of the console with a crowded store: it answers, with as many queries as with an empty one."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.console_pages import FILLED_PAGES, PAGES

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
# The session and its user, the user's and the groups' permissions, and what the page itself reads.
MOST_QUERIES = 14


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
    assert answer.status_code == 200, path
    return len(captured)


def test_pages__crowded_store__need_no_more_queries_than_an_empty_one(
    login: Callable[[str], Client], request: pytest.FixtureRequest
) -> None:
    client = login("admin")
    client.get("/admin/")
    # Of a list without a line, the paginator reads the number alone.
    before = {name: queries(client, path) + name.startswith("overrides") for name, path in PAGES.items()}
    request.getfixturevalue("crowded_store")
    # What is remembered until the next change (which values do not fit) is read anew once, by the first page.
    assert queries(client, "/admin/") <= MOST_QUERIES
    after = {name: queries(client, path) for name, path in PAGES.items()}
    assert after == before
    assert max(after.values()) <= MOST_QUERIES


def test_pages__of_a_crowded_store_only__need_few_queries(login: Callable[[str], Client], crowded_store: None) -> None:
    client = login("trader")
    for path in FILLED_PAGES.values():
        assert queries(client, path) <= MOST_QUERIES

"""Every page of the console with a crowded store: it answers, with as many queries as with an empty one."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(settings.IS_ON_MONGODB, reason="the crowded store is made by SQL of SQLite"),
]
LAYER = "/admin/strategies/orderbook_skew"
PAGES = {
    "dashboard": "/admin/",
    "live": "/admin/live.json",
    "layer": f"{LAYER}/",
    "symbol": f"{LAYER}/symbols/SYM0000USDT/",
    "overrides": "/admin/overrides/",
    "overrides last page": "/admin/overrides/?page=20",
    "overrides of a symbol": "/admin/overrides/?symbol=sym0001",
    "explain": f"{LAYER}/explain/",
    "explain a symbol": f"{LAYER}/symbols/SYM0000USDT/explain/",
    "copy": f"{LAYER}/symbols/SYM0000USDT/copy/",
    "history": "/admin/history/",
    "history of a layer": "/admin/history/?strategy=orderbook_skew&symbol=global",
    "history without a match": "/admin/history/?who=nobody&action=DELETE&channel=import",
    "history of a day": "/admin/history/?since=2024-08-08T12:00&until=2024-08-08T12:01",
    "compare": "/admin/compare/?symbols=SYM0000USDT+SYM0001USDT",
    "compare some": "/admin/compare/?symbols=SYM0000USDT+SYM0001USDT&strategy=orderbook_skew&parameter=top_levels",
    "transfer": "/admin/transfer/",
    "tokens": "/admin/tokens/",
    "help": "/admin/help/",
    "help of a strategy": "/admin/help/orderbook_skew/",
    "users": "/admin/auth/user/",
    "groups": "/admin/auth/group/",
}
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
    before = {name: queries(client, path) for name, path in PAGES.items()}
    request.getfixturevalue("crowded_store")
    after = {name: queries(client, path) for name, path in PAGES.items()}
    assert after == before
    assert max(after.values()) <= MOST_QUERIES


def test_versions__crowded_store__constant_queries(login: Callable[[str], Client], crowded_store: None) -> None:
    client = login("trader")
    for path in (f"{LAYER}/versions/?old=1&new=12000", f"{LAYER}/rollback/?version=12000"):
        assert queries(client, path) <= MOST_QUERIES

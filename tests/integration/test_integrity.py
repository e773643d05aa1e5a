"""Fifty writers at once, through four worker processes, on one layer: nothing is lost and nothing counted twice."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import redis

from strategy_core.configuration import redis_keys, wire_documents
from tests.live_site import LiveSite
from tests.plain_http import NO_ROOTS

WRITERS = 50
# Two writers of the same value after one another: without ``force`` the second would make no version.
URL = "/api/v1/strategies/orderbook_skew/config/BTCUSDT?force=true"
VERIFY = "import django; django.setup()\nfrom django.core.management import call_command\ncall_command('verify_audit')"


def verified_rows(site: LiveSite) -> int:
    """How many rows the intact history has; those of tokens are among them."""
    found = re.search(r"verified up to (\d+) \((\d+) rows\)", site.run_script(VERIFY))
    assert found is not None
    assert found[1] == found[2], "every position is taken"
    return int(found[2])


def test_concurrent_posts__50_through_4_workers__50_versions_and_rows_and_an_intact_chain(
    live_site: Callable[..., LiveSite],
) -> None:
    site = live_site(workers=4)
    rows_before = verified_rows(site)

    def write(number: int) -> int:
        body = {"parameters": {"top_levels": number % 20 + 1}, "changed_by": f"writer {number}"}
        with httpx.Client(base_url=site.url, timeout=60, verify=NO_ROOTS) as client:
            response = client.post(URL, json=body, headers={"Authorization": f"Bearer {site.token}"})
        answer = response.json()
        assert response.status_code == 200, response.text
        assert answer["data"]["overrides"] == body["parameters"]
        assert answer["data"]["updated_by"] == body["changed_by"]
        version: int = answer["data"]["version"]
        return version

    with ThreadPoolExecutor(WRITERS) as pool:
        versions = list(pool.map(write, range(WRITERS)))
    assert sorted(versions) == list(range(1, WRITERS + 1))

    rows = site.get("/api/v1/strategies/orderbook_skew/audit?limit=1000").json()["data"]
    assert [(row["version"], row["sequence"]) for row in rows] == [(n, n) for n in range(WRITERS, 0, -1)]
    assert {row["changed_by"] for row in rows} == {f"writer {number}" for number in range(WRITERS)}
    assert verified_rows(site) == rows_before + WRITERS

    client = redis.Redis.from_url(site.redis_url)
    keys = redis_keys.Keys(site.prefix)
    raw = client.hget(keys.config, redis_keys.field_name("orderbook_skew", "BTCUSDT"))
    assert isinstance(raw, bytes)
    document = wire_documents.decode_document(raw)
    assert (document.symbol_version, document.config.own) == (WRITERS, rows[0]["new_parameters"])
    assert client.get(keys.sequence) == str(WRITERS).encode()
    ids = [entry_id for entry_id, _ in client.xrange(keys.changes) if entry_id.endswith(b"-0")]
    assert ids == sorted(ids, key=lambda entry_id: int(entry_id[:-2]))

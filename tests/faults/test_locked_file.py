"""A SQLite file that another process keeps locked: reads go on, writes are refused, and not all threads wait."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.faults.conftest import SKEW
from tests.live_site import LiveSite
from tests.waiting import until

LOCKED_SECONDS = 20.0
WRITERS = 40


def test_sqlite__locked__reads_go_on_and_writes_are_refused_until_it_is_free(
    live_site: Callable[..., LiveSite],
) -> None:
    site = live_site()
    first, refused, last = ({"parameters": {"top_levels": value}, "changed_by": "faults"} for value in (7, 8, 9))
    assert site.post(SKEW, first).json()["success"]
    lock = sqlite3.connect(site.db_path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(WRITERS) as pool:
        writes = [pool.submit(site.post, SKEW, refused, timeout=LOCKED_SECONDS) for _ in range(WRITERS)]
        # More writers than the site has threads: some are refused at once, so that others are served.
        until(lambda: any(write.done() for write in writes), LOCKED_SECONDS)
        assert site.get(SKEW, timeout=LOCKED_SECONDS).status_code == 200
        assert site.get("/api/v1/strategies/orderbook_skew/audit", timeout=LOCKED_SECONDS).status_code == 200
        refusals = [write.result() for write in writes]
    assert {(each.status_code, each.json()["error"]["code"]) for each in refusals} == {(503, "STORE_UNAVAILABLE")}
    lock.execute("ROLLBACK")
    until(lambda: site.post(SKEW, last).status_code == 200)
    rows = site.get("/api/v1/strategies/orderbook_skew/audit").json()["data"]
    assert [(row["version"], row["new_parameters"]["top_levels"]) for row in rows] == [(2, 9), (1, 7)]

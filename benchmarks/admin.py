"""What the admin's pages cost the site with a crowded store, over real HTTP: ``python -m benchmarks.admin``.

8 strategies, 1,000 overrides, 100,000 rows of history, documents of all layers in Redis. CPU time is that of the
worker process, from its own clock in the system's books: the machine's other work does not count in it.
"""

import re
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.measure import machine, noise, table, tree_cpu_seconds
from benchmarks.site import running_site
from embedded.servers import Valkey
from tests.console_pages import AUDIT_ROWS, FILLED_PAGES, OVERRIDES, PAGES
from tests.live_site import LiveSite

REQUESTS = 15
LIMIT_MS = 300
EXPORTS = {
    "history as CSV": "/admin/history/export.csv",
    "history as JSON lines": "/admin/history/export.jsonl",
}
_FILL = "import django; django.setup(); from tests import crowded_store; crowded_store.fill()"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one page: milliseconds of wall time (median, slowest) and of the worker's CPU, and the bytes of an answer."""

    wall_ms: float
    slowest_ms: float
    cpu_ms: float
    size: int


def main() -> None:
    """Run everything and print it."""
    print(machine())
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Valkey(Path(folder) / "valkey") as valkey,
        running_site(Path(folder), valkey.url, prepare=_FILL) as site,
        httpx.Client(base_url=site.url, timeout=300) as browser,
    ):
        _log_in(browser)
        pages = {name: _cost(site, browser, path) for name, path in (PAGES | FILLED_PAGES).items()}
        exports = {name: _cost(site, browser, path, requests=1) for name, path in EXPORTS.items()}
    print(_table(f"{OVERRIDES:,} overrides, {AUDIT_ROWS:,} changes", pages))
    print(f"Asked: {LIMIT_MS} ms for every page.\n")
    print(_table(f"all {AUDIT_ROWS:,} rows, streamed", exports))
    print(noise())


def _log_in(browser: httpx.Client) -> None:
    page = browser.get("/admin/login/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None, page[:500]
    fields = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": token[1]}
    answer = browser.post("/admin/login/", data=fields, headers={"Referer": str(browser.base_url)})
    assert answer.status_code == 302, answer.text[:500]


def _cost(site: LiveSite, browser: httpx.Client, path: str, *, requests: int = REQUESTS) -> Cost:
    """The first request, which may load what stays, counts only where it is the only one."""
    size, times = 0, []
    if requests > 1:
        browser.get(path).raise_for_status()
    before = tree_cpu_seconds(site.pid)
    for _ in range(requests):
        started = time.perf_counter()
        answer = browser.get(path)
        times.append((time.perf_counter() - started) * 1_000)
        answer.raise_for_status()
        size = len(answer.content)
    cpu_ms = (tree_cpu_seconds(site.pid) - before) * 1_000 / requests
    return Cost(statistics.median(times), max(times), cpu_ms, size)


def _table(title: str, costs: dict[str, Cost]) -> str:
    rows = [
        (name, f"{each.cpu_ms:,.0f}", f"{each.wall_ms:,.0f}", f"{each.slowest_ms:,.0f}", f"{each.size / 1_024:,.0f}")
        for name, each in costs.items()
    ]
    return table((title, "CPU ms", "wall ms", "slowest ms", "KiB"), rows)


if __name__ == "__main__":
    main()

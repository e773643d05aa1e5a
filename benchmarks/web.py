"""Rates and latencies of the site, one worker process, over real HTTP: ``python -m benchmarks.web``."""

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.http_load import Load, get_request, json_request, run_load
from benchmarks.measure import LEAST_RUNS, Sample, machine, noise, table
from benchmarks.site import running_site
from embedded.servers import HOST, Valkey, die_with_parent, free_port
from tests.live_site import LiveSite

CONNECTIONS = 16
WRITERS = 4
REQUESTS = 2_000
WRITES = 400
OVERRIDES = 1_000
BASELINE = "baseline: granian, the same bytes from a bare WSGI function"
_BARE_APPLICATION = """
body = open({path!r}, "rb").read()
headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
def application(environ, start_response):
    start_response("200 OK", headers)
    return [body]
"""


def main() -> None:
    """Run everything and print it."""
    print(machine())
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Valkey(Path(folder) / "valkey") as valkey,
        running_site(Path(folder), valkey.url) as site,
    ):
        report(site, Path(folder))
    print(noise())


def report(site: LiveSite, folder: Path) -> None:
    """Reads first, then writes, then the list with many overrides."""
    path = "/api/v1/strategies/orderbook_skew/config/BTCUSDT"
    site.request("PATCH", path, json={"parameters": {"buy_threshold": 1.3}, "changed_by": "bench"}).raise_for_status()
    body = site.get(path).content
    tag = site.get(path).headers["etag"]
    with _Bare(folder, body) as bare:
        cases = {
            BASELINE: _reads(bare.port, path),
            "GET config, cached, token": _reads(site.port, path, token=site.token),
            "GET config, If-None-Match -> 304": _reads(
                site.port, path, token=site.token, headers=f"If-None-Match: {tag}\r\n", status=304
            ),
            "GET defaults (plain DRF view)": _reads(
                site.port, "/api/v1/strategies/orderbook_skew/defaults", token=site.token
            ),
        }
        _print_loads(cases, f"{CONNECTIONS} connections")
    print("Asked of the cached config: 3,000/s and p99 below 10 ms; goal 8,000/s.\n")
    numbers = itertools.count()
    _print_loads({"POST config": lambda: _writes(site, numbers)}, f"{WRITERS} writers, SQLite")
    print("Asked: 150/s and p99 below 50 ms.\n")
    for number in range(OVERRIDES):
        symbol = f"/api/v1/strategies/orderbook_skew/config/S{number:04d}USDT"
        document = {"parameters": {"buy_threshold": 1.5}, "changed_by": "bench"}
        site.post(symbol, json=document).raise_for_status()
    _print_loads(
        {"GET strategies": _reads(site.port, "/api/v1/strategies", token=site.token, requests=1_000)},
        f"{CONNECTIONS} connections, {OVERRIDES:,} overrides",
    )
    print("Asked: 500/s.")


def _reads(
    port: int, path: str, *, token: str | None = None, headers: str = "", status: int = 200, requests: int = REQUESTS
) -> Callable[[], Load]:
    request = get_request(path, host=f"{HOST}:{port}", token=token, headers=headers)
    return lambda: run_load(HOST, port, lambda _: request, connections=CONNECTIONS, requests=requests, status=status)


def _writes(site: LiveSite, numbers: "itertools.count[int]") -> Load:
    def request(_: int) -> bytes:
        value = 1.0 + (next(numbers) % 1000) / 500
        body = json.dumps({"parameters": {"buy_threshold": value}, "changed_by": "bench"}).encode()
        path = "/api/v1/strategies/orderbook_skew/config/ETHUSDT"
        return json_request("POST", path, body, host=f"{HOST}:{site.port}", token=site.token)

    return run_load(HOST, site.port, request, connections=WRITERS, requests=WRITES)


def _print_loads(cases: dict[str, Callable[[], Load]], title: str) -> None:
    """Interleave the cases; rates and percentiles as medians of the runs, ratios to the first case."""
    loads: dict[str, list[Load]] = {name: [] for name in cases}
    for number in range(LEAST_RUNS + 1):
        for name, run in cases.items():
            load = run()
            if number:
                loads[name].append(load)
    rates = {name: Sample(tuple(load.rate for load in runs)) for name, runs in loads.items()}
    first = next(iter(cases))
    rows = [
        (
            name,
            f"{rates[name].median:,.0f}",
            f"{Sample(tuple(load.percentile(50) for load in runs)).median:.2f}",
            f"{Sample(tuple(load.percentile(99) for load in runs)).median:.2f}",
            f"{rates[name].spread:.0%}",
            f"{rates[name].ratio(rates[first]):.2f}",
        )
        for name, runs in loads.items()
    ]
    print(table((title, "requests/s", "p50 ms", "p99 ms", "spread", "ratio"), rows))


class _Bare:
    """granian with a WSGI function that answers ``body`` to everything: what the server itself can do."""

    def __init__(self, folder: Path, body: bytes) -> None:
        self.port = free_port()
        (folder / "body").write_bytes(body)
        (folder / "bare.py").write_text(_BARE_APPLICATION.format(path=str(folder / "body")))
        self._folder = folder

    def __enter__(self) -> "_Bare":
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "granian",
                "--interface",
                "wsgi",
                "--http",
                "1",
                "--host",
                HOST,
                "--port",
                str(self.port),
                "bare:application",
            ],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                run_load(HOST, self.port, lambda _: get_request("/", host=HOST), connections=1, requests=1)
                return self
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("granian did not start")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(15)


if __name__ == "__main__":
    main()

"""Inputs that ask a running product: site, worker, runtime and feed."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest

from tests.conftest import PROJECT_ROOT
from tests.found_faults.conftest import Product, Run
from tests.live_site import LiveSite
from tests.plain_http import NO_ROOTS
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
LISTENERS = ("site", "runtime")


def port_of(product: Product, listener: str) -> str:
    return str(product.site.port if listener == "site" else product.runtime.port)


async def test_switched_off_strategy__redis_loses_its_document__does_not_trade(product: Product, run: Run) -> None:
    printed = await asyncio.to_thread(run, "bug-01.py", cwd=product.folder)
    assert "api says enabled: False" in printed
    assert "[] ok" in printed
    on = {"changed_by": "tests", "reason": "on again"}
    assert product.site.post("/api/v1/strategies/orderbook_skew/enable", on).status_code == 200


def test_layer_with_an_expiry__read_often__comes_from_the_cache(product: Product, run: Run) -> None:
    printed = run("bug-02.py", cwd=product.folder)
    assert (printed.count(" ok"), "FAIL" in printed) == (2, False)


def test_texts__of_nothing_visible_or_that_steer__are_refused(product: Product, run: Run) -> None:
    """But for the reason of a stop: nothing that a stop has for a reason refuses it, as was decided later."""
    lines = run("bug-16.py", cwd=product.folder).splitlines()
    assert [line for line in lines if not line.endswith(" ok")] == [
        "required reason of a kill switch, '\\u200b' (200, None) FAIL"
    ]
    assert len(lines) == 11


def test_reason__of_one_long_word__is_taken(product: Product, run: Run) -> None:
    """That no page scrolls sideways for it is one of the browser's tests."""
    assert "(200, None" in run("bug-17.py", cwd=product.folder)


def test_entity_tag__weak_or_marked_by_a_proxy__says_what_is_wrong_with_it(product: Product, run: Run) -> None:
    printed = run("bug-20.py", cwd=product.folder)
    assert printed.count("(412,") == 3
    assert "somebody" not in printed.lower()


def test_bodies__of_another_coding_or_type__are_named_or_taken(product: Product, run: Run) -> None:
    gzipped, merge_patch = run("bug-24.py", cwd=product.folder).splitlines()[:2]
    assert "(415," in gzipped
    assert "Content-Encoding" in gzipped
    assert "(200, None" in merge_patch


@pytest.mark.parametrize("listener", LISTENERS)
def test_listener__uploads_over_http_2__refuses_to_speak_it_and_answers_the_others(
    product: Product, run: Run, listener: str
) -> None:
    """The file cannot even begin: that HTTP/2 is not spoken is what ended its fault."""
    printed = run("attack-01.py", "127.0.0.1", port_of(product, listener), ends_by=("BrokenPipe", "ConnectionReset"))
    assert printed.startswith("before 200")
    url = f"http://127.0.0.1:{port_of(product, listener)}/healthz"
    assert httpx.get(url, timeout=10, verify=NO_ROOTS).status_code == 200


@pytest.mark.parametrize("listener", LISTENERS)
def test_listener__bodies_that_are_never_sent__answers_the_probes(product: Product, run: Run, listener: str) -> None:
    printed = run("attack-02.py", "127.0.0.1", port_of(product, listener))
    answers = [line.rpartition(" ")[2] for line in printed.splitlines()]
    assert answers == ["200"] * 7


def test_lockout__with_a_header_in_underscores__counts_the_same(live_site: Callable[..., LiveSite], run: Run) -> None:
    site = live_site(environment={"TRUSTED_PROXIES": "1"})
    first, second = (line.partition(":")[2] for line in run("attack-09.py", "127.0.0.1", str(site.port)).splitlines())
    assert "'429'" in first
    assert "'200'" not in second


async def test_books__labelled_with_another_symbol_or_only_differences__are_refused(
    product: Product, fault_inputs: Path
) -> None:
    client = await nats.connect(product.nats.url)

    async def publish(name: str, symbol: str) -> None:
        for line in (fault_inputs / name).read_text().splitlines():
            at = str(int(time.time() * 1000))
            text = line.replace('"E":0', f'"E":{at}').replace('"T":0', f'"T":{at}')
            text = text.replace("BTCUSDT", symbol).replace("btcusdt", symbol.lower())
            await client.publish("binance.websocket.data", text.encode())
        await client.flush()

    def depth(symbol: str) -> Any:
        answer = product.site.get(f"/api/v1/metrics/depth/{symbol}")
        return answer.json() if answer.status_code == 200 else None

    await publish("interop-mislabelled-book.jsonl", "FFAUSDT")
    await eventually(lambda: counters(product)["implausible"]["depth"] == 1)
    # The runtime publishes its books at intervals.
    await eventually(lambda: depth("FFAUSDT") is not None)
    assert depth("FFAUSDT")["spread"]["mid_price"] == 60_000.0
    await publish("interop-diff-as-book.jsonl", "FFBUSDT")
    await eventually(lambda: counters(product)["depth_diff"] == 1)
    assert depth("FFBUSDT") is None
    await client.close()


def counters(product: Product) -> dict[str, Any]:
    """Those of the runtime's messages."""
    answer = product.runtime.answer("/info")
    assert answer is not None
    found: dict[str, Any] = answer.json()["runtime"]["counters"]
    return found


def test_replay__of_other_units_and_with_a_mark__reads_them_or_says_why(product: Product, fault_inputs: Path) -> None:
    done = subprocess.run(
        ["/bin/bash", str(fault_inputs / "bug-26.sh")],
        cwd=PROJECT_ROOT,
        env={**os.environ, "NATS_URL": product.nats.url},
        capture_output=True,
        text=True,
        timeout=120,
    )
    ends = [line for line in done.stdout.splitlines() if "exit status" in line]
    assert ends == ["exit status 0", "exit status 1", "with a BOM: exit status 0"]
    assert done.stdout.count("1 published, 0 unreadable") == 2
    assert "is in seconds; write it in milliseconds" in done.stdout + done.stderr


def test_import__of_numbers_of_an_older_yaml__is_refused_by_line(product: Product, fault_inputs: Path) -> None:
    text = (fault_inputs / "bug-21.yaml").read_text()
    file = product.folder / "bug-21.yaml"
    file.write_text(text)
    done = _manage(product, "manage.py", "import_config", str(file), "--plan")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    for name in ("time_window", "persistence_threshold_seconds", "whale_threshold_eth"):
        assert name in said, said


def test_import__of_an_earlier_export__leaves_what_was_stopped_meanwhile(
    product: Product, fault_inputs: Path, tmp_path: Path
) -> None:
    """The commands of bug-15.sh, with the kill between them as its comment has it."""
    export, apply = [
        line.replace("$P ", "").split(maxsplit=1)
        for line in (fault_inputs / "bug-15.sh").read_text().splitlines()
        if "$P " in line
    ]
    file = str(tmp_path / "before.yaml")
    done = _manage(product, "manage.py", export[0], "--output", file)
    assert done.returncode == 0, done.stderr
    stopped = {"changed_by": "ann", "reason": "KILL: runaway"}
    assert product.site.post("/api/v1/strategies/iceberg_detector/disable", stopped).status_code == 200
    done = _manage(product, "manage.py", apply[0], file, "--apply", "--reason", "parameters of before 11:40")
    assert done.returncode == 0, done.stderr
    assert product.site.get("/api/v1/strategies/iceberg_detector/config").json()["data"]["enabled"] is False


def _manage(product: Product, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT_ROOT,
        env={**product.site.environment, "NATS_URL": product.nats.url},
        capture_output=True,
        text=True,
        timeout=120,
    )

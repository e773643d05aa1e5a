"""The end of a process: its code, and how long it takes where something does not end by itself."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.piped_process import start_piped

START = """
import asyncio, sys, threading, time
from service_kit import shutdown

async def main() -> int:
    {}
    print("ready", flush=True)
    {}
    return 3

shutdown.leave(shutdown.run(main()))
"""


def start(before: str, after: str = "pass") -> subprocess.Popen[str]:
    process = start_piped([sys.executable, "-c", START.format(before, after)], os.environ)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    "left",
    [
        # As the search for a name that no name server answers, which nothing can cancel.
        "asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)",
        "threading.Thread(target=time.sleep, args=(60,)).start()",
    ],
    ids=["executor", "thread"],
)
def test_leave__work_left_in_threads__is_not_waited_for(left: str) -> None:
    process = start(left)
    began = time.monotonic()
    process.communicate(timeout=30)
    assert process.returncode == 3
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("busy", ["await asyncio.sleep(60)", "for _ in iter(int, 1): pass"], ids=["waiting", "busy"])
def test_on_signals__what_does_not_end__is_ended_and_shown(busy: str) -> None:
    process = start("shutdown.on_signals(print, within_seconds=0.2)", busy)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert "Timeout" in errors
    assert "in run" in errors
    assert process.returncode == 1


def test_on_signals__second_signal__ends_at_once() -> None:
    process = start(
        "shutdown.on_signals(lambda number: print(number.name, flush=True), within_seconds=60)",
        "await asyncio.sleep(60)",
    )
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "SIGINT\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT

"""The feeds' command line: exit codes and messages, and never a traceback."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.servers import NatsServer
from realtime_runtime.command_line import main
from tests.feeds.responder import Responder
from tests.feeds.test_replay import write_lines
from tests.piped_process import start_piped
from tests.waiting import eventually

COMMAND = [sys.executable, "-m", "realtime_runtime", "feed"]


def start(server: NatsServer, topic: str, *arguments: str) -> subprocess.Popen[str]:
    environ = os.environ | {"NATS_URL": server.url, "NATS_CONSUMER_TOPIC": topic}
    return start_piped([*COMMAND, *arguments], environ, stderr=subprocess.STDOUT)


async def finish(process: subprocess.Popen[str]) -> str:
    """What a process wrote that ends; one that does not is killed, and what it wrote is told."""
    assert process.stdout is not None
    with process.stdout:
        try:
            await eventually(lambda: process.poll() is not None)
        except AssertionError:
            process.kill()
            raise AssertionError(f"it did not end; it wrote: {process.stdout.read()}") from None
        return process.stdout.read()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "no-such-file.jsonl"], "no-such-file.jsonl: No such file or directory"),
        (["replay", "."], ".: Is a directory"),
        (["replay"], "FILE"),
        (["replay", "x", "--speed", "fast"], "must be a number between 0.01 and 1000, not 'fast'"),
        (["replay", "x", "--speed", "nan"], "must be a number between"),
        (["replay", "x", "--replicas", "0"], "must be a whole number from 1"),
        (["simulate", "--rate", "9999"], "must be at most 500"),
        (["simulate", "--nats-url", "localhost"], "must be a URL that starts with nats://"),
        (["simulate", "--topic", "two words"], "must be a NATS subject"),
        (["telepathy"], "telepathy"),
    ],
)
def test_feed__wrong_usage__exits_2_and_names_it(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["feed", *arguments])
    except SystemExit as exit_of_argparse:
        code = exit_of_argparse.code
    assert code == 2
    assert message in capsys.readouterr().err


async def test_feed_replay__unreadable_lines__are_named_and_exit_1(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "day.jsonl", 20)
    path.write_text(path.read_text() + "oops\n")
    async with Responder(nats_server.url, nats_subject) as runtime:
        process = start(nats_server, nats_subject, "replay", str(path), "--speed", "max")
        output = await finish(process)
    assert process.returncode == 1
    assert f"unreadable: {path}:21: not a market message" in output
    assert "21 lines, 20 published, 1 unreadable" in output
    assert "Traceback" not in output
    assert len(runtime.payloads) == 20


@pytest.mark.parametrize(
    ("arguments", "code"), [(("replay", "FILE", "--loop"), 130), (("simulate",), 0)], ids=["replay", "simulate"]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_feed__interrupted__ends_cleanly(
    arguments: tuple[str, ...],
    code: int,
    number: signal.Signals,
    nats_server: NatsServer,
    nats_subject: str,
    tmp_path: Path,
) -> None:
    path = write_lines(tmp_path / "day.jsonl", 1_000)
    async with Responder(nats_server.url, nats_subject) as runtime:
        process = start(nats_server, nats_subject, *(str(path) if word == "FILE" else word for word in arguments))
        await eventually(lambda: len(runtime.payloads) > 20)
        process.send_signal(number)
        output = await finish(process)
    assert process.returncode == code
    assert "Traceback" not in output


async def test_feed_replay__stay__waits_to_be_stopped_and_keeps_its_code(
    nats_server: NatsServer, nats_subject: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "day.jsonl", 5)
    async with Responder(nats_server.url, nats_subject):
        process = start(nats_server, nats_subject, "replay", str(path), "--speed", "max", "--stay")
        assert process.stdout is not None
        lines = []
        while not lines or "waiting to be stopped" not in lines[-1]:
            lines.append(await asyncio.to_thread(process.stdout.readline))
            assert lines[-1]
        process.send_signal(signal.SIGTERM)
        await finish(process)
    assert process.returncode == 0


async def test_feed_simulate__nats_comes_later_and_restarts__goes_on(fresh_nats: NatsServer, nats_subject: str) -> None:
    fresh_nats.stop()
    process = start(fresh_nats, nats_subject, "simulate", "--rate", "50")
    for _ in range(2):
        fresh_nats.start()
        async with Responder(fresh_nats.url, nats_subject) as runtime:
            await eventually(lambda: len(runtime.payloads) > 20)  # noqa: B023 - awaited within the same turn
        fresh_nats.stop()
    process.send_signal(signal.SIGTERM)
    output = await finish(process)
    assert "Traceback" not in output
    assert "trying again" in output
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("NATS_URL", "localhost", "must be a URL that starts with nats://"),
        ("NATS_CONSUMER_TOPIC", "a..b", "must be a NATS subject"),
    ],
)
def test_feed__unusable_variable__exits_2_and_names_it(
    name: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["feed", "simulate"]) == 2
    assert f"{name} {problem}" in capsys.readouterr().err

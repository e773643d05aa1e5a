"""The runtime as a real process: signals, exit codes, sudden death, what it imports."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from embedded.servers import NatsServer, Valkey, free_port
from realtime_runtime.command_line import main
from realtime_runtime.config import snapshot
from tests.clean_environment import clean_environment
from tests.piped_process import start_piped
from tests.runtime.conftest import Environ
from tests.runtime.market import Market
from tests.runtime.site import Site
from tests.waiting import eventually

COMMAND = (sys.executable, "-m", "realtime_runtime", "run")
SKEW = "orderbook_skew"
STRANGERS = ("django", "rest_framework", "celery", "configsite", "strategy_config")


@asynccontextmanager
async def runtime_process(environ: Environ) -> AsyncIterator[asyncio.subprocess.Process]:
    """A runtime that is ready; killed at the end where the test has not ended it."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, env={**clean_environment(), **environ}, stdout=asyncio.subprocess.PIPE
    )
    try:
        await eventually(lambda: _answer(environ, "/ready") if process.returncode is None else "it has ended")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _answer(environ: Environ, path: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{environ['HEALTH_CHECK_PORT']}{path}", timeout=5) as answer:
            body: dict[str, Any] = json.load(answer)
            return body
    except (urllib.error.URLError, ConnectionError):
        return None


def _halt(environ: Environ) -> dict[str, Any]:
    """What the runtime answers to a halt of everything over its own port."""
    url = f"http://127.0.0.1:{environ['HEALTH_CHECK_PORT']}/halt"
    request = urllib.request.Request(url, data=b"{}", headers={"X-Halt-Secret": environ["HALT_SECRET"]})
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  (http, of this test)
        body: dict[str, Any] = json.load(answer)
        return body


@pytest.fixture
def own_port(shared_servers: Environ) -> Environ:
    return shared_servers | {"HEALTH_CHECK_PORT": str(free_port())}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal__to_a_running_process__ends_in_good_order(own_port: Environ, number: signal.Signals) -> None:
    async with runtime_process(own_port) as process:
        process.send_signal(number)
        output, _ = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0
        events = [json.loads(line)["event"] for line in output.splitlines()]
        assert events[0] == "runtime.starting"
        assert events[-1] == "runtime.stopped"


async def test_signal__a_second_one__ends_at_once(
    environ: Environ, valkey: Valkey, fresh_nats: NatsServer, site: Site
) -> None:
    variables = environ | {
        "REDIS_URL": valkey.url,
        "NATS_URL": fresh_nats.url,
        "HEALTH_CHECK_PORT": str(free_port()),
        "LOG_LEVEL": "INFO",
    }
    await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    async with runtime_process(variables) as process:
        market = await Market.connect(variables)
        await market.turn()
        await eventually(lambda: market.signals)
        # Frozen, the server confirms nothing: the orderly end would take some seconds.
        fresh_nats.pause()
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        while b"runtime.stopping" not in await process.stdout.readline():
            continue
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 128 + signal.SIGTERM
        fresh_nats.resume()
        await market.close()


async def test_signal__while_every_server_hangs__ends_within_ten_seconds(
    environ: Environ, fresh_valkey: Valkey, fresh_nats: NatsServer, redis_prefix: str
) -> None:
    port = {"HEALTH_CHECK_PORT": str(free_port())}
    variables = environ | port | {"REDIS_URL": fresh_valkey.url, "NATS_URL": fresh_nats.url}
    async with runtime_process(variables) as process:
        fresh_valkey.pause()
        fresh_nats.pause()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0


async def test_process__killed_and_started_with_redis_down__trades_on_the_last_good_snapshot(
    environ: Environ, fresh_valkey: Valkey, nats_server: NatsServer, redis_prefix: str
) -> None:
    variables = environ | {
        "REDIS_URL": fresh_valkey.url,
        "NATS_URL": nats_server.url,
        "HEALTH_CHECK_PORT": str(free_port()),
    }
    site, path = Site(fresh_valkey.url, redis_prefix), Path(variables["CONFIG_SNAPSHOT_PATH"])
    async with runtime_process(variables) as process:
        await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
        await eventually(lambda: (saved := snapshot.read(path, prefix=redis_prefix)) and saved.sequence == 1)
        process.kill()
        await process.wait()
    fresh_valkey.kill()
    async with runtime_process(variables):
        market = await Market.connect(variables)

        async def signals_after_a_turn() -> bool:
            await market.turn()
            return bool(market.signals)

        await eventually(signals_after_a_turn)
        assert market.signals[0]["metadata"]["config"]["sequence"] == 1
        ready = _answer(variables, "/ready")
        assert ready is not None
        assert ready["status"] == "degraded"
        await market.close()
    await site.close()


@pytest.mark.parametrize("is_redis_back", [False, True])
async def test_process__halted_and_killed__stays_halted_whatever_redis_knows(
    environ: Environ, fresh_valkey: Valkey, nats_server: NatsServer, redis_prefix: str, is_redis_back: bool
) -> None:
    variables = environ | {
        "REDIS_URL": fresh_valkey.url,
        "NATS_URL": nats_server.url,
        "HEALTH_CHECK_PORT": str(free_port()),
        "HALT_SECRET": "a secret for this test",
    }
    site = Site(fresh_valkey.url, redis_prefix)
    async with runtime_process(variables) as process:
        await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
        market = await Market.connect(variables)

        async def signals_after_a_turn() -> bool:
            await market.turn()
            return bool(market.signals)

        await eventually(signals_after_a_turn)
        fresh_valkey.kill()
        halted = await asyncio.to_thread(_halt, variables)
        assert halted["is_kept"] is True
        process.kill()
        await process.wait()
    if is_redis_back:
        fresh_valkey.start()
        await site.redis.connection_pool.disconnect()
        await site.set_layer(SKEW, min_signal_interval_seconds=0.0)
    market.signals.clear()
    async with runtime_process(variables):
        await eventually(lambda: (_answer(variables, "/ready") or {}).get("status") in {"ok", "degraded"})
        progress = (await market.progress())["processed"]
        await market.turn()
        assert (await market.progress())["processed"] == progress + 2
        await market.client.flush()
        assert market.signals == []
        if is_redis_back:
            await eventually(lambda: site.redis.exists(site.keys.told_halts))
    await market.close()
    await site.close()


def test_start__with_unusable_infrastructure_variables__names_each_and_exits_2(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = {"REDIS_URL": "http://user:secret@host", "HEALTH_CHECK_PORT": "high", "RUNTIME_REPLICAS": "0"}
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    assert main(["run"]) == 2
    said = capfd.readouterr().err
    assert {line.split()[0] for line in said.splitlines()} == set(bad)
    assert "secret" not in said


def test_start__on_a_port_in_use__exits_1_and_says_so(own_port: Environ) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", int(own_port["HEALTH_CHECK_PORT"])))  # noqa: S104 - where the runtime listens
        taken.listen()
        ended = subprocess.run(COMMAND, env=clean_environment() | own_port, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "address already in use" in ended.stdout
    assert "Traceback" not in ended.stdout
    assert '"frames"' not in ended.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_start__ended_while_it_imports__shows_no_traceback(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "structlog.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    process = start_piped(COMMAND, clean_environment() | {"PYTHONPATH": str(tmp_path)})
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(number)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 128 + number


def test_help__of_the_command_line__shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "python -m realtime_runtime run" in said
    assert "feed replay" in said


def test_import__of_the_whole_runtime__knows_no_django() -> None:
    script = (
        "import pkgutil, importlib, sys\n"
        "for package in ('realtime_runtime', 'strategy_core', 'service_kit'):\n"
        "    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    ended = subprocess.run(
        (sys.executable, "-c", script), env=clean_environment(), capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(ended.stdout.split())
    assert "realtime_runtime" in loaded
    assert loaded.isdisjoint(STRANGERS)

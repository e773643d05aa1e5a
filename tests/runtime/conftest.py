"""Fixtures of the runtime's tests: a site that publishes, a client that follows it, a whole running app."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from embedded.servers import NatsServer, Valkey
from realtime_runtime import settings
from realtime_runtime.app import App
from realtime_runtime.config.client import ConfigClient
from realtime_runtime.config.documents import Catalogue
from realtime_runtime.config.state import LiveConfig
from realtime_runtime.halts.halts_in_force import HaltsInForce
from tests.runtime.site import Site
from tests.waiting import PATIENCE_SECONDS

Environ = dict[str, str]
RunningApp = Callable[[Environ], AbstractAsyncContextManager[App]]
RunningClient = Callable[..., AbstractAsyncContextManager[ConfigClient]]


async def get_json(app: App, path: str) -> tuple[int, Any]:
    """Status and body of one of the app's service endpoints."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{app.health.port}{path}") as response,
    ):
        return response.status, json.loads(await response.read())


@pytest.fixture
def environ(redis_prefix: str, nats_subject: str, tmp_path: Path) -> Environ:
    """The environment of a runtime of this test's own; the URLs of the servers are added by the fixtures below."""
    return {
        "REDIS_KEY_PREFIX": redis_prefix,
        "NATS_CONSUMER_TOPIC": f"{nats_subject}.data",
        "NATS_TOPIC_INTENTS": f"{nats_subject}.intents",
        "CONFIG_SNAPSHOT_PATH": str(tmp_path / "snapshot.json"),
        "HEALTH_CHECK_PORT": "0",
        "HEARTBEAT_INTERVAL_SECONDS": "0.2",
        "COLD_START_WAIT_SECONDS": "0",
    }


@pytest.fixture
def shared_servers(environ: Environ, valkey: Valkey, nats_server: NatsServer) -> Environ:
    """The environment with the session's servers."""
    return environ | {"REDIS_URL": valkey.url, "NATS_URL": nats_server.url}


@pytest.fixture
async def site(valkey: Valkey, redis_prefix: str) -> AsyncIterator[Site]:
    """A site on the session's Valkey."""
    publisher = Site(valkey.url, redis_prefix)
    yield publisher
    await publisher.close()


@pytest.fixture
def running_app() -> RunningApp:
    """Runs a whole app in this process; at the end it is stopped and must have ended in good order."""

    @asynccontextmanager
    async def run(variables: Environ) -> AsyncIterator[App]:
        app = App(settings.read(variables))
        task = asyncio.create_task(app.run(), name="app")
        await asyncio.wait({task, asyncio.ensure_future(app.started.wait())}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield app
        finally:
            app.stop()
            await asyncio.wait_for(task, PATIENCE_SECONDS)

    return run


@pytest.fixture
def running_client(redis_prefix: str, tmp_path: Path) -> RunningClient:
    """Runs a configuration client alone, with its tasks."""

    @asynccontextmanager
    async def run(
        url: str, *, ttl_seconds: float = 60.0, path: Path | None = None, **cold_start: Any
    ) -> AsyncIterator[ConfigClient]:
        configured = settings.read({})
        live = LiveConfig(Catalogue(configured.strategies, configured.strategy_environment))
        halting = HaltsInForce(live.active, tmp_path / "halts.json", instance_id="tested", drop_waiting=int)
        halting.load()
        client = ConfigClient(
            live,
            redis_url=url,
            prefix=redis_prefix,
            instance_id="tested",
            ttl_seconds=ttl_seconds,
            snapshot_path=path or tmp_path / "snapshot.json",
            halting=halting,
            **cold_start,
        )
        client.load_snapshot()
        tasks = [
            asyncio.create_task(coroutine) for coroutine in (client.run(), client.run_expiry(), client.run_snapshots())
        ]
        await client.attempted.wait()
        cold = asyncio.create_task(client.run_cold_start())
        try:
            yield client
        finally:
            cold.cancel()
            await asyncio.wait({cold})
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in ended)

    return run

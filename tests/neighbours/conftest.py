"""One installation for the whole suite: site, runtime and servers, as where the neighbours come without a token."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import nats
import pytest
import redis
from nats.aio.client import Client
from nats.aio.msg import Msg

from embedded.servers import NatsServer, Valkey
from strategy_core.configuration.redis_keys import Keys
from tests.faults.processes import RuntimeProcess
from tests.live_site import LiveSite
from tests.neighbours.readers import Envelope
from tests.waiting import eventually

PREFIX = "neighbours"
MARKET, INTENTS = "binance.websocket.data", "cio.intent.trading"
STRATEGIES = "/api/v1/strategies"
_numbers = count(1)


@dataclass(frozen=True)
class Neighbourhood:
    """What the neighbours reach: the site over HTTP, everything else over NATS."""

    site: LiveSite
    runtime: RuntimeProcess
    nats: NatsServer

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request without credentials, as most of them send it."""
        return self.site.request(method, path, token=None, **options)

    def envelope(self, method: str, path: str, **options: Any) -> Envelope:
        """The same, of the configuration API; the answer's status is 200."""
        response = self.ask(method, path, **options)
        assert response.status_code == 200, response.text
        return Envelope.model_validate_json(response.content)

    def layer(self, strategy_id: str, symbol: str | None = None) -> dict[str, Any]:
        """A layer as the site has it."""
        path = f"{STRATEGIES}/{strategy_id}/config" + (f"/{symbol}" if symbol else "")
        data: dict[str, Any] = self.ask("GET", path).json()["data"]
        return data


class SocketClient:
    """The neighbour that publishes the market: one subject, one envelope, no headers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def publish(self, stream: str, **data: Any) -> None:
        """Publish what came over a stream of the exchange."""
        message = {
            "stream": stream,
            "data": data,
            "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat() + "Z",
            "message_id": None,
            "source": "binance-websocket",
            "version": "1.0",
        }
        await self._client.publish(MARKET, json.dumps(message).encode())
        await self._client.flush()

    async def lean(self, symbol: str) -> None:
        """A balanced book, then one that leans to the bids: what orderbook_skew buys on."""
        for bid_quantity in ("1", "9"):
            await self.publish(
                f"{symbol.lower()}@depth20@100ms",
                e="depthUpdate",
                E=int(time.time() * 1000),
                s=symbol,
                b=[["100.00", bid_quantity]],
                a=[["100.01", "1"]],
            )
            await asyncio.sleep(0.002)  # The next book has another time.


@pytest.fixture(scope="session")
def neighbourhood(
    prepared_site: LiveSite, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Neighbourhood]:
    """Site and runtime on the default subjects, with orderbook_skew free to decide as often as it likes."""
    folder = tmp_path_factory.mktemp("neighbourhood")
    with NatsServer(folder / "nats") as server:
        site = LiveSite(
            folder / "site",
            redis_url=valkey.url,
            prefix=PREFIX,
            prepared=(prepared_site.store, prepared_site.tokens),
            environment={"API_ANONYMOUS": "write"},
        )
        environment = {"REDIS_URL": valkey.url, "REDIS_KEY_PREFIX": PREFIX, "NATS_URL": server.url}
        try:
            site.start()
            # As the worker does at its start: a runtime that finds nothing waits for it.
            assert site.post(f"{STRATEGIES}/cache/refresh").json()["success"]
            with RuntimeProcess(environment, folder) as runtime:
                deadline = time.monotonic() + 60
                while runtime.status() is None:
                    assert time.monotonic() < deadline, runtime.log_path.read_text()
                    time.sleep(0.05)
                yield Neighbourhood(site, runtime, server)
                runtime.end()
        finally:
            site.stop()


@pytest.fixture
def symbol() -> str:
    """A symbol that no other test uses."""
    return f"NB{next(_numbers):03}USDT"


@pytest.fixture
def store(neighbourhood: Neighbourhood) -> Iterator[tuple[redis.Redis, Keys]]:
    """The installation's Redis, for what runtimes would put there."""
    with redis.Redis.from_url(neighbourhood.site.redis_url) as client:
        yield client, Keys(PREFIX)


@pytest.fixture
def in_force(neighbourhood: Neighbourhood) -> Callable[[], None]:
    """Returns when the runtime has taken in all that the site has accepted."""

    def wait() -> None:
        latest = neighbourhood.ask("GET", "/api/v1/config/changes").json()["metadata"]["latest"]
        deadline = time.monotonic() + 60
        while neighbourhood.runtime.sequence() != latest:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    return wait


@dataclass
class Subscriber:
    """What came on a subject, oldest first."""

    client: Client
    messages: list[Msg]

    def of(self, symbol: str) -> list[Msg]:
        """Those on one symbol."""
        return [message for message in self.messages if json.loads(message.data)["symbol"] == symbol]


@pytest.fixture
async def subscriber(neighbourhood: Neighbourhood) -> AsyncIterator[Subscriber]:
    """Reads `cio.intent.trading.>`, as the CIO and the audit trail of intents do."""
    found: list[Msg] = []

    async def take(message: Msg) -> None:
        found.append(message)

    client = await nats.connect(neighbourhood.nats.url)
    await client.subscribe(f"{INTENTS}.>", cb=take)
    await client.flush()
    yield Subscriber(client, found)
    await client.close()


@pytest.fixture
def socket_client(subscriber: Subscriber) -> SocketClient:
    """Publishes on the subscriber's connection."""
    return SocketClient(subscriber.client)


@pytest.fixture
async def signals_of(
    neighbourhood: Neighbourhood,
    in_force: Callable[[], None],
    subscriber: Subscriber,
    socket_client: SocketClient,
) -> Callable[[str], Any]:
    """Trades on a symbol until orderbook_skew has decided: the messages that came of it."""

    async def decide(symbol: str) -> list[Msg]:
        body = {"parameters": {"min_signal_interval_seconds": 0}, "changed_by": "tests"}
        assert neighbourhood.ask("PATCH", f"{STRATEGIES}/orderbook_skew/config/{symbol}", json=body).json()["success"]
        await asyncio.to_thread(in_force)

        async def has_decided() -> list[Msg]:
            await socket_client.lean(symbol)
            return subscriber.of(symbol)

        found: list[Msg] = await eventually(has_decided)
        return found

    return decide

"""Market messages that make a strategy decide, and a market that publishes them and collects signals."""

import json
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from realtime_runtime.app import App
from realtime_runtime.standby.share import Role
from tests.runtime.conftest import Environ
from tests.waiting import eventually

REPLAY = {"Replay": "1"}
START_MS = 1_700_000_000_000


def depth(symbol: str, *, bid_quantity: float, time_ms: int, **members: Any) -> bytes:
    """A futures book around 100 with a tight spread; asks of 1 in all. ``members`` of the envelope come on top."""
    return json.dumps(
        {
            **members,
            "stream": f"{symbol.lower()}@depth20@100ms",
            "data": {
                "e": "depthUpdate",
                "E": time_ms,
                "s": symbol,
                "b": [["100.00", str(bid_quantity)]],
                "a": [["100.01", "1"]],
            },
        }
    ).encode()


class Market:
    """Publishes to the runtime's topic. Each ``turn`` makes ``orderbook_skew`` buy once, where its interval is 0."""

    def __init__(self, client: Client, topic: str) -> None:
        self.client = client
        self.signals: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self._topic = topic
        self._time_ms = START_MS

    @classmethod
    async def connect(cls, environ: Environ) -> "Market":
        """Connect and listen for the signals of ``orderbook_skew``."""
        client = await nats.connect(environ["NATS_URL"], max_reconnect_attempts=-1, reconnect_time_wait=0.05)
        market = cls(client, environ["NATS_CONSUMER_TOPIC"])
        await client.subscribe(f"{environ['NATS_TOPIC_INTENTS']}.orderbook_skew", cb=market._take_signal)
        await client.flush()
        return market

    async def turn(self, symbol: str = "BTCUSDT", **members: Any) -> None:
        """A balanced book, then one that leans to the bids."""
        for bid_quantity in (1.0, 9.0):
            self._time_ms += 1_000
            payload = depth(symbol, bid_quantity=bid_quantity, time_ms=self._time_ms, **members)
            await self.client.publish(self._topic, payload, headers=REPLAY)
        await self.client.flush()

    async def progress(self) -> dict[str, Any]:
        """What the runtime answers to an empty message: its totals."""
        answer = await self.client.request(self._topic, b"", timeout=10)
        totals: dict[str, Any] = json.loads(answer.data)
        return totals

    async def close(self) -> None:
        await self.client.close()

    async def _take_signal(self, message: Msg) -> None:
        self.signals.append(json.loads(message.data))
        self.ids.append((message.headers or {}).get("Nats-Msg-Id", ""))


async def is_listening(app: App) -> None:
    """Return when the app's subscriptions stand on the server, and it is known who trades its share."""
    await eventually(lambda: app.runtime.bus.is_subscribed and app.runtime.standby.keeper.role is not Role.UNDECIDED)

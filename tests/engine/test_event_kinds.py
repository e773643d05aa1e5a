"""A kind of event is one declaration and its decoder: a toy kind goes from NATS to a signal, and into every count."""

import asyncio
import inspect
from typing import Any, get_type_hints

import msgspec
import nats
import pytest

from embedded.servers import NatsServer
from realtime_runtime.messaging.bus import Bus
from realtime_runtime.messaging.intake import Intake
from service_kit.cancellation import cancel
from strategy_core.engine.active import ActiveConfig, ActiveConfigs
from strategy_core.engine.engine import Engine
from strategy_core.market.book import Book
from strategy_core.market.event_kinds import DEPTH, EVENT_KINDS, EventKind, EventKinds, ObservationKind, StreamKind
from strategy_core.market.messages import Milliseconds, Price
from strategy_core.strategies.base import Decision, Decisions, Parameters, Strategy
from strategy_core.strategies.registry import STRATEGIES
from tests.engine.builders import NOW_MS, envelope, trade
from tests.waiting import eventually


class Funding(msgspec.Struct):
    """The toy observation."""

    symbol: str
    rate: float
    time_ms: Milliseconds = msgspec.field(name="ts")
    source: str = ""


class Liquidation(msgspec.Struct):
    """The toy event of a stream."""

    price: Price = msgspec.field(name="p")
    symbol: str = msgspec.field(name="s", default="")
    time_ms: Milliseconds = msgspec.field(name="E", default=0)


class Contrarian(Strategy[Parameters]):
    """Buys at every toy event."""

    __slots__ = ()

    id = "contrarian"
    name = "Contrarian"
    parameters = Parameters

    def on_funding(self, funding: Funding, parameters: Parameters) -> Decisions:
        return (Decision("buy", 0.7, self.market.last_price, "funding", {"rate": funding.rate}),)

    def on_liquidation(self, liquidation: Liquidation, parameters: Parameters) -> Decisions:
        return (Decision("buy", 0.7, liquidation.price, "liquidation", {}),)


FUNDING = ObservationKind(
    name="funding",
    message=Funding,
    words="funding rates",
    topic="market.funding",
    has_parts=True,
    symbol_of=lambda funding: str(funding.symbol),
)
LIQUIDATION = StreamKind(
    name="liquidation", message=Liquidation, words="liquidations", stream_types=frozenset({"forceOrder"})
)
KINDS = EventKinds((*EVENT_KINDS.streams, LIQUIDATION), (*EVENT_KINDS.observations, FUNDING))


def toy_engine() -> Engine:
    config = ActiveConfigs({("contrarian", None): ActiveConfig(True, Parameters(), 0, 0, 0)})
    strategies = {"contrarian": Contrarian}
    return Engine(strategies, config, owns_symbol=lambda symbol: True, message_ttl_ms=60_000, kinds=KINDS)


def test_new_observation__declared_once__reaches_strategies_and_counts() -> None:
    engine = toy_engine()
    times: dict[str, Any] = {"received_ms": NOW_MS, "is_replay": False}
    body = b'{"symbol":"BTCUSDT","rate":0.01,"ts":%d}' % NOW_MS

    assert not engine.observation(FUNDING, body, **times)
    engine.market(trade(price="60000"), **times)
    (signal,) = engine.observation(FUNDING, body, **times)

    assert (signal.symbol, signal.metadata["decision"], signal.metadata["rate"]) == ("BTCUSDT", "funding", 0.01)
    assert (engine.counters.decoded["funding"], engine.counters.without_market["funding"]) == (2, 1)
    assert {("funding", "untimely"), ("funding", "implausible")} <= engine.counters.set_aside().keys()


def test_new_stream_kind__declared_once__reaches_strategies_and_counts() -> None:
    engine = toy_engine()
    message = envelope("btcusdt@forceOrder", {"p": "60000", "s": "BTCUSDT", "E": NOW_MS})

    (signal,) = engine.market(message, received_ms=NOW_MS, is_replay=False)

    assert signal.metadata["decision"] == "liquidation"
    assert (engine.counters.decoded["liquidation"], engine.counters.unused) == (1, {})


async def test_new_observation__declared_once__is_subscribed_to(nats_server: NatsServer, nats_subject: str) -> None:
    intake = Intake(10)
    bus = Bus(intake, url=nats_server.url, name="tested", topic=nats_subject, observations=KINDS.observations)
    running = asyncio.create_task(bus.run())
    await eventually(lambda: bus.is_subscribed)
    client = await nats.connect(nats_server.url)
    await client.publish(FUNDING.subject("BTCUSDT"), nats_subject.encode())
    await client.flush()

    def own() -> list[ObservationKind | None]:
        return [each.observation for each in intake.messages if each.payload == nats_subject.encode()]

    await eventually(lambda: own() == [FUNDING])
    await client.close()
    await bus.close()
    await cancel([running])


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_strategy__reads_kinds_that_are_declared__as_the_type_that_they_have(strategy: type[Strategy[Any]]) -> None:
    events: dict[str, type] = {kind.method: kind.message for kind in EVENT_KINDS.every} | {DEPTH.method: Book}
    methods = {name: method for name, method in vars(strategy).items() if name.startswith("on_")}

    assert methods
    for name, method in methods.items():
        event = list(inspect.signature(method).parameters)[1]
        assert get_type_hints(method)[event] is events[name], name


@pytest.mark.parametrize("kind", EVENT_KINDS.every, ids=lambda kind: kind.name)
def test_kind__that_is_declared__is_read_by_a_strategy(kind: EventKind) -> None:
    assert any(kind.is_read_by(strategy) for strategy in STRATEGIES.values())

"""The simulated market shows every strategy its case, and is the same for the same seed."""

from collections import defaultdict
from functools import partial
from itertools import takewhile
from typing import Any

import msgspec
import pytest

from realtime_runtime.feeds.simulated.regimes import EPISODES, SYMBOLS, Regime, active_episode
from realtime_runtime.feeds.simulated.simulated_market import FeedMessage, simulated_market
from strategy_core.engine.active import ActiveConfig, ActiveConfigs
from strategy_core.engine.engine import Engine
from strategy_core.engine.signals import Signal
from strategy_core.market.event_kinds import EVENT_KINDS
from strategy_core.strategies.registry import STRATEGIES

START_MS = 1_700_000_000_000
TOPIC = "market.data"


def market(seconds: float, *, seed: int = 1, topic: str = TOPIC, rate: int = 10) -> list[FeedMessage]:
    messages = simulated_market(seed=seed, start_ms=START_MS, topic=topic, snapshots_per_second=rate)
    return list(takewhile(lambda message: message.time_ms < START_MS + seconds * 1000, messages))


def play(messages: list[FeedMessage]) -> tuple[Engine, list[Signal]]:
    """All strategies with their default parameters; ``make run`` switches the one that is off by default on too."""
    layers = {(name, None): ActiveConfig(True, kind.parameters(), 0, 0, 0) for name, kind in STRATEGIES.items()}
    engine = Engine(STRATEGIES, ActiveConfigs(layers), owns_symbol=lambda symbol: True, message_ttl_ms=60_000)
    takers = {
        TOPIC: engine.market,
        **{kind.topic: partial(engine.observation, kind) for kind in EVENT_KINDS.observations},
    }
    signals: list[Signal] = []
    for message in messages:
        take: Any = takers[".".join(message.subject.split(".")[:2])]
        signals += take(message.payload, received_ms=message.time_ms, is_replay=True)
    return engine, signals


@pytest.mark.parametrize("seed", [1, 20])
def test_simulated_market__three_minutes__every_strategy_fires(seed: int) -> None:
    engine, signals = play(market(180, seed=seed))
    assert {signal.strategy_id for signal in signals} == set(STRATEGIES)
    assert set(engine.counters.set_aside().values()) == {0}
    assert (engine.counters.errors, engine.counters.strategy_errors, engine.counters.unpriced) == (0, {}, {})
    assert {signal.metadata["source"] for signal in signals} == {"simulated"}


def test_simulated_market__same_seed__same_bytes() -> None:
    assert market(20, seed=5) == market(20, seed=5)
    assert market(20, seed=5) != market(20, seed=6)


def test_simulated_market__any_message__says_that_it_is_simulated() -> None:
    assert {msgspec.json.decode(message.payload)["source"] for message in market(6)} == {"simulated"}


def test_simulated_market__its_streams__are_those_of_the_exchange() -> None:
    streams = defaultdict(set)
    for message in market(30):
        if message.subject == TOPIC:
            symbol, _, kind = msgspec.json.decode(message.payload)["stream"].partition("@")
            streams[kind].add(symbol.upper())
    assert streams == {kind: set(SYMBOLS) for kind in ("depth20@100ms", "trade", "ticker")}


def test_simulated_market__topic_with_a_wildcard__has_one_subject_a_symbol() -> None:
    subjects = {message.subject for message in market(2, topic="md.>") if message.subject.startswith("md")}
    assert subjects == {f"md.{symbol}" for symbol in SYMBOLS}


def test_simulated_market__event_times__rise_and_are_never_ahead() -> None:
    latest: dict[str, int] = {}
    for message in market(30):
        event_ms = msgspec.json.decode(message.payload)["ts"]
        assert latest.get(message.subject, 0) <= event_ms <= message.time_ms
        latest[message.subject] = event_ms


def test_simulated_market__dominance__covers_more_than_a_day_in_three_minutes() -> None:
    times = [
        msgspec.json.decode(message.payload)["ts"] for message in market(180) if message.subject == "market.dominance"
    ]
    assert times[-1] - times[0] > 24 * 3600 * 1000


@pytest.mark.parametrize("rate", [1, 7, 50])
def test_simulated_market__another_rate__sends_as_many_books(rate: int) -> None:
    books = [message for message in market(10, rate=rate) if b"@depth20" in message.payload[:40]]
    assert len(books) == 10 * rate * len(SYMBOLS)
    engine, _ = play(market(10, rate=rate))
    assert engine.counters.errors == 0


def test_episodes__on_one_symbol__never_overlap() -> None:
    for symbol in range(len(SYMBOLS)):
        spans = sorted((e.start, e.start + e.seconds) for e in EPISODES if e.symbol == symbol)
        assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))


def test_active_episode__next_cycle__moves_to_the_next_symbol_and_turns() -> None:
    first, second = active_episode("BTCUSDT", 13.0), active_episode("ETHUSDT", 193.0)
    assert first is not None
    assert second is not None
    assert (first.regime, first.direction) == (Regime.IMBALANCE, 1)
    assert (second.regime, second.direction) == (Regime.IMBALANCE, -1)
    assert active_episode("BTCUSDT", 30.0) is None

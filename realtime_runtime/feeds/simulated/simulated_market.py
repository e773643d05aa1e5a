"""The simulated market of six symbols as one stream of messages. Every message says that it is simulated.

Pure: nothing here reads a clock, and the same seed, start and rate give the same bytes. What happens when stands in
``regimes``.
"""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any, NamedTuple

import msgspec

from realtime_runtime.feeds.publishing import subject_for
from realtime_runtime.feeds.simulated.observations import (
    CHAIN_INTERVAL_MS,
    DOMINANCE_INTERVAL_MS,
    chain_activity,
    dominance,
    exchange_prices,
    observation_time,
)
from realtime_runtime.feeds.simulated.regimes import SYMBOLS, Regime, active_episode
from realtime_runtime.feeds.simulated.simulated_symbol import Listing, SimulatedSymbol

SOURCE = "simulated"
PRICE_INTERVAL_MS = 1_000
TICKER_INTERVAL_MS = 1_000

_PRICES = (
    (97_000.0, 5.0, 2),
    (3_400.0, 0.2, 2),
    (690.0, 0.04, 2),
    (190.0, 0.01, 2),
    (2.4, 0.0001, 4),
    (0.95, 0.0001, 4),
)
LISTINGS = tuple(Listing(symbol, *price) for symbol, price in zip(SYMBOLS, _PRICES, strict=True))


class FeedMessage(NamedTuple):
    """A message to publish, and the time at which it is due: Unix milliseconds of the market's own clock."""

    time_ms: int
    subject: str
    payload: bytes


def simulated_market(*, seed: int, start_ms: int, topic: str, snapshots_per_second: int = 10) -> Iterator[FeedMessage]:
    """Yield the market's messages for ever, in order of time.

    Each symbol sends ``snapshots_per_second`` books (the exchange: 10), about half as many trades, and a ticker each
    second; other exchanges quote each second.
    """
    # A generator for the market's chances, not for secrets.
    random = Random(seed)  # noqa: S311
    symbols = {listing.symbol: SimulatedSymbol(listing, random) for listing in LISTINGS}
    elapsed_ms, before_ms = 0, -1
    for tick in count(1):
        time_ms = start_ms + elapsed_ms
        for subject, message in _observations(random, symbols, elapsed_ms, before_ms, start_ms):
            message["source"] = SOURCE
            yield FeedMessage(time_ms, subject, msgspec.json.encode(message))
        for name, symbol in symbols.items():
            subject = subject_for(topic, name)
            episode = active_episode(name, elapsed_ms / 1000)
            for stream, data in symbol.snapshot(episode, (elapsed_ms - before_ms) / 1000, time_ms):
                yield FeedMessage(time_ms, subject, _envelope(stream, data, time_ms))
            if _is_due(elapsed_ms, before_ms, TICKER_INTERVAL_MS):
                yield FeedMessage(time_ms, subject, _envelope(*symbol.ticker(time_ms), time_ms))
        elapsed_ms, before_ms = tick * 1000 // snapshots_per_second, elapsed_ms


def _observations(
    random: Random, symbols: dict[str, SimulatedSymbol], elapsed_ms: int, before_ms: int, start_ms: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    observed_ms = observation_time(start_ms, elapsed_ms)
    elapsed = elapsed_ms / 1000
    if _is_due(elapsed_ms, before_ms, DOMINANCE_INTERVAL_MS):
        yield dominance(random, elapsed, observed_ms)
    if _is_due(elapsed_ms, before_ms, CHAIN_INTERVAL_MS):
        yield from chain_activity(random, elapsed, observed_ms)
    if _is_due(elapsed_ms, before_ms, PRICE_INTERVAL_MS):
        for name, symbol in symbols.items():
            episode = active_episode(name, elapsed)
            gap = episode.direction if episode and episode.regime is Regime.GAP else 0
            yield from exchange_prices(random, name, symbol.mid, gap, start_ms + elapsed_ms)


def _is_due(elapsed_ms: int, before_ms: int, interval_ms: int) -> bool:
    """Whether a multiple of the interval has been reached since ``before_ms``."""
    return elapsed_ms // interval_ms != before_ms // interval_ms


def _envelope(stream: str, data: Any, time_ms: int) -> bytes:
    return msgspec.json.encode({"stream": stream, "data": data, "ts": time_ms, "source": SOURCE})
